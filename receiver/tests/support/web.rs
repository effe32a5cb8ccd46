//! A DICOMweb service in memory: STOW-RS, QIDO-RS by SOP Instance UID, WADO-RS, and ways to
//! misbehave.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use karez_receiver::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// The service; clones are the same one.
#[derive(Clone, Default)]
pub struct Web(Arc<Mutex<State>>);

/// What it has and what it does wrong.
#[derive(Default)]
pub struct State {
    /// Files by SOP Instance UID; the first stays.
    pub held: BTreeMap<String, Vec<u8>>,
    /// Instances that came whole, repeats included.
    pub received: Vec<String>,
    /// No connection comes up.
    pub down: bool,
    /// It answers every STOW-RS with this status and no body, and stores nothing.
    pub answer: Option<u16>,
    /// It says 200, names nothing and stores nothing, as Orthanc on a full disk.
    pub full: bool,
    /// It stores, and cuts the connection before the answer; this many times.
    pub cuts: u32,
}

impl Web {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn connect(&self) -> io::Result<DuplexStream> {
        if self.state().down {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = duplex(256 << 10);
        let web = self.clone();
        tokio::spawn(async move { web.serve(theirs).await });
        Ok(ours)
    }

    async fn serve(self, mut stream: DuplexStream) -> io::Result<()> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = find(&bytes, b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut body = bytes.split_off(end + 4);
        let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        while body.len() < length {
            if stream.read_buf(&mut body).await? == 0 {
                return Ok(());
            }
        }
        assert!(
            header(&head, "transfer-encoding").is_none(),
            "the length is told"
        );
        let (method, rest) = head.split_once(' ').unwrap();
        let path = rest.split(' ').next().unwrap();
        let path = path.strip_prefix("/dicom-web").unwrap();
        let answer = match method {
            "POST" => self.stow(&head, &body),
            _ => Some(self.get(path)),
        };
        if let Some((status, kind, body)) = answer {
            let head = format!(
                "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Ok(())
    }

    fn stow(&self, head: &str, body: &[u8]) -> Option<(u16, String, Vec<u8>)> {
        let kind = header(head, "content-type").unwrap();
        let boundary = kind.split_once("boundary=").unwrap().1;
        assert_eq!(boundary.len(), 32);
        let start = find(body, b"\r\n\r\n").unwrap() + 4;
        let file = body[start..].strip_suffix(format!("\r\n--{boundary}--\r\n").as_bytes());
        let file = file.unwrap().to_vec();
        let uid = Identity::read(&file)
            .unwrap()
            .sop_instance
            .as_str()
            .to_owned();
        let mut state = self.state();
        state.received.push(uid.clone());
        let json = "application/dicom+json".to_owned();
        if let Some(status) = state.answer {
            return Some((status, json, Vec::new()));
        }
        if state.full {
            return Some((200, json, b"{}".to_vec()));
        }
        state.held.entry(uid.clone()).or_insert(file);
        if state.cuts > 0 {
            state.cuts -= 1;
            return None;
        }
        let named = format!(
            r#"{{"00081199":{{"vr":"SQ","Value":[{{"00081155":{{"vr":"UI","Value":["{uid}"]}}}}]}}}}"#
        );
        Some((200, json, named.into_bytes()))
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        let state = self.state();
        if let Some((_, uid)) = path.split_once("?SOPInstanceUID=") {
            let Some(file) = state.held.get(uid) else {
                return (204, String::new(), Vec::new());
            };
            let identity = Identity::read(file).unwrap();
            let value = |uid: &str| serde_json::json!({ "vr": "UI", "Value": [uid] });
            let found = serde_json::json!([{
                "00080018": value(uid),
                "0020000D": value(identity.study.as_str()),
                "0020000E": value(identity.series.as_str()),
            }]);
            let body = found.to_string().into_bytes();
            return (200, "application/dicom+json".into(), body);
        }
        let uid = path.rsplit('/').next().unwrap();
        let file = state.held.get(uid).cloned().unwrap_or_default();
        let open = b"--xyz\r\nContent-Type: application/dicom\r\n\r\n";
        let body = [&open[..], &file, b"\r\n--xyz--"].concat();
        let kind = "multipart/related; type=\"application/dicom\"; boundary=xyz";
        (200, kind.into(), body)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

//! Orthanc (Debian packages orthanc and orthanc-dicomweb) as a process on loopback, with a
//! configuration of its own, and a way to ask it that shares no code with what is tested.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PROGRAMS: [&str; 2] = ["/usr/sbin/Orthanc", "/usr/bin/Orthanc"];
const DICOMWEB: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Orthanc; it ends with its owner.
pub struct Orthanc {
    child: Child,
    folder: PathBuf,
    /// Its HTTP port.
    pub http: u16,
    /// Its DICOM port.
    pub dicom: u16,
}

impl Orthanc {
    /// One that knows these AE titles with their ports on loopback. `None` when it is not
    /// installed.
    #[must_use]
    pub fn start(folder: &Path, known: &[(&str, u16)]) -> Option<Self> {
        let program = PROGRAMS.iter().find(|path| Path::new(path).is_file());
        let (Some(program), true) = (program, Path::new(DICOMWEB).is_file()) else {
            println!("skipped: Orthanc is not installed (Debian: orthanc, orthanc-dicomweb)");
            return None;
        };
        std::fs::create_dir_all(folder).unwrap();
        let (http, dicom) = (free_port(), free_port());
        let modalities = known
            .iter()
            .map(|(title, port)| (title.to_lowercase(), json!([title, "127.0.0.1", port])));
        let configuration = json!({
            "Name": "test",
            "StorageDirectory": folder.join("storage"),
            "IndexDirectory": folder.join("storage"),
            "HttpPort": http,
            "DicomPort": dicom,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": false,
            "Plugins": [DICOMWEB],
            "DicomWeb": { "Enable": true, "Root": "/dicom-web/" },
            "DicomModalities": modalities.collect::<serde_json::Map<_, _>>(),
        });
        let file = folder.join("orthanc.json");
        std::fs::write(&file, configuration.to_string()).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(program)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let orthanc = Self {
            child,
            folder: folder.to_owned(),
            http,
            dicom,
        };
        orthanc.wait_until_up();
        Some(orthanc)
    }

    /// Where it takes DICOM associations.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.dicom).into()
    }

    /// It as a target by C-STORE.
    #[must_use]
    pub fn dimse(&self) -> String {
        format!("dicom://ORTHANC@127.0.0.1:{}", self.dicom)
    }

    /// It as a target by STOW-RS.
    #[must_use]
    pub fn web(&self) -> String {
        format!("stow+http://127.0.0.1:{}/dicom-web", self.http)
    }

    /// SOP Instance UID and Orthanc's own id of all that it holds.
    #[must_use]
    pub fn instances(&self) -> Vec<(String, String)> {
        let (_, body) = self.ask("GET", "/instances?expand", &[]);
        let all: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let named = |one: &Value| {
            (
                text(&one["MainDicomTags"]["SOPInstanceUID"]),
                text(&one["ID"]),
            )
        };
        all.as_array().into_iter().flatten().map(named).collect()
    }

    /// An instance's file as Orthanc has it.
    #[must_use]
    pub fn file(&self, id: &str) -> Vec<u8> {
        let (status, body) = self.ask("GET", &format!("/instances/{id}/file"), &[]);
        assert_eq!(status, 200);
        body
    }

    /// Deletes an instance.
    pub fn delete(&self, id: &str) {
        assert_eq!(self.ask("DELETE", &format!("/instances/{id}"), &[]).0, 200);
    }

    /// Gives it a file past DICOM and DICOMweb; whether it took that.
    #[must_use]
    pub fn upload(&self, file: &[u8]) -> bool {
        self.ask("POST", "/instances", file).0 == 200
    }

    /// Sends all that it holds to an AE title that it knows, as a scanner would.
    pub fn send_all_to(&self, title: &str) {
        let ids: Vec<String> = self.instances().into_iter().map(|(_, id)| id).collect();
        let path = format!("/modalities/{}/store", title.to_lowercase());
        let (status, body) = self.ask("POST", &path, json!(ids).to_string().as_bytes());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    /// Asks that AE title for storage commitment of all that it holds, and of one instance that it
    /// never sent; how the answer is found.
    #[must_use]
    pub fn ask_commitment_of(&self, title: &str, stranger: &str) -> String {
        let held = self.instances().into_iter().map(|(_, id)| json!(id));
        let question = json!({
            "Resources": held.collect::<Vec<_>>(),
            "DicomInstances": [["1.2.840.10008.5.1.4.1.1.2", stranger]],
        });
        let path = format!("/modalities/{}/storage-commitment", title.to_lowercase());
        let (status, body) = self.ask("POST", &path, question.to_string().as_bytes());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let answer: Value = serde_json::from_slice(&body).unwrap();
        answer["Path"].as_str().unwrap().to_owned()
    }

    /// What it has been told since.
    #[must_use]
    pub fn told(&self, path: &str) -> Value {
        let (_, body) = self.ask("GET", path, &[]);
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// Asks over HTTP: status and body.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.http)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(!head.to_ascii_lowercase().contains("chunked"));
        (status, answer[end + 4..].to_vec())
    }

    fn wait_until_up(&self) {
        let end = Instant::now() + PATIENCE;
        let up = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        while !up(self.http) || !up(self.dicom) {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "Orthanc does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TCP port of loopback that is free now.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

//! DICOM over TLS both ways: DCMTK's storescu to the clinic's port, the hub to DCMTK's storescp, each
//! with a certificate that the other verifies. The certificates are OpenSSL's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use karez_dimse::part10::Head;
use karez_host::real::RealEnv;
use karez_sender::{Sender, Settings, Work};

use crate::made::Image;
use crate::{Hub, files, server, wait};

/// An authority and what it signs, in a folder.
struct Authority(PathBuf);

impl Authority {
    fn new(folder: PathBuf) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let authority = Self(folder);
        let subject = ["-x509", "-subj", "/CN=authority", "-days", "2"];
        let keys = ["-keyout", "ca.key", "-out", "ca.pem"];
        authority.openssl(
            &[
                &["req", "-newkey", "rsa:2048", "-nodes"],
                &subject[..],
                &keys,
            ]
            .concat(),
        );
        authority
    }

    /// A certificate for this machine.
    fn sign(&self, name: &str) {
        let file = |ending: &str| format!("{name}.{ending}");
        let (key, request, signed) = (file("key"), file("csr"), file("pem"));
        std::fs::write(self.0.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let subject = format!("/CN={name}");
        self.openssl(&[
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out",
            &request,
        ]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "san",
            "-out",
            &signed,
        ]);
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {arguments:?}: {error}");
    }
}

/// The tool's exit, with the certificate `name` of this authority.
fn storescu(authority: &Authority, name: &str, port: u16, file: &Path) -> bool {
    let status = Command::new("storescu")
        .args(["+tls", &authority.path(&format!("{name}.key"))])
        .args([
            &authority.path(&format!("{name}.pem")),
            "+cf",
            &authority.path("ca.pem"),
        ])
        .args(["-q", "-aec", "KAREZ", "127.0.0.1", &port.to_string()])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A clinic in this process whose port speaks TLS; it and that port.
async fn clinic(scratch: &Path, hub: &Hub, authority: &Authority) -> (Sender, u16) {
    let dir = scratch.join("clinic");
    std::fs::create_dir_all(&dir).unwrap();
    let mut settings = Settings::default();
    settings.dicom.listen = "127.0.0.1:0".to_owned();
    settings.dicom.allow_any = true;
    settings.dicom.tls_cert = authority.path("clinic.pem").into();
    settings.dicom.tls_key = authority.path("clinic.key").into();
    settings.dicom.tls_ca = authority.path("ca.pem").into();
    let env = Arc::new(RealEnv::new().unwrap());
    let sender = Sender::start(env, &dir, settings, Work::All).unwrap();
    let address = format!("127.0.0.1:{}", hub.port);
    let line = hub.command(&["invite", "chagai", "--address", &address]);
    sender.handle().join(line.trim()).await.unwrap();
    loop {
        let status = sender.handle().status().await.unwrap();
        let status = serde_json::to_value(&status).unwrap();
        let listen = status["scanner_port"]["listen"]
            .as_str()
            .unwrap_or_default();
        if let Some((_, port)) = listen.rsplit_once(':') {
            return (sender, port.parse().unwrap());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_comes_and_goes_by_tls_is_verified_on_all_four_ends_and_arrives_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let (authority, stranger) = (Authority::new(path("ca")), Authority::new(path("other")));
    for name in ["scanner", "clinic", "hub", "pacs"] {
        authority.sign(name);
    }
    stranger.sign("scanner");
    std::fs::create_dir(path("pacs")).unwrap();
    let out = path("pacs").display().to_string();
    let (key, cert, ca) = (
        authority.path("pacs.key"),
        authority.path("pacs.pem"),
        authority.path("ca.pem"),
    );
    let arguments = [
        "+tls", &key, &cert, "+cf", &ca, "+xa", "-pm", "+B", "+uf", "-od", &out,
    ];
    let Some((_server, port)) = server("storescp", &arguments, &path("storescp.log")) else {
        return;
    };
    let ours = format!(
        "cert={}&key={}",
        authority.path("hub.pem"),
        authority.path("hub.key")
    );
    let options = format!("find=no&versions=all&tls=yes&ca={ca}&{ours}");
    let hub = Hub::start(
        scratch.path(),
        &format!("pacs=dicom://STORESCP@127.0.0.1:{port}?{options}"),
    );
    let (sender, at) = clinic(scratch.path(), &hub, &authority).await;
    let image = Image::ct(1);
    std::fs::write(path("image.dcm"), image.file()).unwrap();
    let file = path("image.dcm");
    let judged = tokio::task::spawn_blocking(move || {
        assert!(
            !storescu(&stranger, "scanner", at, &file),
            "a stranger was let in"
        );
        assert!(storescu(&authority, "scanner", at, &file));
        wait("it is stored", || {
            hub.progress().is_some_and(|(stored, _)| stored == 1)
        });
        judge_tests(&hub, port, &stranger);
    });
    judged.await.unwrap();
    let there = files(&path("pacs"));
    assert_eq!(there.len(), 1);
    let stored = std::fs::read(&there[0]).unwrap();
    let head = Head::read(&stored).unwrap();
    assert!(stored[head.data_set..] == image.data_set());
    sender.stop().await.unwrap();
}

/// `target test` speaks TLS with the right archive, and says what is wrong with one whose certificate
/// another authority should have signed.
fn judge_tests(hub: &Hub, port: u16, stranger: &Authority) {
    let said = |name: &str| {
        let test = hub.try_command(&["target", "test", name]);
        let texts =
            [&test.stdout, &test.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        (test.status.success(), texts.concat())
    };
    let (_, right) = said("pacs");
    assert!(right.contains("tls: it works"), "{right}");
    let authority = stranger.path("ca.pem");
    let wrong = format!("dicom://STORESCP@127.0.0.1:{port}?find=no&tls=yes&ca={authority}");
    hub.command(&["target", "add", "wrong", &wrong]);
    let (success, wrong) = said("wrong");
    assert!(!success && wrong.contains("TLS failed"), "{wrong}");
}

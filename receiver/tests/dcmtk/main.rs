//! The hub as a process against DCMTK's archives as processes, on loopback. A test whose tool is
//! missing says so and proves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod dcmqrscp;
#[path = "../support/made.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test crate uses its part")]
mod made;
mod storescp;
mod tls;

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use karez_host::real::RealEnv;
use karez_sender::{Given, Sender, Settings, Work};
use serde_json::Value;

/// A process of the test, killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The hub, as a process.
struct Hub {
    dir: PathBuf,
    port: u16,
    child: Option<Process>,
}

impl Hub {
    /// One with a PACS as its only target, running.
    fn start(scratch: &Path, target: &str) -> Self {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let dir = scratch.join("hub");
        let mut hub = Self {
            dir,
            port,
            child: None,
        };
        let listen = format!("127.0.0.1:{port}");
        hub.command(&["init", "--listen", &listen, "--handoff", target]);
        hub.run();
        hub
    }

    fn run(&mut self) {
        let socket = self.dir.join("control.sock");
        let _ = std::fs::remove_file(&socket);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_karez-receiver"))
            .arg("--data")
            .arg(&self.dir)
            .arg("run")
            .env("RUST_LOG", "info,karez_receiver=debug")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(Process(child));
        wait("the hub runs", || socket.exists());
    }

    fn kill(&mut self) {
        self.child = None;
    }

    fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    fn try_command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_karez-receiver"))
            .arg("--data")
            .arg(&self.dir)
            .args(arguments)
            .output()
            .unwrap()
    }

    fn command(&self, arguments: &[&str]) -> String {
        let output = self.try_command(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Instances that are stored, and why others are parked; nothing while it does not answer.
    fn progress(&self) -> Option<(u64, Vec<String>)> {
        let output = self.try_command(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        let studies = status["studies"].as_array()?;
        let stored = studies.iter().map(|s| s["stored"].as_u64().unwrap_or(0));
        let parked = status["parked"].as_array()?.iter();
        let reason = |item: &Value| item["reason"].as_str().unwrap_or_default().to_owned();
        Some((stored.sum(), parked.map(reason).collect()))
    }
}

/// A clinic in this process that has joined.
async fn clinic(scratch: &Path, hub: &Hub) -> Sender {
    let dir = scratch.join("clinic");
    std::fs::create_dir_all(&dir).unwrap();
    let mut settings = Settings::default();
    settings.dicom.listen = "127.0.0.1:0".parse().unwrap();
    let env = Arc::new(RealEnv::new().unwrap());
    let sender = Sender::start(env, &dir, settings, Work::All).unwrap();
    let address = format!("127.0.0.1:{}", hub.port);
    let line = hub.command(&["invite", "chagai", "--address", &address]);
    sender.handle().join(line.trim()).await.unwrap();
    sender
}

async fn send(sender: &Sender, bytes: &[u8]) {
    let given = Given {
        folder: b"folder".to_vec(),
        class: None,
    };
    let mut intake = sender.handle().intake(given).unwrap();
    for piece in bytes.chunks(100_000) {
        intake.write(piece).await.unwrap();
    }
    intake.finish().await.unwrap();
}

/// Starts a server of DCMTK's that takes its port last; `None` when it is not installed.
fn server(tool: &str, arguments: &[&str], log: &Path) -> Option<(Process, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let log = std::fs::File::create(log).unwrap();
    let child = Command::new(tool)
        .args(arguments)
        .arg(port.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    let Ok(child) = child else {
        println!("skipped: {tool} is not installed (Debian package dcmtk)");
        return None;
    };
    let process = Process(child);
    let there = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    wait("the archive listens", there);
    Some((process, port))
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(300);
    while !done() {
        assert!(Instant::now() < end, "not within five minutes: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

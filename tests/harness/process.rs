//! The daemons as processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A binary of the workspace, beside the test's own.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let path = target.join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --release`",
        path.display()
    );
    path
}

/// Runs a command of one of the programs to its end.
pub fn run(name: &str, data: &Path, arguments: &[&str]) -> Output {
    Command::new(binary(name))
        .arg("--data")
        .arg(data)
        .args(arguments)
        .output()
        .unwrap()
}

/// The same with something to read.
pub fn run_with_input(name: &str, data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary(name))
        .arg("--data")
        .arg(data)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// The same, which must succeed; what it printed.
pub fn run_ok(name: &str, data: &Path, arguments: &[&str]) -> String {
    let output = run(name, data, arguments);
    let (out, err) = texts(&output);
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {}\n{out}\n{err}",
        output.status
    );
    out
}

/// Runs a line of shell, which must succeed; what it printed.
pub fn run_shell(line: &str) -> String {
    let output = Command::new("bash").args(["-c", line]).output().unwrap();
    let (out, err) = texts(&output);
    assert!(
        output.status.success(),
        "{line}: {}\n{out}\n{err}",
        output.status
    );
    out
}

/// Standard output and standard error as text.
#[must_use]
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A running daemon. Killed when dropped.
pub struct Daemon {
    name: &'static str,
    data: PathBuf,
    log: PathBuf,
    extra: Vec<String>,
    child: Option<Child>,
}

impl Daemon {
    /// A daemon that is not yet running; its log goes to `log`.
    #[must_use]
    pub fn new(name: &'static str, data: &Path, log: &Path) -> Self {
        let (data, log) = (data.to_owned(), log.to_owned());
        Self {
            name,
            data,
            log,
            extra: Vec::new(),
            child: None,
        }
    }

    /// Further arguments of `run`.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.extra = arguments.iter().map(|a| (*a).to_owned()).collect();
        self
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        // A killed daemon leaves its socket behind; only a fresh one shows that it runs.
        let socket = self.data.join("control.sock");
        let _ = std::fs::remove_file(&socket);
        self.spawn();
        let patience = Instant::now() + Duration::from_secs(30);
        while !socket.exists() || self.try_status().is_none() {
            let ended = self.child.as_mut().and_then(|c| c.try_wait().unwrap());
            assert!(
                ended.is_none(),
                "{} ended: {ended:?}\n{}",
                self.name,
                self.log_text()
            );
            assert!(
                Instant::now() < patience,
                "{} does not answer\n{}",
                self.name,
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets a sender listen for scanners on a port that the system chooses, so that several run
    /// on one machine.
    fn ports(&self) -> &'static [&'static str] {
        let config = std::fs::read_to_string(self.data.join("config.toml")).unwrap_or_default();
        if config.contains("[dicom]") {
            &["--set", "dicom.listen=127.0.0.1:0"]
        } else {
            &[]
        }
    }

    /// Starts it and waits for nothing.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = Command::new(binary(self.name));
        command
            .arg("--data")
            .arg(&self.data)
            .arg("run")
            .args(self.ports())
            .args(&self.extra);
        // Beside the data, so that what a daemon leaves in its temporary folder can be searched.
        let temporary = self.data.with_file_name("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        command.env("TMPDIR", temporary);
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "debug");
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM, and its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() > patience {
                child.kill().unwrap();
                child.wait().unwrap();
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|c| c.try_wait().unwrap().is_none())
    }

    /// `status --json`.
    pub fn status(&self) -> Value {
        self.try_status()
            .unwrap_or_else(|| panic!("no status\n{}", self.log_text()))
    }

    fn try_status(&self) -> Option<Value> {
        let output = run(self.name, &self.data, &["status", "--json"]);
        let text = texts(&output).0;
        output
            .status
            .success()
            .then(|| serde_json::from_str(text.trim()).ok())
            .flatten()
    }

    /// Runs one of its program's commands, which must succeed.
    pub fn command(&self, arguments: &[&str]) -> String {
        run_ok(self.name, &self.data, arguments)
    }

    /// Peak resident memory so far, in bytes (VmHWM).
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let id = self.id();
        let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = text
            .lines()
            .find(|l| l.starts_with("VmHWM:"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    }

    /// Its process id; 0 when it does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it has logged.
    #[must_use]
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log_text();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            println!("--- the end of {}'s log", self.name);
            tail.iter().rev().for_each(|line| println!("{line}"));
        }
        self.kill();
    }
}

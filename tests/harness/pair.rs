//! A clinic and a hub on this machine, with a link between them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Daemon, run_ok};
use crate::relay::{Relay, Shape};

/// Both daemons, enrolled, with a folder as hand-off.
pub struct Pair {
    /// The clinic's daemon.
    pub sender: Daemon,
    /// The hub's daemon.
    pub receiver: Daemon,
    /// What lies between them.
    pub relay: Relay,
    /// Where the hub hands off.
    pub folder: PathBuf,
    scratch: tempfile::TempDir,
}

impl Pair {
    /// Sets both up and starts them.
    #[must_use]
    pub fn start(shape: Shape) -> Self {
        Self::start_with(shape, &[], &[])
    }

    /// The same with further arguments of `karez-sender run` and `karez-receiver run`.
    #[must_use]
    pub fn start_with(shape: Shape, sender: &[&str], receiver: &[&str]) -> Self {
        let mut pair = Self::prepare(shape, sender, receiver);
        pair.receiver.start();
        let invitation = pair.invite("clinic-one");
        pair.join(&invitation);
        pair.sender.start();
        pair
    }

    /// Sets both up with a PACS as hand-off, and starts them; anybody may send to the clinic.
    #[must_use]
    pub fn start_into(shape: Shape, target: &str) -> Self {
        Self::start_into_with(shape, target, &[])
    }

    /// The same with further arguments of `karez-receiver run`.
    #[must_use]
    pub fn start_into_with(shape: Shape, target: &str, receiver: &[&str]) -> Self {
        let sender = ["--set", "dicom.allow_any=true"];
        let mut pair = Self::prepare_into(shape, &sender, receiver, Some(target));
        pair.receiver.start();
        let invitation = pair.invite("clinic-one");
        pair.join(&invitation);
        pair.sender.start();
        pair
    }

    /// Sets the hub up, and nothing else.
    #[must_use]
    pub fn prepare(shape: Shape, sender: &[&str], receiver: &[&str]) -> Self {
        Self::prepare_into(shape, sender, receiver, None)
    }

    fn prepare_into(
        shape: Shape,
        sender: &[&str],
        receiver: &[&str],
        target: Option<&str>,
    ) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        let listen = free_address();
        let folder = path("pacs");
        let (hub, clinic) = (path("hub"), path("clinic"));
        let folder_target = format!("folder:{}", folder.display());
        let target = target.unwrap_or(&folder_target);
        let listen_text = listen.to_string();
        let init = [
            "init",
            "--name",
            "Quetta",
            "--listen",
            &listen_text,
            "--handoff",
            target,
        ];
        run_ok("karez-receiver", &hub, &init);
        Self {
            sender: Daemon::new("karez-sender", &clinic, &path("sender.log")).with(sender),
            receiver: Daemon::new("karez-receiver", &hub, &path("receiver.log")).with(receiver),
            relay: Relay::start(listen, shape, 1),
            folder,
            scratch,
        }
    }

    /// An invitation that leads through the relay.
    #[must_use]
    pub fn invite(&self, name: &str) -> String {
        let address = self.relay.address().to_string();
        let line = self
            .receiver
            .command(&["invite", name, "--address", &address]);
        assert_eq!(
            line.trim().lines().count(),
            1,
            "the invitation alone: {line}"
        );
        line.trim().to_owned()
    }

    /// Enrols the clinic.
    pub fn join(&self, invitation: &str) {
        run_ok("karez-sender", self.sender.data(), &["join", invitation]);
    }

    /// Another clinic of the same hub, running.
    #[must_use]
    pub fn another_clinic(&self, name: &str) -> Daemon {
        let data = self.scratch.path().join(name);
        run_ok("karez-sender", &data, &["join", &self.invite(name)]);
        let log = self.scratch.path().join(format!("{name}.log"));
        let mut clinic = Daemon::new("karez-sender", &data, &log);
        clinic.start();
        clinic
    }

    /// Gives files or folders to the clinic.
    pub fn send(&self, paths: &[&Path]) -> String {
        let mut arguments = vec!["send"];
        let texts: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        arguments.extend(texts.iter().map(String::as_str));
        self.sender.command(&arguments)
    }

    /// A folder of this pair's own.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Waits until the sender's status satisfies `good`.
    pub fn wait(&self, what: &str, patience: Duration, good: impl Fn(&Value) -> bool) -> Value {
        wait_status(&self.sender, what, patience, good)
    }

    /// Waits until every study has a receipt STORED.
    pub fn wait_stored(&self, patience: Duration) -> Value {
        self.wait("all stored", patience, |status| {
            let studies = status["studies"].as_array().map_or(&[][..], Vec::as_slice);
            let unsealed = status["spool"]["unsealed_bytes"].as_u64().unwrap_or(1);
            !studies.is_empty() && unsealed == 0 && studies.iter().all(|s| s["receipt"] == "stored")
        })
    }

    /// Waits until the hub has stored or parked `count` instances; the reasons of the parked ones,
    /// and how often each was given.
    #[must_use]
    pub fn wait_handed_off(&self, count: usize) -> BTreeMap<String, usize> {
        let end = Instant::now() + Duration::from_secs(300);
        loop {
            let status = self.receiver.status();
            let studies = status["studies"].as_array().unwrap().iter();
            let stored: u64 = studies.filter_map(|study| study["stored"].as_u64()).sum();
            let mut parked = BTreeMap::new();
            for item in status["parked"].as_array().unwrap() {
                let reason = item["reason"].as_str().unwrap_or_default().to_owned();
                *parked.entry(reason).or_insert(0) += 1;
            }
            if stored as usize + parked.values().sum::<usize>() == count {
                return parked;
            }
            assert!(Instant::now() < end, "{count} sent:\n{status:#}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// Waits until a daemon's status satisfies `good`.
pub fn wait_status(
    daemon: &Daemon,
    what: &str,
    patience: Duration,
    good: impl Fn(&Value) -> bool,
) -> Value {
    let until = Instant::now() + patience;
    loop {
        let status = daemon.status();
        if good(&status) {
            return status;
        }
        assert!(
            Instant::now() < until,
            "not in {patience:?}: {what}\n{status:#}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A loopback UDP address that is free now.
#[must_use]
pub fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap()
}

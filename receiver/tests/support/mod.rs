//! A hub whose world is in memory and in tokio's paused time; the clinic and the network are
//! those of the sender's tests.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its part; a test fails by panicking"
)]

#[path = "../../../sender/tests/support/mod.rs"]
pub mod world;

pub mod made;
pub mod reach;
pub mod web;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use karez_host::Failure;
use karez_protocol::seal::HubSeed;
use karez_receiver::{Command, Handle, Receiver, Settings, keys, offline};
use karez_store::{Disk, EntryKind, MemDisk, OpenMode};
use serde_json::Value;

use world::TestEnv;
pub use world::clinic::Clinic;
pub use world::net::{Link, World};
pub use world::{dicom, noise, until};

pub const DIR: &str = "/hub";
pub const PACS: &str = "/pacs";
pub const SEED: [u8; 32] = [7; 32];

/// 50 Mbit/s, 20 ms.
pub fn fast() -> Link {
    Link {
        bits_per_s: 50e6,
        delay: Duration::from_millis(20),
        loss: 0.0,
        queue: Duration::from_secs(2),
    }
}

pub struct Hub {
    pub env: Arc<TestEnv>,
    pub settings: Settings,
    /// Who answers at which `HOST:PORT`.
    pub reach: reach::Reach,
    net: World,
    receiver: Option<Receiver>,
}

impl Hub {
    /// A hub on machine 1 with a folder as its target, running.
    pub async fn new(net: &World, seed: u64) -> Self {
        let mut hub = Self::with(made_disk(), net, seed);
        hub.ask_offline(target("folder", PACS)).unwrap();
        hub.start().await.unwrap();
        hub
    }

    /// One on a disk that has its keys, not started.
    pub fn with(disk: MemDisk, net: &World, seed: u64) -> Self {
        let mut settings = Settings::default();
        settings.hub.listen = "10.0.0.1:4433".parse().unwrap();
        settings.store.reserve.0 = 0;
        Self {
            env: TestEnv::new(disk, net.machine(1), 1_000_000 + seed),
            settings,
            reach: reach::Reach::default(),
            net: net.clone(),
            receiver: None,
        }
    }

    pub async fn start(&mut self) -> Result<(), Failure> {
        let (env, settings) = (self.reach.env(&self.env), self.settings.clone());
        self.receiver = Some(Receiver::start(env, Path::new(DIR), settings).await?);
        Ok(())
    }

    /// The power goes: what was not synced is lost in part, by the seed.
    pub async fn kill(&mut self, seed: u64) {
        // A dead process says nothing: what its sockets would still say is lost.
        self.net.set_down(true);
        self.env.kill();
        self.receiver = None;
        tokio::time::sleep(Duration::from_secs(20)).await;
        self.net.set_down(false);
        self.env.disk.crash(seed);
    }

    pub async fn stop(&mut self) {
        self.receiver.take().unwrap().stop().await;
    }

    pub fn handle(&self) -> Handle {
        self.receiver.as_ref().unwrap().handle()
    }

    pub async fn ask(&self, command: Command) -> Result<Value, Failure> {
        self.handle().command(command).await
    }

    pub fn ask_offline(&self, command: Command) -> Result<Value, Failure> {
        offline(
            self.env.clone(),
            Path::new(DIR),
            self.settings.clone(),
            command,
        )
    }

    pub async fn status(&self) -> Value {
        self.ask(Command::Status {}).await.unwrap()
    }

    pub async fn invite(&self, name: &str) -> String {
        let answer = self.ask(invite(name, false)).await.unwrap();
        answer["invitation"].as_str().unwrap().to_owned()
    }

    /// A clinic on machine `2 + seed` that has joined.
    pub async fn clinic(&self, net: &World, name: &str, seed: u64) -> Clinic {
        let mut clinic = Clinic::alone(net, seed);
        clinic.start().unwrap();
        clinic
            .handle()
            .join(&self.invite(name).await)
            .await
            .unwrap();
        clinic
    }

    /// What lies in the folder, by path.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        read_below(&self.env.disk, Path::new(PACS), &mut files);
        files.retain(|path, _| path.extension().is_some_and(|e| e == "dcm"));
        files
    }

    /// Fails unless the folder holds each of these once and nothing else.
    pub fn holds_exactly(&self, expected: &[Vec<u8>]) {
        let mut there: Vec<Vec<u8>> = self.files().into_values().collect();
        let mut expected = expected.to_vec();
        there.sort();
        expected.sort();
        let names = |all: &[Vec<u8>]| all.iter().map(|f| name(f)).collect::<Vec<_>>();
        assert_eq!(names(&there), names(&expected));
    }
}

pub fn target(name: &str, path: &str) -> Command {
    Command::TargetAdd {
        name: name.into(),
        url: format!("folder:{path}"),
    }
}

pub fn invite(name: &str, replace: bool) -> Command {
    Command::Invite {
        name: name.into(),
        addresses: vec!["10.0.0.1:4433".into()],
        replace,
    }
}

/// A disk with a hub's keys.
pub fn made_disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    keys::store(&disk, Path::new(DIR), &HubSeed::new(SEED)).unwrap();
    disk
}

/// Waits until all that the clinic has taken is stored.
pub async fn all_stored(clinic: &Clinic, count: u64) {
    let handle = clinic.handle();
    until("all stored", async || {
        handle.progress(vec![(0, count)]).await.unwrap().stored == count
    })
    .await;
}

/// Sends files; each must be taken.
pub async fn send_all(clinic: &Clinic, files: &[Vec<u8>]) {
    for file in files {
        clinic.send(file, None).await.unwrap();
    }
}

/// Copies everything on a disk.
pub fn copy(from: &MemDisk) -> MemDisk {
    let copy = MemDisk::new();
    let mut files = BTreeMap::new();
    read_below(from, Path::new("/"), &mut files);
    for (path, bytes) in files {
        let parent = path.parent().unwrap();
        copy.create_dir_all(parent).unwrap();
        let file = copy.open(&path, OpenMode::CreateNew).unwrap();
        file.write_at(0, &bytes).unwrap();
        file.sync().unwrap();
        copy.sync_dir(parent).unwrap();
    }
    copy
}

fn read_below(disk: &MemDisk, dir: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in disk.entries(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        if entry.kind == EntryKind::Directory {
            read_below(disk, &path, into);
            continue;
        }
        let file = disk.open(&path, OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(0, &mut bytes).unwrap();
        into.insert(path, bytes);
    }
}

/// Stands for a file, so that a difference prints in a line.
fn name(file: &[u8]) -> String {
    let hash = blake3::hash(file).to_hex();
    format!("{} bytes {}", file.len(), hash.split_at(8).0)
}

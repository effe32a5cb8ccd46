//! One clinic that is started, killed and started again.

use std::path::Path;
use std::sync::Arc;

use karez_host::Failure;
use karez_protocol::priority::Class;
use karez_sender::{Given, Handle, Sender, Settings, Status, Ticket, Work};
use karez_store::{Disk, MemDisk, OpenMode};

use super::TestEnv;
use super::hub::Hub;
use super::net::World;

pub const DIR: &str = "/clinic";

pub struct Clinic {
    pub env: Arc<TestEnv>,
    pub settings: Settings,
    sender: Option<Sender>,
}

impl Clinic {
    /// A clinic on machine 2 that has an invitation of the hub's.
    pub async fn new(net: &World, hub: &Hub, seed: u64) -> Self {
        let mut clinic = Self::alone(net, seed);
        clinic.start().unwrap();
        clinic.handle().join(&hub.invitation()).await.unwrap();
        clinic
    }

    /// One that has never heard of a hub, not started.
    pub fn alone(net: &World, seed: u64) -> Self {
        Self::with(MemDisk::new(), net, seed)
    }

    pub fn with(disk: MemDisk, net: &World, seed: u64) -> Self {
        disk.create_dir_all(Path::new(DIR)).unwrap();
        let mut settings = Settings::default();
        settings.spool.keep_free.0 = 0;
        settings.spool.keep_free_stat.0 = 0;
        settings.spool.evict_below.0 = 0;
        Self {
            env: TestEnv::new(disk, net.machine(2 + (seed % 100) as u8), seed),
            settings,
            sender: None,
        }
    }

    pub fn start(&mut self) -> Result<(), Failure> {
        let sender = Sender::start(
            self.env.clone(),
            Path::new(DIR),
            self.settings.clone(),
            Work::All,
        )?;
        self.sender = Some(sender);
        Ok(())
    }

    /// The power goes: what was not synced is lost in part, by the seed.
    pub async fn kill(&mut self, seed: u64) {
        self.env.kill();
        self.sender = None;
        // Aborted tasks are dropped when they are next looked at.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.env.disk.crash(seed);
    }

    pub async fn stop(&mut self) {
        self.sender.take().unwrap().stop().await.unwrap();
    }

    pub fn handle(&self) -> Handle {
        self.sender.as_ref().unwrap().handle()
    }

    pub async fn status(&self) -> Status {
        self.handle().status().await.unwrap()
    }

    pub async fn send(&self, bytes: &[u8], class: Option<Class>) -> Result<Ticket, Failure> {
        let folder = b"folder".to_vec();
        let mut intake = self.handle().intake(Given { folder, class })?;
        for piece in bytes.chunks(50_000) {
            intake.write(piece).await?;
        }
        intake.finish().await
    }

    /// A copy of everything that is on its disk.
    pub fn copy_disk(&self) -> MemDisk {
        let copy = MemDisk::new();
        copy_into(&self.env.disk, &copy, Path::new(DIR));
        copy
    }
}

fn copy_into(from: &MemDisk, to: &MemDisk, dir: &Path) {
    to.create_dir_all(dir).unwrap();
    for entry in from.entries(dir).unwrap() {
        let path = dir.join(&entry.name);
        if entry.kind == karez_store::EntryKind::Directory {
            copy_into(from, to, &path);
            continue;
        }
        let file = from.open(&path, OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(0, &mut bytes).unwrap();
        let copied = to.open(&path, OpenMode::CreateNew).unwrap();
        copied.write_at(0, &bytes).unwrap();
        copied.sync().unwrap();
    }
    to.sync_dir(dir).unwrap();
}

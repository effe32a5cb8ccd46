//! The hub of a world: machine, receiver, archive.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use karez_dimse::stub::Pacs;
use karez_host::Failure;
use karez_host::units::Period;
use karez_protocol::seal::HubSeed;
use karez_receiver::{Command, Handle, Receiver, Settings};
use karez_store::Disk;
use serde_json::Value;

use crate::seed::Seed;
use crate::world::{Air, Machine};

/// Where clinics find the hub.
pub(crate) const ADDRESS: &str = "10.0.0.1:4433";
const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const PORT: u16 = 4433;
const DATA: &str = "/hub";
const PACS: &str = "pacs:104";

/// The hub. It can be killed and started again.
pub(crate) struct Hub {
    pub(crate) machine: Arc<Machine>,
    pub(crate) pacs: Pacs,
    settings: Settings,
    receiver: Option<Receiver>,
}

impl Hub {
    /// A hub that hands off to an archive of fingerprints and keeps stored studies for so long;
    /// running.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start_new(
        air: &Air,
        seed: Seed,
        speed: u64,
        keep: Period,
    ) -> Result<Self, Failure> {
        let pacs = Pacs::new(false);
        let machine = Machine::new(air, IP, seed.child("hub"))
            .with_speed(speed)
            .with_pacs(PACS, &pacs);
        let disk = machine.disk();
        let dir = Path::new(DATA);
        disk.create_dir_all(dir)
            .map_err(|e| Failure::new(format!("the hub's disk: {e}")))?;
        let secret = HubSeed::new(seed.child("hub seed").bytes());
        karez_receiver::keys::store(disk, dir, &secret)?;
        let mut settings = Settings::default();
        settings.hub.listen = (IP, PORT).into();
        settings.store.reserve.0 = 0;
        settings.store.keep_stored = keep;
        let mut hub = Self {
            machine: Arc::new(machine),
            pacs,
            settings,
            receiver: None,
        };
        hub.start().await?;
        let add = Command::TargetAdd {
            name: "pacs".into(),
            url: format!("dicom://PACS@{PACS}?calling=HUB"),
        };
        hub.ask(add).await?;
        Ok(hub)
    }

    /// Starts it, unless it runs.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(&mut self) -> Result<(), Failure> {
        if self.receiver.is_none() {
            let (env, settings) = (self.machine.env(), self.settings.clone());
            self.receiver = Some(Receiver::start(env, Path::new(DATA), settings).await?);
        }
        Ok(())
    }

    /// Its power goes.
    pub(crate) fn kill(&mut self, seed: u64) {
        self.machine.kill(seed);
        self.receiver = None;
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.receiver.as_ref().map(Receiver::handle)
    }

    /// Gives it a command.
    ///
    /// # Errors
    /// It does not run, or what it says.
    pub(crate) async fn ask(&self, command: Command) -> Result<Value, Failure> {
        let handle = self
            .handle()
            .ok_or_else(|| Failure::new("the hub is off"))?;
        handle.command(command).await
    }

    /// An invitation for a clinic.
    ///
    /// # Errors
    /// As [`Hub::ask`].
    pub(crate) async fn invite(&self, name: &str) -> Result<String, Failure> {
        let invite = Command::Invite {
            name: name.to_owned(),
            addresses: vec![ADDRESS.to_owned()],
            replace: false,
        };
        let answer = self.ask(invite).await?;
        Ok(answer["invitation"].as_str().unwrap_or_default().to_owned())
    }
}

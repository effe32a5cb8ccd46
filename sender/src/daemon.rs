//! The daemon put together, and the handle by which commands reach it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use karez_host::env::Engine as EngineThread;
use karez_host::{Env, Failure};
use karez_protocol::invitation::Invitation;
use karez_protocol::priority::Class;
use karez_store::Blobs;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::engine::{Command, Engine, Progress, Shared};
use crate::hub::HubInfo;
use crate::ingest::{Given, Intake, IntakeTools};
use crate::keys::Keys;
use crate::settings::Settings;
use crate::status::Status;
use crate::uplink::{self, Line};

/// What a sender does besides accepting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Packs, seals and sends.
    All,
    /// Nothing: a command that hands something in while no daemon runs.
    Accept,
}

/// A running sender. Stop it with [`Sender::stop`]; a process that ends without loses nothing.
pub struct Sender {
    handle: Handle,
    engine: EngineThread,
    uplink: Option<Uplink>,
}

/// The uplink's task; it ends with the sender.
struct Uplink(JoinHandle<()>);

impl Drop for Uplink {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How commands reach a sender. Clones are the same.
#[derive(Clone)]
pub struct Handle {
    engine: mpsc::Sender<Command>,
    hub: watch::Receiver<Option<HubInfo>>,
    tools: Arc<IntakeTools>,
}

impl Sender {
    /// Opens the data directory, takes its lock, and begins.
    ///
    /// # Errors
    /// Another process has the directory, or it cannot be read or written.
    pub fn start(
        env: Arc<dyn Env>,
        dir: &Path,
        settings: Settings,
        work: Work,
    ) -> Result<Self, Failure> {
        let keys = Arc::new(Keys::open(&*env, dir)?);
        let hub = HubInfo::load(&*env, dir)?;
        let blobs = Blobs::open(env.disk(), &dir.join("ingest"));
        let shared = Shared {
            blobs: blobs.map_err(|e| Failure::new(e.to_string()).at(dir.display()))?,
            dir: dir.to_owned(),
            keys,
            settings: Arc::new(settings),
            unsealed: Arc::new(AtomicU64::new(0)),
            bell: Arc::new(Notify::new()),
            line: Arc::new(Line::default()),
            packs: work == Work::All,
            env: env.clone(),
        };
        let (engine, (commands, hub)) = Engine::open(shared.clone(), hub)?;
        let thread = env.spawn_engine("engine", Box::pin(engine.run()));
        let thread = thread.map_err(|e| Failure::new(format!("no thread can be started: {e}")))?;
        let uplink = (work == Work::All)
            .then(|| tokio::spawn(uplink::run(shared.clone(), commands.clone(), hub.clone())))
            .map(Uplink);
        let tools = Arc::new(IntakeTools {
            env,
            dir: shared.dir,
            blobs: shared.blobs,
            keys: shared.keys,
            settings: shared.settings,
            unsealed: shared.unsealed,
            engine: commands.clone(),
        });
        Ok(Self {
            handle: Handle {
                engine: commands,
                hub,
                tools,
            },
            engine: thread,
            uplink,
        })
    }

    /// How to reach it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends it, with everything durable, and lets the data directory go.
    ///
    /// # Errors
    /// The engine had ended by a bug.
    pub async fn stop(self) -> Result<(), Failure> {
        drop(self.uplink);
        // An engine that has already ended needs no word.
        let _ = self.handle.engine.send(Command::Stop).await;
        let ended = self.engine.join().await;
        ended.map_err(|e| {
            Failure::new(e.to_string()).fix("Start it again; nothing accepted is lost")
        })
    }
}

impl Handle {
    /// Opens an instance on its way in.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn intake(&self, given: Given) -> Result<Intake, Failure> {
        Intake::open(self.tools.clone(), given)
    }

    /// How things stand.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.ask(Command::Status).await
    }

    /// How far instances are, by ranges of the orders in their tickets (from, to exclusive).
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn progress(&self, orders: Vec<(u64, u64)>) -> Result<Progress, Failure> {
        self.ask(|reply| Command::Progress(orders, reply)).await
    }

    /// Changes the class of the study whose name begins with `study`; gives its short name.
    ///
    /// # Errors
    /// There is none, or several; the disk's.
    pub async fn prioritise(&self, study: &str, class: Class) -> Result<String, Failure> {
        let study = study.to_owned();
        self.ask(|reply| Command::Prioritise(study, class, reply))
            .await?
    }

    /// Stops sending the study whose name begins with `study`; gives its short name. The reason
    /// is kept sealed.
    ///
    /// # Errors
    /// There is none, or several; the disk's.
    pub async fn withdraw(&self, study: &str, reason: &str) -> Result<String, Failure> {
        let (study, reason) = (study.to_owned(), reason.to_owned());
        self.ask(|reply| Command::Withdraw(study, reason, reply))
            .await?
    }

    /// Takes an invitation; enrolment follows when the hub can be reached.
    ///
    /// # Errors
    /// It is mistyped, or another hub's; the disk's.
    pub async fn join(&self, line: &str) -> Result<(), Failure> {
        let invitation = Invitation::from_line(line).map_err(|e| Failure::usage(e.to_string()))?;
        let info = HubInfo::renewed(self.hub().as_ref(), invitation)?;
        self.ask(|reply| Command::Hub(info, reply)).await?
    }

    /// Waits until the engine has ended, by [`Sender::stop`] or by a bug.
    pub async fn ended(&self) {
        self.engine.closed().await;
    }

    /// What is known of the hub.
    #[must_use]
    pub fn hub(&self) -> Option<HubInfo> {
        self.hub.borrow().clone()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let stopping = || Failure::new("the daemon is stopping");
        let sent = self.engine.send(command(reply)).await;
        sent.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

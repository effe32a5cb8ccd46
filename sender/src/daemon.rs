//! The daemon put together, and the handle by which commands reach it.

mod audit;
mod commitment;
mod reload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use karez_host::audit::{Event, Note};
use karez_host::env::Engine as EngineThread;
use karez_host::{Env, Failure};
use karez_protocol::id::Fingerprint;
use karez_protocol::invitation::Invitation;
use karez_protocol::priority::Class;
use karez_protocol::seal::DeskKey;
use karez_store::{Blobs, Cursor};
use tokio::sync::{Notify, mpsc, oneshot, watch as news};
use tokio::task::JoinHandle;

use crate::engine::{Command, DAEMON, Engine, Mark, Progress, Shared};
use crate::hub::HubInfo;
use crate::ingest::{Given, Intake, IntakeTools};
use crate::keys::Keys;
use crate::scanner::{self, Scanners};
use crate::settings::Settings;
use crate::status::Status;
use crate::uplink::{self, Gate, Line};
use crate::watch::{self, Shown, Watching};

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
    tasks: Vec<Task>,
    watching: Option<Watching>,
}

/// A task that ends with the sender.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How commands reach a sender. Clones are the same.
#[derive(Clone)]
pub struct Handle {
    engine: mpsc::Sender<Command>,
    hub: news::Receiver<Option<HubInfo>>,
    tools: Arc<IntakeTools>,
    scanners: Arc<Scanners>,
    watched: Shown,
    /// Whose commands these are, in the audit log.
    who: String,
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
        let settings = Arc::new(settings);
        let gate = Arc::new(Gate::new(env.clone(), settings.link.limits()));
        let blobs = Blobs::open(env.disk(), &dir.join("ingest"));
        let shared = Shared {
            blobs: blobs.map_err(|e| Failure::new(e.to_string()).at(dir.display()))?,
            dir: dir.to_owned(),
            keys: keys.clone(),
            settings: settings.clone(),
            unsealed: Arc::new(AtomicU64::new(0)),
            bell: Arc::new(Notify::new()),
            reports: Arc::new(Notify::new()),
            line: Arc::new(Line::default()),
            client: uplink::client(&gate, &keys, &settings),
            gate,
            packs: work == Work::All,
            env,
        };
        let dicom = shared.settings.dicom.clone();
        let scanners = Scanners::open(shared.env.clone(), dir, dicom)?;
        let (engine, (commands, hub)) = Engine::open(shared.clone(), hub)?;
        let thread = shared.env.spawn_engine("engine", Box::pin(engine.run()));
        let thread = thread.map_err(|e| Failure::new(format!("no thread can be started: {e}")))?;
        let handle = Handle {
            engine: commands.clone(),
            hub: hub.clone(),
            tools: Arc::new(IntakeTools {
                env: shared.env.clone(),
                dir: shared.dir.clone(),
                blobs: shared.blobs.clone(),
                keys: shared.keys.clone(),
                settings: Arc::new(RwLock::new(shared.settings.clone())),
                unsealed: shared.unsealed.clone(),
                engine: commands.clone(),
            }),
            scanners: Arc::new(scanners),
            watched: Shown::default(),
            who: DAEMON.to_owned(),
        };
        let mut sender = Self {
            handle,
            engine: thread,
            tasks: Vec::new(),
            watching: None,
        };
        if work == Work::All {
            let uplink = tokio::spawn(uplink::run(shared.clone(), commands, hub));
            sender.tasks.push(Task(uplink));
            sender.open_doors(&shared)?;
        }
        Ok(sender)
    }

    /// Lets scanners and watched folders hand in.
    fn open_doors(&mut self, shared: &Shared) -> Result<(), Failure> {
        let (env, settings, handle) = (&shared.env, &shared.settings, &self.handle);
        let (dicom, scanners) = (settings.dicom.clone(), handle.scanners.clone());
        let told = (scanners.clone(), shared.reports.clone());
        let told = scanner::bring(env.clone(), dicom.clone(), handle.clone(), told);
        self.tasks.push(Task(tokio::spawn(told)));
        let port = scanner::run(env.clone(), dicom, handle.clone(), scanners);
        let (watch, shown) = (&settings.watch, handle.watched.clone());
        let watching = Watching::start(env.clone(), &shared.dir, watch, handle.clone(), shown);
        self.watching =
            watching.map_err(|e| Failure::new(format!("no thread can be started: {e}")))?;
        self.tasks.push(Task(tokio::spawn(port)));
        let told = audit::run(shared, handle.engine.clone());
        self.tasks.push(Task(tokio::spawn(told)));
        Ok(())
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
        drop(self.tasks);
        if let Some(watching) = self.watching {
            watching.stop().await;
        }
        // An engine that has already ended needs no word.
        let _ = self.handle.engine.send(Command::Stop).await;
        let ended = self.engine.join().await;
        ended.map_err(|e| {
            Failure::new(e.to_string()).fix("Start it again; nothing accepted is lost")
        })
    }
}

/// A reading of everything that is kept, in steps.
pub struct Verifying {
    handle: Handle,
    cursor: Option<Cursor>,
    found: (u64, u64),
    through: bool,
}

impl Verifying {
    /// One step; bytes read and bad entries found so far, or `None` when all is read.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn step(&mut self) -> Result<Option<(u64, u64)>, Failure> {
        if self.through {
            return Ok(None);
        }
        let cursor = self.cursor;
        let step = self
            .handle
            .ask(|reply| Command::Verify(cursor, reply))
            .await??;
        self.found.0 += step.bytes;
        self.found.1 += step.bad;
        (self.cursor, self.through) = (step.next, step.next.is_none());
        Ok(Some(self.found))
    }
}

impl Handle {
    /// Opens an instance on its way in.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn intake(&self, given: Given) -> Result<Intake, Failure> {
        Intake::open(self.tools.clone(), given, self.who.clone())
    }

    /// The same for somebody's commands: who it is stands in the audit log.
    #[must_use]
    pub fn by(&self, who: &str) -> Self {
        Self {
            who: who.to_owned(),
            ..self.clone()
        }
    }

    /// Begins to read everything that is kept and to compare it with its checksums.
    #[must_use]
    pub fn verify(&self) -> Verifying {
        Verifying {
            handle: self.clone(),
            cursor: None,
            found: (0, 0),
            through: false,
        }
    }

    fn mine(&self, command: Command) -> Command {
        match self.who.as_str() {
            DAEMON => command,
            who => Command::By(who.to_owned(), Box::new(command)),
        }
    }

    /// How things stand.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn status(&self) -> Result<Status, Failure> {
        let mut status = self.ask(Command::Status).await?;
        (status.scanner_port, status.scanners) = self.scanners.status();
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        status.watch.clone_from(&watched);
        status.parked.extend(watch::parked(&watched));
        Ok(status)
    }

    /// Patients' names by studies' short names, as far as `desk` opens them.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn names(&self, desk: DeskKey) -> Result<BTreeMap<String, String>, Failure> {
        self.ask(|reply| Command::Names(desk, reply)).await
    }

    /// Lets the scanner that calls itself `title` send from now on, or no more.
    ///
    /// # Errors
    /// It is no AE title, it is named in the configuration; the disk's.
    pub async fn allow(&self, title: &str, may: bool) -> Result<(), Failure> {
        self.scanners.allow(title, may).await?;
        let how = if may { "may send" } else { "may not send" };
        let note = Note::new(self.tools.env.wall(), Event::Changed);
        self.audit(note.with(&format!("scanner {title}")).saying(how))
            .await
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

    /// Sends nothing but STAT from now on, or everything again; kept over restarts.
    ///
    /// # Errors
    /// The disk's.
    pub async fn pause(&self, paused: bool) -> Result<(), Failure> {
        self.ask(|reply| Command::Pause(paused, reply)).await?
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

    /// Which files of watched folders were taken.
    pub(crate) async fn marks(&self) -> Result<BTreeSet<Mark>, Failure> {
        self.ask(Command::Marks).await?
    }

    /// Remembers a file of a watched folder; durable on return.
    pub(crate) async fn mark(&self, mark: Mark) -> Result<(), Failure> {
        self.ask(|reply| Command::Mark(mark, reply)).await?
    }

    /// Remembers these files of watched folders and no others; durable on return.
    pub(crate) async fn keep_marks(&self, live: BTreeSet<Mark>) -> Result<(), Failure> {
        self.ask(|reply| Command::KeepMarks(live, reply)).await?
    }

    /// How an index names what has this fingerprint.
    pub(crate) fn index_key(&self, fingerprint: &Fingerprint) -> Mark {
        self.tools.keys.clinic.index_key(fingerprint)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let stopping = || Failure::new("the daemon is stopping");
        let sent = self.engine.send(self.mine(command(reply))).await;
        sent.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

//! The daemon: its parts started together and stopped in order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use karez_host::audit::{Event, Note, syslog};
use karez_host::env::{BoxFuture, Engine as Running};
use karez_host::shutdown::{Shutdown, Trigger};
use karez_host::{Env, Failure};
use karez_protocol::seal::HubKeys;
use karez_quic::Server;
use karez_store::Cursor;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::admit::Doors;
use crate::command::Command;
use crate::downlink;
use crate::engine::{Bells, Engine, Express, Mailbox, Message};
use crate::handoff::{Confirmer, Reports, Worker, export, listen};
use crate::keys::{self, Keys};
use crate::limits::{CONFIRMERS, INBOX};
use crate::settings::Settings;

/// Who does what nobody asked for, in the audit log.
pub(crate) const DAEMON: &str = "daemon";

/// A running hub.
pub struct Receiver {
    handle: Handle,
    address: SocketAddr,
    trigger: Trigger,
    serving: Task,
    _workers: Vec<Task>,
    engine: Running,
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How commands reach a running hub. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    env: Arc<dyn Env>,
    mailbox: Mailbox,
    ring: Arc<HubKeys>,
    /// Whose commands these are, in the audit log.
    who: String,
}

/// What a step of `verify` found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Bytes read.
    pub bytes: u64,
    /// Entries that have rotted or cannot be read; they are asked for again.
    pub bad: u64,
}

impl Receiver {
    /// Opens the data directory and begins to listen.
    ///
    /// # Errors
    /// There is no hub in it, another process has it, or the address cannot be used.
    pub async fn start(env: Arc<dyn Env>, dir: &Path, settings: Settings) -> Result<Self, Failure> {
        let keys = Arc::new(Keys::of(&keys::load(&*env.disk(), dir)?));
        let doors = Arc::new(Doors::default());
        let reports = Arc::new(Reports::new(settings.dicom.address().is_some()));
        let engine = Engine::open(
            env.clone(),
            dir,
            settings.clone(),
            keys.clone(),
            doors.clone(),
            reports.clone(),
        )?;
        let at = settings.hub.listen;
        let config = settings.link_config();
        let server = Server::bind(&env.net(), at, &keys.quic(), &config, doors);
        let server = server.map_err(|e| Failure::new(e.to_string()).at("hub.listen"))?;
        let address = server.local_addr().unwrap_or(at);
        let (sender, inbox) = mpsc::channel(INBOX);
        let (mailbox, bell) = (Mailbox(sender), Arc::new(Notify::new()));
        let bells = Bells {
            inbox,
            bell: bell.clone(),
        };
        let engine = env
            .spawn_engine("store", Box::pin(engine.run(bells)))
            .map_err(|e| Failure::new(format!("the engine cannot start: {e}")))?;
        let worker = |express| {
            let (env, mailbox) = (env.clone(), mailbox.clone());
            let worker = Worker::new(env, mailbox, keys.ring.clone(), express);
            Task(tokio::spawn(worker.run()))
        };
        let mut workers: Vec<Task> = [Express::Any, Express::Short].map(worker).into();
        for _ in 0..CONFIRMERS {
            let (env, ring) = (env.clone(), keys.ring.clone());
            let confirmer = Confirmer::new(env, mailbox.clone(), ring, reports.clone());
            workers.push(Task(tokio::spawn(confirmer.run())));
        }
        if let Some(at) = settings.dicom.address() {
            let heard = (reports, mailbox.clone());
            let port = listen(env.clone(), at, settings.dicom.tls(), heard);
            workers.push(Task(tokio::spawn(port)));
        }
        let lines = Arc::new(AuditLines(mailbox.clone()));
        let audit = settings.audit.clone();
        let told = syslog::run(env.clone(), dir.to_owned(), audit, lines);
        workers.push(Task(tokio::spawn(told)));
        let (trigger, shutdown) = Shutdown::new();
        let serving = downlink::serve(server, mailbox.clone(), bell, shutdown);
        let serving = Task(tokio::spawn(serving));
        Ok(Self {
            handle: Handle {
                env,
                mailbox,
                ring: keys.ring.clone(),
                who: DAEMON.to_owned(),
            },
            address,
            trigger,
            serving,
            _workers: workers,
            engine,
        })
    }

    /// How commands reach it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where it listens, with the port that the system chose.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells the clinics, makes everything durable and closes the store.
    pub async fn stop(mut self) {
        self.trigger.fire();
        // A task that ended by a bug has been logged where it happened.
        let _ = (&mut self.serving.0).await;
        let (stopped, done) = oneshot::channel();
        if self
            .handle
            .mailbox
            .tell(Message::Stop(stopped))
            .await
            .is_ok()
        {
            let _ = done.await;
        }
        drop(self.handle);
        let _ = self.engine.join().await;
    }

    /// Waits until the engine ends, which without [`Receiver::stop`] it does by a bug only.
    pub async fn engine_ended(&mut self) {
        self.handle.mailbox.0.closed().await;
    }
}

impl Handle {
    /// The same for somebody's commands: who it is stands in the audit log.
    #[must_use]
    pub fn by(&self, who: &str) -> Self {
        Self {
            who: who.to_owned(),
            ..self.clone()
        }
    }

    /// Adds a line to the audit log, such as of somebody who looks at names. It is durable with
    /// the next commit.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn audit(&self, note: Note) -> Result<(), Failure> {
        let note = Box::new(note.by(&self.who));
        Ok(self.mailbox.tell(Message::Note(note)).await?)
    }

    /// Seconds since 1970, for people.
    pub(crate) fn wall(&self) -> i64 {
        self.env.wall()
    }

    /// Gives a command and waits for its answer.
    ///
    /// # Errors
    /// What the engine says, or that it is stopping.
    pub async fn command(&self, command: Command) -> Result<Value, Failure> {
        self.mailbox
            .ask(|answer| Message::Command(command, self.who.clone(), answer))
            .await?
    }

    /// Tries a target: one line per ability.
    ///
    /// # Errors
    /// There is no such target.
    pub async fn test_target(&self, name: &str) -> Result<Value, Failure> {
        let name = name.to_owned();
        let target = self
            .mailbox
            .ask(|answer| Message::Target(name, answer))
            .await??;
        let lines = target.test().await.into_iter().map(|ability| {
            json!({
                "ability": ability.name,
                "works": ability.fault.is_none(),
                "fix": ability.fault,
                "note": ability.note,
            })
        });
        Ok(Value::Array(lines.collect()))
    }

    /// Writes a parked instance to a new file, as far as it can be rebuilt; its length in bytes.
    ///
    /// # Errors
    /// There is no such instance, or the file cannot be written.
    pub async fn export(&self, item: &str, to: &Path) -> Result<u64, Failure> {
        let (item, place) = (item.to_owned(), item.to_owned());
        let job = self
            .mailbox
            .ask(|answer| Message::Parked(item, answer))
            .await??;
        let (env, ring) = (self.env.clone(), self.ring.clone());
        let note = Note::new(env.wall(), Event::Exported).of(job.study);
        // Before the first byte is out.
        self.audit(note.with(&place).counting(1)).await?;
        export(env, self.mailbox.clone(), ring, &job, to).await
    }

    /// Begins to read everything that is stored and to compare it with its checksums.
    #[must_use]
    pub fn verify(&self) -> Verifying {
        Verifying {
            mailbox: self.mailbox.clone(),
            cursor: None,
            work: Work::default(),
            through: false,
        }
    }
}

/// The audit log, for a syslog server.
struct AuditLines(Mailbox);

impl syslog::Lines for AuditLines {
    fn after(&self, number: u64) -> BoxFuture<'_, Result<syslog::Batch, Failure>> {
        Box::pin(async move {
            let asked = self.0.ask(|answer| Message::AuditBatch(number, answer));
            asked.await?
        })
    }
}

/// A reading of everything that is stored, in steps.
pub struct Verifying {
    mailbox: Mailbox,
    cursor: Option<Cursor>,
    work: Work,
    through: bool,
}

impl Verifying {
    /// One step; what was found so far, or `None` when all is read.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn step(&mut self) -> Result<Option<Work>, Failure> {
        if self.through {
            return Ok(None);
        }
        let cursor = self.cursor;
        let step = self
            .mailbox
            .ask(|answer| Message::Verify(cursor, answer))
            .await?;
        self.work.bytes += step.bytes;
        self.work.bad += step.bad;
        self.cursor = step.next;
        self.through = step.next.is_none();
        Ok(Some(self.work))
    }
}

/// Does a command on a data directory without a daemon.
///
/// # Errors
/// Another process has the directory, or what the command says.
pub fn offline(
    env: Arc<dyn Env>,
    dir: &Path,
    settings: Settings,
    command: Command,
) -> Result<Value, Failure> {
    let keys = Arc::new(Keys::of(&keys::load(&*env.disk(), dir)?));
    let mut engine = Engine::open(env, dir, settings, keys, Arc::default(), Arc::default())?;
    let answer = engine.command_by(command, &karez_host::process::user());
    engine.close();
    answer
}

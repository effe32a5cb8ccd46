//! The one actor that owns the store, the core's [`Source`] and all durable state.
//!
//! It waits for a bell, a command, a finished job or its timer; then does all that there is to
//! do, with one commit for everything that it wrote; then says what the commit has made true.

mod accept;
mod account;
mod audit;
mod carried;
mod commit;
mod commitment;
mod entry;
mod gone;
mod link;
mod marks;
mod open;
mod pace;
mod packing;
mod progress;
mod quiet;
mod release;
mod report;
mod scrub;
mod sealing;
mod table;
mod transmit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use karez_host::audit::syslog::Batch;
use karez_host::audit::{AuditLog, Event, Note};
use karez_host::{Env, Failure};
use karez_imaging::Codecs;
use karez_protocol::id::{PeerId, ProcessId};
use karez_protocol::priority::Class;
use karez_protocol::seal::{DeskKey, HubPublic};
use karez_protocol::session::{Source, SourceEvent};
use karez_protocol::units::Moment;
use karez_quic::Client;
use karez_store::{Blobs, Cursor, Store};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::hub::HubInfo;
use crate::ingest::Arrived;
use crate::keys::Keys;
use crate::limits::{COMMANDS, PACKERS, TICK};
use crate::outbox::Tags;
use crate::settings::Settings;
use crate::status::Status;
use crate::uplink::{Gate, Line};

pub(crate) use audit::DAEMON;
pub(crate) use commitment::{About, Asked, Due};
pub(crate) use marks::Mark;
pub use progress::{Progress, Ticket};
pub(crate) use scrub::Proved;

use commit::{Pending, Trouble};
use commitment::Commitments;
use link::Link;
use packing::{Sealed, StepDone};
use table::Tables;

/// What the engine is asked to do.
pub(crate) enum Command {
    /// Enter an instance whose file is durable. Its file is removed if it is refused.
    Accept {
        arrived: Arrived,
        reply: oneshot::Sender<Result<Ticket, Failure>>,
    },
    /// Say how things stand.
    Status(oneshot::Sender<Status>),
    /// Say the patients' names, as far as this key opens them.
    Names(DeskKey, oneshot::Sender<BTreeMap<String, String>>),
    /// How far these instances are, by ranges of their orders.
    Progress(Vec<(u64, u64)>, oneshot::Sender<Progress>),
    /// Change a study's class.
    Prioritise(String, Class, oneshot::Sender<Result<String, Failure>>),
    /// Stop sending a study, for a reason.
    Withdraw(String, String, oneshot::Sender<Result<String, Failure>>),
    /// Send nothing but STAT, or everything again.
    Pause(bool, oneshot::Sender<Result<(), Failure>>),
    /// Other settings from now on, as far as they can change in a running engine.
    Reload(Arc<Settings>, oneshot::Sender<()>),
    /// Another word about the hub: an invitation, or the answer to one.
    Hub(HubInfo, oneshot::Sender<Result<(), Failure>>),
    /// Say which files of watched folders were taken.
    Marks(oneshot::Sender<Result<BTreeSet<Mark>, Failure>>),
    /// Remember a file of a watched folder.
    Mark(Mark, oneshot::Sender<Result<(), Failure>>),
    /// Remember these files of watched folders and no others.
    KeepMarks(BTreeSet<Mark>, oneshot::Sender<Result<(), Failure>>),
    /// Do this for somebody, whose name stands in the audit log.
    By(String, Box<Command>),
    /// Add a line to the audit log.
    Audit(Box<Note>),
    /// Lines of the audit log after this one, as DICOM messages or not.
    AuditLines(u64, bool, oneshot::Sender<Result<Value, Failure>>),
    /// Lines of the audit log after this one, for a syslog server.
    AuditBatch(u64, oneshot::Sender<Result<Batch, Failure>>),
    /// Prove the audit log.
    AuditVerify(oneshot::Sender<Result<Value, Failure>>),
    /// About storage commitment.
    Commitment(About),
    /// Prove some stored entries.
    Verify(Option<Cursor>, oneshot::Sender<Result<Proved, Failure>>),
    /// Which heads of the hub's audit log were seen.
    AuditWitnesses(oneshot::Sender<Result<Value, Failure>>),
    /// End, with everything durable.
    Stop,
}

/// The ways to an engine: commands, and news of the hub.
pub(crate) type Doors = (mpsc::Sender<Command>, watch::Receiver<Option<HubInfo>>);

/// What the engine shares with the rest of the daemon.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) env: Arc<dyn Env>,
    pub(crate) dir: PathBuf,
    pub(crate) keys: Arc<Keys>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) blobs: Blobs,
    pub(crate) unsealed: Arc<AtomicU64>,
    pub(crate) bell: Arc<Notify>,
    /// Rung when a scanner can be told what it asked about.
    pub(crate) reports: Arc<Notify>,
    pub(crate) line: Arc<Line>,
    /// Dials the hub; keeps what is known of the link.
    pub(crate) client: Client,
    /// What of it may be used now.
    pub(crate) gate: Arc<Gate>,
    /// Whether instances are packed, not only accepted.
    pub(crate) packs: bool,
}

/// The engine.
pub(crate) struct Engine {
    shared: Shared,
    process: ProcessId,
    start: Instant,
    store: Store,
    source: Source,
    hub: Option<HubInfo>,
    /// Its encryption key, proved once: a signature takes as long as packing 50 kB.
    hub_public: Option<HubPublic>,
    tell_hub: watch::Sender<Option<HubInfo>>,
    tables: Tables,
    tags: Arc<Tags>,
    inbox: mpsc::Receiver<Command>,
    steps: mpsc::Receiver<StepDone>,
    step_sender: mpsc::Sender<StepDone>,
    /// How many jobs pack at a time.
    packers: usize,
    jobs: usize,
    /// Output of steps that is not yet durable.
    sealed: Vec<Sealed>,
    pending: Vec<Pending>,
    commitments: Commitments,
    trouble: Option<Trouble>,
    link: Link,
    pace: pace::Pace,
    /// What the hub reads, as far as is known.
    codecs: Codecs,
    journal_entries: commit::Counts,
    /// Segments that receipts name and that are no longer here: released and evicted.
    evicted: BTreeSet<karez_protocol::id::SegmentId>,
    ticked: Moment,
    stopping: bool,
    /// Who did what, chained.
    audit: AuditLog,
    /// The store's own reading of itself.
    scrub: scrub::Scrub,
    /// Accepted, and not yet in the audit log.
    counted: audit::Counts,
    /// Whoever gave the present command.
    actor: String,
}

impl Engine {
    /// Opens the data directory's store and brings back what an earlier process knew.
    ///
    /// # Errors
    /// Another process has it, or it cannot be read.
    pub(crate) fn open(shared: Shared, hub: Option<HubInfo>) -> Result<(Self, Doors), Failure> {
        let (sender, inbox) = mpsc::channel(COMMANDS);
        let packers = shared.env.cores().clamp(1, PACKERS);
        let (step_sender, steps) = mpsc::channel(packers);
        let (tell_hub, hub_news) = watch::channel(hub.clone());
        let mut process = [0; 8];
        shared.env.entropy(&mut process);
        let mut store = open::store(&shared)?;
        let audit = AuditLog::open(&mut store)?;
        let start = shared.env.now();
        let mut engine = Self {
            source: new_source(&shared, open::receiver(&store, hub.as_ref())),
            process: ProcessId(process),
            start,
            store,
            hub_public: hub.as_ref().and_then(HubInfo::public),
            hub,
            tell_hub,
            tables: Tables::default(),
            tags: Arc::default(),
            inbox,
            steps,
            step_sender,
            packers,
            jobs: 0,
            sealed: Vec::new(),
            pending: Vec::new(),
            commitments: Commitments::default(),
            trouble: None,
            link: Link::default(),
            pace: pace::Pace::default(),
            codecs: Codecs::FIRST,
            journal_entries: commit::Counts::default(),
            evicted: Default::default(),
            ticked: Moment::default(),
            stopping: false,
            audit,
            scrub: scrub::Scrub::default(),
            counted: audit::Counts::new(),
            actor: DAEMON.to_owned(),
            shared,
        };
        engine.restore()?;
        Ok((engine, (sender, hub_news)))
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(mut self) {
        let bell = self.shared.bell.clone();
        self.recount();
        if self.shared.packs {
            self.note_start();
        }
        while !self.stopping {
            let wake = self.start + self.wake_at().0;
            let timer = self.shared.env.sleep_until(wake);
            tokio::select! {
                biased;
                command = self.inbox.recv() => match command {
                    Some(command) => self.command(command),
                    None => self.stopping = true,
                },
                Some(done) = self.steps.recv() => self.step_done(done),
                () = bell.notified() => {}
                () = timer => {}
            }
            self.drain();
            self.turn();
        }
        self.write_costs();
        self.write_link();
        self.note_accepted();
        if self.shared.packs {
            self.note(&self.line(Event::Stopped));
        }
        if let Err(error) = self.audit.close(&mut self.store) {
            tracing::warn!(%error, "the last lines of the audit log are not durable");
        }
        if let Err(error) = self.store.close() {
            tracing::warn!(%error, "the store could not be closed in order; nothing accepted is lost");
        }
    }

    /// Milliseconds and the like since the process began.
    fn now(&self) -> Moment {
        Moment(self.shared.env.now().saturating_duration_since(self.start))
    }

    fn drain(&mut self) {
        for _ in 0..COMMANDS {
            let Ok(command) = self.inbox.try_recv() else {
                break;
            };
            self.command(command);
        }
        while let Ok(done) = self.steps.try_recv() {
            self.step_done(done);
        }
    }

    fn command(&mut self, command: Command) {
        // Whoever asked may be gone; then nobody waits for the answer.
        match command {
            Command::Accept { arrived, reply } => self.accept(arrived, reply),
            Command::Status(reply) => drop(reply.send(self.report())),
            Command::Names(desk, reply) => drop(reply.send(self.names(&desk))),
            Command::Progress(orders, reply) => drop(reply.send(self.progress(&orders))),
            Command::Prioritise(study, class, reply) => self.prioritise(&study, class, reply),
            Command::Withdraw(study, reason, reply) => self.withdraw(&study, &reason, reply),
            Command::Pause(paused, reply) => drop(reply.send(self.pause(paused))),
            Command::Reload(settings, reply) => {
                self.shared.gate.set_limits(settings.link.limits());
                self.shared.settings = settings;
                let _ = reply.send(());
            }
            Command::Hub(info, reply) => drop(reply.send(self.set_hub(info))),
            Command::Marks(reply) => drop(reply.send(self.marks())),
            Command::Mark(mark, reply) => self.mark(&mark, reply),
            Command::KeepMarks(live, reply) => drop(reply.send(self.keep_marks(&live))),
            Command::By(who, command) => {
                self.actor = who;
                self.command(*command);
                DAEMON.clone_into(&mut self.actor);
            }
            Command::Audit(note) => self.note(&note.by(&self.actor)),
            Command::AuditLines(after, xml, reply) => {
                drop(reply.send(self.audit_lines(after, xml)));
            }
            Command::Commitment(about) => self.commitment(about),
            Command::AuditBatch(after, reply) => drop(reply.send(self.audit_batch(after))),
            Command::Verify(cursor, reply) => self.verify(cursor, reply),
            Command::AuditVerify(reply) => drop(reply.send(self.audit_verify())),
            Command::AuditWitnesses(reply) => drop(reply.send(self.audit_witnesses())),
            Command::Stop => self.stopping = true,
        }
    }

    /// Everything that can be done now.
    fn turn(&mut self) {
        self.look_at_line();
        self.take_frames();
        self.hear_events();
        self.store_sealed();
        self.commit();
        self.try_disk();
        self.hear_events();
        self.pack();
        self.close_quiet();
        self.scrub();
        let now = self.now();
        self.source.handle_timeout(now);
        if now.since(self.ticked) >= TICK {
            self.ticked = now;
            self.tick();
        }
        self.transmit();
    }

    fn hear_events(&mut self) {
        while let Some(event) = self.source.poll_event() {
            match event {
                SourceEvent::Receipt(signed) => self.journal_receipt(signed),
                SourceEvent::Released {
                    segment,
                    records,
                    kind,
                } => {
                    tracing::debug!(segment = %segment.short(), "released by a receipt");
                    self.note_released(segment, &records, kind);
                }
                SourceEvent::Parked { study, reason } => {
                    let note = self.line(Event::Parked).with("hub").of(study);
                    self.note(&note.saying(&reason));
                    if let Some(study) = self.tables.studies.get_mut(&study) {
                        study.parked = Some(reason);
                    }
                }
                SourceEvent::Arrived(study) => {
                    tracing::debug!(study = %study.short(), "all of it so far is at the hub");
                }
                SourceEvent::Busy(reason) => {
                    self.link.busy = Some(reason).filter(|r| !r.is_empty());
                }
                SourceEvent::Gone(segment) => self.unknown_segment(segment),
                SourceEvent::Refused(reason) => self.shared.line.problem(&reason),
            }
        }
    }

    fn wake_at(&self) -> Moment {
        let source = self.source.poll_timeout().map(|(at, _)| at);
        let retry = self.trouble.as_ref().map(Trouble::retry_at);
        let tick = Some(self.ticked.after(TICK));
        let times = [source, retry, tick, self.quiet_at(), self.scrub_at()];
        times.into_iter().flatten().min().unwrap_or_default()
    }
}

fn new_source(shared: &Shared, hub: Option<PeerId>) -> Source {
    // Without a hub there are no segments, and the source is made anew when one is known.
    let peer = hub.unwrap_or(PeerId([0; 32]));
    let me = shared.keys.identity.peer();
    Source::new(me, peer, shared.settings.release_on())
}

//! The one actor that owns the store, the sinks of all clinics and the hub's durable state.
//!
//! It drains what has come, appends, syncs once, and only then answers (ARCHITECTURE I1). It
//! waits for nothing while it holds half-done work.

mod audit;
mod classes;
mod clinic;
mod commands;
mod confirm;
mod evict;
mod fetch;
mod full;
mod hear;
mod instances;
mod job;
mod message;
mod objects;
mod open;
mod parked;
mod patients;
mod persist;
mod queue;
mod quota;
mod receipts;
mod report;
mod rules;
mod scrub;
mod stage;
mod targets;
mod trouble;
mod twins;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use karez_host::Env;
use karez_host::audit::{AuditLog, Event};
use karez_protocol::id::{Epoch, PeerId, ProcessId, SegmentId, StudyId};
use karez_protocol::resume::What;
use karez_protocol::units::Moment;
use karez_store::Store;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{info, warn};

pub(crate) use clinic::{Clinic, Live};
pub(crate) use confirm::{ConfirmJob, Confirmed};
pub(crate) use instances::Instance;
pub(crate) use job::{Job, JobTarget, News, Outcome};
pub(crate) use message::{Express, Fetch, Fetched, Mailbox, Message, Opened};
pub(crate) use objects::{Claim, Standing};
pub(crate) use patients::PatientClaim;
pub(crate) use targets::Health;
pub(crate) use trouble::{Trouble, Troubled};

use crate::admit::Doors;
use crate::handoff::Reports;
use crate::keys::Keys;
use crate::limits::{MESSAGES_A_TURN, VERIFY_STEP};
use crate::registry::Registry;
use crate::settings::Settings;
use confirm::Confirming;
use full::Full;
use objects::Claims;
use patients::Contested;
use persist::Writing;
use queue::Queue;
use scrub::Scrub;
use stage::Staged;
use targets::Targets;
use trouble::Again;

/// The engine. See the module.
pub(crate) struct Engine {
    pub(crate) env: Arc<dyn Env>,
    pub(crate) settings: Settings,
    pub(crate) keys: Arc<Keys>,
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) clinics: BTreeMap<PeerId, Clinic>,
    pub(crate) targets: Targets,
    pub(crate) full: Option<Full>,
    /// Who did what, chained.
    pub(crate) audit: AuditLog,
    /// It can no longer be written.
    audit_fails: bool,
    /// Whoever gave the present command.
    actor: String,
    /// It serves clinics, and is not there for one command.
    serves: bool,
    /// Journal entries that rotted.
    pub(crate) rotten_entries: usize,
    /// Packs and journals that could not be opened, in words.
    pub(crate) unreadable: Vec<String>,
    doors: Arc<Doors>,
    start: Instant,
    process: ProcessId,
    epoch: Epoch,
    owners: BTreeMap<SegmentId, PeerId>,
    /// Appended, not yet synced.
    writing: BTreeMap<(SegmentId, What), Writing>,
    staged: Vec<Staged>,
    /// Chunk bytes that came in vain, not yet journalled.
    resent: BTreeMap<PeerId, u64>,
    /// When each study came, for the order of hand-off.
    studies: BTreeMap<(PeerId, StudyId), u64>,
    queue: Queue,
    claims: Claims,
    contested: Contested,
    again: Again,
    confirming: Confirming,
    /// The port for commitment reports.
    pub(crate) reports: Arc<Reports>,
    idle: Vec<(Express, oneshot::Sender<Job>)>,
    /// The store's own reading of itself.
    pub(crate) scrub: Scrub,
    /// When stored bytes were last found to have changed.
    pub(crate) rot_at: Option<Instant>,
    /// Segments in which rot was found: their sinks start anew.
    rotten: BTreeSet<SegmentId>,
    /// Instances whose beginning the disk did not give, with study and end, and when to look again.
    unread: BTreeMap<(PeerId, crate::registry::Place), (StudyId, u64)>,
    unread_at: Option<Instant>,
    /// Segments whose chunks went after they were stored, and how many bytes those were.
    pub(crate) evicted: BTreeMap<SegmentId, u64>,
    /// When it is looked again for what may go.
    evict_at: Instant,
    space_at: Instant,
    /// How long a disk that refused is left alone.
    full_pause: Duration,
    stopping: Option<oneshot::Sender<()>>,
}

/// What wakes an engine.
pub(crate) struct Bells {
    pub(crate) inbox: mpsc::Receiver<Message>,
    pub(crate) bell: Arc<Notify>,
}

impl Engine {
    /// Works until it is told to stop or nobody is left who could tell it anything.
    pub(crate) async fn run(mut self, mut bells: Bells) {
        self.note_start();
        self.turn(&bells.bell);
        loop {
            let timer = self.env.sleep_until(self.next_timer());
            tokio::select! {
                biased;
                message = bells.inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => break,
                },
                () = bells.bell.notified() => {}
                () = timer => {}
            }
            for _ in 0..MESSAGES_A_TURN {
                match bells.inbox.try_recv() {
                    Ok(message) => self.take(message),
                    Err(_) => break,
                }
            }
            self.turn(&bells.bell);
            if self.stopping.is_some() {
                break;
            }
        }
        self.close();
    }

    /// One round: in, durable, out.
    pub(crate) fn turn(&mut self, bell: &Notify) {
        if self.hear_all() {
            bell.notify_one();
        }
        self.make_durable();
        self.judge_doubted();
        self.scrub();
        self.mend_rot();
        self.evict();
        self.keep_room();
        self.try_again();
        self.look_at_unread();
        self.issue_receipts();
        self.make_durable();
        self.assign();
        self.assign_confirming();
        self.tell_all();
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Opened(opened) => self.opened(*opened),
            Message::Closed(peer, id) => self.closed(peer, id),
            Message::Join(peer, token, answer) => {
                // Whoever asked may have gone; the enrolment holds.
                let _ = answer.send(self.join(peer, &token));
            }
            Message::Note(note) => self.note(&note),
            Message::AuditBatch(after, answer) => {
                let _ = answer.send(self.audit_batch(after));
            }
            Message::Command(command, who, answer) => {
                let result = self.command_by(command, &who);
                let _ = answer.send(result);
            }
            Message::Target(name, answer) => {
                let _ = answer.send(self.target_named(&name));
            }
            Message::Parked(item, answer) => {
                let _ = answer.send(self.parked_job(&item));
            }
            Message::ConfirmerIdle(job) => self.confirmer_idle(job),
            Message::ConfirmerDone(name, answers) => self.confirmer_done(&name, answers),
            Message::Confirmed(name, answers) => self.confirmed(&name, answers),
            Message::Idle(express, job) => self.idle.push((express, job)),
            Message::Fetch(fetch, answer) => {
                let fetched = self.fetch(fetch);
                let _ = answer.send(fetched);
            }
            Message::Claim(claim, answer) => {
                let _ = answer.send(self.claim(&claim));
            }
            Message::Patient(claim, answer) => {
                let _ = answer.send(self.patient(&claim));
            }
            Message::Report(report, done) => self.reported(report, done),
            Message::Done(report, outcome) => self.done(&report, outcome),
            Message::Verify(cursor, answer) => {
                let proved = self.verify(cursor, VERIFY_STEP);
                let _ = answer.send(proved);
            }
            Message::Stop(stopped) => self.stopping = Some(stopped),
        }
    }

    /// Makes everything durable and lets the directory go.
    pub(crate) fn close(mut self) {
        if self.serves {
            self.note(&self.line(Event::Stopped));
        }
        self.make_durable();
        if let Err(error) = self.audit.close(&mut self.store) {
            warn!(%error, "the last lines of the audit log are not durable");
        }
        let stopping = self.stopping.take();
        if let Err(error) = self.store.close() {
            warn!(%error, "the store could not be closed cleanly: what counts was synced before");
        }
        info!("the store is closed");
        if let Some(stopped) = stopping {
            // Whoever asked may not wait.
            let _ = stopped.send(());
        }
    }

    /// When there is something to do without being told.
    fn next_timer(&self) -> Instant {
        let now = self.now();
        let far = now + Duration::from_secs(3600);
        let sinks = self.clinics.values().filter_map(|c| c.sink.poll_timeout());
        let sinks = sinks.map(|at| self.start + at.0);
        let receipts = self.receipts_due_at();
        let full = self.full.as_ref().map(|full| full.check_at);
        let doubts = self.doubts_due_at(now);
        let retries = self.queue.retry_at();
        let work = retries.into_iter().chain(self.targets.due_at());
        let work = work.chain(self.again_due_at()).chain(self.scrub_due_at());
        let work = work.chain(self.confirm_due_at());
        let work = work.chain([self.evict_at]);
        let times = sinks.chain(receipts).chain(full).chain(doubts).chain(work);
        // A moment that has passed is dealt with in the next round, not in a spin.
        times
            .min()
            .map_or(far, |at| at.max(now + Duration::from_millis(1)))
    }

    pub(crate) fn now(&self) -> Instant {
        self.env.now()
    }

    fn moment(&self) -> Moment {
        Moment(self.now().saturating_duration_since(self.start))
    }
}

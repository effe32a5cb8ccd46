//! What others tell the engine, and how they reach it.

use std::ops::Range;
use std::sync::Arc;

use karez_host::Failure;
use karez_host::audit::Note;
use karez_host::audit::syslog::Batch;
use karez_host::bridge::Port;
use karez_protocol::id::{PeerId, SegmentId};
use karez_protocol::session::Link;
use karez_protocol::wire::{Joined, Refusal};
use karez_quic::{Close, LinkHandle};
use karez_store::{Cursor, Error, Kind};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::confirm::{ConfirmJob, Confirmed};
use super::job::{Job, Outcome, Report};
use super::objects::{Claim, Standing};
use super::patients::PatientClaim;
use crate::command::Command;
use crate::handoff::Target;
use crate::registry::Place;

/// One message.
pub(crate) enum Message {
    /// A clinic's connection stands.
    Opened(Box<Opened>),
    /// It is gone.
    Closed(PeerId, u64),
    /// A key wants to enrol.
    Join(PeerId, [u8; 16], oneshot::Sender<Result<Joined, Refusal>>),
    /// A line for the audit log.
    Note(Box<Note>),
    /// Lines of the audit log after this one, for a syslog server.
    AuditBatch(u64, oneshot::Sender<Result<Batch, Failure>>),
    /// A person's command, and whose it is.
    Command(Command, String, oneshot::Sender<Result<Value, Failure>>),
    /// A target, to be tested.
    Target(String, oneshot::Sender<Result<Arc<dyn Target>, Failure>>),
    /// A parked instance, to be exported.
    Parked(String, oneshot::Sender<Result<Job, Failure>>),
    /// A worker has nothing to do.
    Idle(Express, oneshot::Sender<Job>),
    /// A worker wants stored bytes.
    Fetch(Fetch, oneshot::Sender<Result<Fetched, Error>>),
    /// A worker wants to hand off a UID alone.
    Claim(Box<Claim>, oneshot::Sender<Standing>),
    /// A worker wants to hand off a patient's instance; whether it may.
    Patient(Box<PatientClaim>, oneshot::Sender<bool>),
    /// A worker has come further; answered when that is durable.
    Report(Report, oneshot::Sender<Result<(), String>>),
    /// A worker is through with its job.
    Done(Report, Outcome),
    /// A confirmer has nothing to do.
    ConfirmerIdle(oneshot::Sender<ConfirmJob>),
    /// A confirmer is through with a target's instances.
    ConfirmerDone(String, Vec<((PeerId, Place), Confirmed)>),
    /// What a target says of instances, unasked for the moment.
    Confirmed(String, Vec<((PeerId, Place), Confirmed)>),
    /// Proves stored entries after this one.
    Verify(Option<Cursor>, oneshot::Sender<Proved>),
    /// The end: everything is made durable.
    Stop(oneshot::Sender<()>),
}

/// Whether a worker takes short instances only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Express {
    /// It takes any.
    Any,
    /// It takes those up to `EXPRESS_INSTANCE`.
    Short,
}

/// A connection that stands.
pub(crate) struct Opened {
    pub(crate) peer: PeerId,
    pub(crate) id: u64,
    pub(crate) port: Port,
    pub(crate) link: LinkHandle,
    /// Closes it.
    pub(crate) closer: oneshot::Sender<Close>,
}

/// Stored bytes that a worker needs.
pub(crate) enum Fetch {
    /// A segment's head.
    Head(SegmentId),
    /// Entries of one kind.
    Entries(SegmentId, Kind, Range<u64>),
    /// The links of some records.
    Links(SegmentId, Range<u64>),
}

/// The answer.
pub(crate) enum Fetched {
    /// A head, or entries in order.
    Bytes(Vec<Vec<u8>>),
    /// Links.
    Links(Vec<Link>),
}

/// One step of a proof.
#[derive(Debug)]
pub(crate) struct Proved {
    pub(crate) bytes: u64,
    pub(crate) bad: u64,
    pub(crate) next: Option<Cursor>,
}

/// How others reach the engine. The engine ends when all of these are gone.
#[derive(Clone)]
pub(crate) struct Mailbox(pub(crate) mpsc::Sender<Message>);

/// The engine has ended: the daemon stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is stopping")]
pub(crate) struct Ended;

impl Mailbox {
    /// Tells.
    pub(crate) async fn tell(&self, message: Message) -> Result<(), Ended> {
        self.0.send(message).await.map_err(|_| Ended)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, Ended> {
        let (answer, answered) = oneshot::channel();
        self.tell(question(answer)).await?;
        answered.await.map_err(|_| Ended)
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self::new(ended.to_string()).fix("Give the command again when it has started")
    }
}

//! What a worker is given, and what it reports.

use std::sync::Arc;

use karez_dimse::AeTitle;
use karez_protocol::id::{Fingerprint, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::Proof;

use super::{Clinic, Instance, Trouble};
use crate::handoff::Target;
use crate::registry::Place;

/// One instance to be rebuilt, proved and handed off.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) clinic: PeerId,
    /// What people call the clinic.
    pub(crate) clinic_name: String,
    pub(crate) study: StudyId,
    pub(crate) place: Place,
    /// One past its last record.
    pub(crate) end: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) length: u64,
    /// Whether its fingerprint is still to be proved.
    pub(crate) verify: bool,
    /// Where it is still owed.
    pub(crate) targets: Vec<JobTarget>,
    /// The AE title under which it goes there, where the target's own is not meant.
    pub(crate) calling: Option<AeTitle>,
}

/// One target of a job.
#[derive(Clone)]
pub(crate) struct JobTarget {
    pub(crate) name: String,
    pub(crate) target: Arc<dyn Target>,
    /// Whether it takes the place of what is there.
    pub(crate) replace: bool,
    /// Whether it goes by itself.
    pub(crate) alone: bool,
    /// Whether an exchange about it ended without an answer.
    pub(crate) in_doubt: bool,
}

/// A step of a job.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) clinic: PeerId,
    pub(crate) place: Place,
    pub(crate) news: News,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// The rebuilt bytes have the right fingerprint.
    Verified,
    /// Bytes are about to go to this target.
    Sending(String),
    /// They are there; with what counts of them there, if they have just been sent.
    Stored(String, Proof, Option<Fingerprint>),
    /// A person must look at it: at this target, or, with an empty name, before any.
    Parked(String, String),
    /// The target does not take anything now.
    Down(String, String),
    /// The target does not have the bytes that were on their way.
    NotGiven(String),
    /// The target did not take it.
    Trouble(String, Trouble, String),
    /// Nothing more to say.
    Through,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As far as it could go.
    Through,
    /// A record that it builds on is not here, or no longer.
    Lacks(SegmentId, u64),
    /// The disk did not give it.
    Later(String),
}

impl Job {
    /// A job about an instance, without targets.
    pub(super) fn of(peer: PeerId, clinic: &Clinic, place: Place, instance: &Instance) -> Self {
        Self {
            clinic: peer,
            clinic_name: clinic.name.clone(),
            study: instance.study,
            place,
            end: instance.end,
            fingerprint: instance.fingerprint,
            length: instance.length,
            verify: !instance.verified,
            targets: Vec::new(),
            calling: None,
        }
    }

    /// A report about it.
    pub(crate) const fn report(&self, news: News) -> Report {
        Report {
            clinic: self.clinic,
            place: self.place,
            news,
        }
    }
}

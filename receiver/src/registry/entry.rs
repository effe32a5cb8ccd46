//! What the hub's journals hold. An entry never changes its meaning; what is new is a new variant.

use karez_protocol::id::{Fingerprint, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::Proof;
use karez_protocol::priority::Class;
use karez_protocol::seal::Signed;

/// One durable fact.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(crate) enum Entry {
    /// The administrator has the recovery sheet in a safe place.
    BackupConfirmed,
    /// An invitation was written. Of its token only the hash is kept.
    Invited {
        /// BLAKE3 of the token.
        token: [u8; 32],
        /// The clinic's name.
        name: String,
    },
    /// A key enrolled with a token, which is burnt to it from now on.
    Joined {
        /// The key.
        clinic: PeerId,
        /// The clinic's name.
        name: String,
        /// BLAKE3 of the token.
        token: [u8; 32],
    },
    /// A key is no longer welcome.
    Revoked {
        /// The key.
        clinic: PeerId,
    },
    /// A place to hand off to.
    Target {
        /// Its name.
        name: String,
        /// Where and how.
        url: String,
    },
    /// A target rests, or works again.
    Paused {
        /// Its name.
        name: String,
        /// Whether it rests.
        paused: bool,
    },
    /// A target is no more.
    Removed {
        /// Its name.
        name: String,
    },
    /// A receipt that was issued.
    Receipt {
        /// For whom.
        clinic: PeerId,
        /// The receipt.
        signed: Signed,
    },
    /// A step of a hand-off.
    HandOff(HandOff),
    /// How urgent a clinic says a study is.
    Class {
        /// The clinic.
        clinic: PeerId,
        /// The study.
        study: StudyId,
        /// How urgent.
        class: Class,
        /// The clinic's counter of changes.
        counter: u64,
    },
    /// Chunk bytes that came and were here already, since the clinic enrolled.
    Resent {
        /// The clinic.
        clinic: PeerId,
        /// The sum.
        bytes: u64,
    },
    /// What a target was last given under a UID.
    Given {
        /// The target's name.
        target: String,
        /// The UID, hidden.
        object: Object,
        /// What was given.
        given: Given,
    },
    /// Clinics seal to this encryption key from now on.
    KeyMade {
        /// Its number.
        number: u32,
    },
    /// A clinic has a patient of this number.
    Patient {
        /// The number, hidden.
        number: Object,
        /// The clinic.
        clinic: PeerId,
        /// Name and birth date, hidden.
        who: Object,
    },
    /// An administrator lets a clinic's patient number go to archives as it is.
    PatientTaken {
        /// The number, hidden.
        number: Object,
        /// The clinic.
        clinic: PeerId,
    },
    /// What the clinic of this name may have here; none: what `store.quota` says.
    Quota {
        /// Its name, so that its next PC has the same.
        name: String,
        /// Bytes; 0 for no limit.
        bytes: Option<u64>,
    },
}

/// A step of the hand-off of one instance to one target.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(crate) struct HandOff {
    /// Whose instance.
    pub(crate) clinic: PeerId,
    /// Its study.
    pub(crate) study: StudyId,
    /// Where it is.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) fingerprint: Fingerprint,
    /// The target's name; empty for the rebuild itself.
    pub(crate) target: String,
    /// Seconds since 1970, for people.
    pub(crate) wall: i64,
    /// The step.
    pub(crate) step: Step,
}

/// A SOP Instance UID, hidden by a key of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub(crate) struct Object(pub(crate) [u8; 16]);

/// What a target was given under one UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(crate) struct Given {
    /// The last bytes, unless it is known that it did not keep them.
    pub(crate) last: Option<Fingerprint>,
    /// BLAKE3 of what counts of them at the target, once they were stored there.
    pub(crate) content: Option<Fingerprint>,
    /// Whether others were given before.
    pub(crate) contested: bool,
}

/// An instance of one clinic: its segment and its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub(crate) struct Place {
    /// The segment.
    pub(crate) segment: SegmentId,
    /// The first record.
    pub(crate) first: u64,
}

/// How far a hand-off is.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(crate) enum Step {
    /// Bytes may be on their way.
    Sending,
    /// It is there.
    Stored(Proof),
    /// It needs a person, for this reason.
    Parked(String),
    /// A person wants it tried again, or given once more.
    Retry,
    /// A person wants it to take the place of what is there.
    Replace,
    /// A person gave it up here, for this reason; the clinic keeps the original.
    Discarded(String),
    /// It needs a person, for this reason, or time: it is tried again the next day.
    ParkedForADay(String),
    /// It is there, and the target has confirmed that it keeps it.
    Committed(Proof),
}

impl Step {
    /// Whether the target has it.
    #[must_use]
    pub(crate) const fn is_there(&self) -> bool {
        matches!(self, Self::Stored(_) | Self::Committed(_))
    }
}

impl Entry {
    /// The journal it belongs to.
    #[must_use]
    pub(crate) const fn journal(&self) -> &'static str {
        match self {
            Self::BackupConfirmed | Self::KeyMade { .. } => "hub",
            Self::Invited { .. } => "tokens",
            Self::Joined { .. } | Self::Revoked { .. } | Self::Quota { .. } => "clinics",
            Self::Target { .. } | Self::Paused { .. } | Self::Removed { .. } => "targets",
            Self::Receipt { .. } => "receipts",
            Self::HandOff(_) => "ledger",
            Self::Given { .. } => "given",
            Self::Patient { .. } | Self::PatientTaken { .. } => "patients",
            Self::Class { .. } => "classes",
            Self::Resent { .. } => "totals",
        }
    }
}

/// All journals, in the order in which they are read.
pub(crate) const JOURNALS: [&str; 10] = [
    "hub", "tokens", "clinics", "targets", "receipts", "ledger", "given", "patients", "classes",
    "totals",
];

impl Place {
    /// For people: short, unique enough to be typed.
    #[must_use]
    pub(crate) fn short(&self) -> String {
        format!("{}-{}", self.segment.short(), self.first)
    }
}

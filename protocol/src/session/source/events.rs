//! What a source hands out: things to send, events, errors, reasons for its timer.

use crate::id::{PeerId, SegmentId, StudyId};
use crate::manifest::{ManifestError, ReceiptKind};
use crate::resume::RunSet;
use crate::seal::Signed;
use crate::session::Lane;
use crate::wire::Frame;

/// Something to send now. Heads, records and chunks are named, not carried: the caller reads
/// them from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A frame, on the control lane.
    Frame(Frame),
    /// A segment's head.
    Head(Lane, SegmentId),
    /// A record.
    Record(Lane, SegmentId, u64),
    /// A chunk.
    Chunk(Lane, SegmentId, u64),
}

impl Transmit {
    /// Its lane.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Frame(_) => Lane::Control,
            Self::Head(lane, _) | Self::Record(lane, _, _) | Self::Chunk(lane, _, _) => *lane,
        }
    }
}

/// What a source has learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// A receipt that holds: make it durable, then call
    /// [`Source::accept_receipt`](super::Source::accept_receipt).
    Receipt(Signed),
    /// By a receipt that is durable here, these records may be evicted.
    Released {
        /// The segment.
        segment: SegmentId,
        /// The records.
        records: RunSet,
        /// The receipt's kind.
        kind: ReceiptKind,
    },
    /// The hub parked instances of a study.
    Parked {
        /// The study.
        study: StudyId,
        /// Why, in the hub's words.
        reason: String,
    },
    /// All that the study has so far is at the hub.
    Arrived(StudyId),
    /// The receiver cannot take more now, for this reason; without a reason, it can again.
    Busy(String),
    /// The receiver has a part of this segment, and here it is not known: to be answered with a
    /// signed `Gone`.
    Gone(SegmentId),
    /// The receiver closes, for this reason.
    Refused(String),
}

/// Why a frame was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Not ours.
    #[error("segment {} is not known here", .0.short())]
    UnknownSegment(SegmentId),
    /// Not ours.
    #[error("study {} is not known here", .0.short())]
    UnknownStudy(StudyId),
    /// The caller skipped chunks.
    #[error("a record of segment {} does not follow on the one before", .0.short())]
    Gap(SegmentId),
    /// A have-set that leaves its own range.
    #[error("the receiver {} sent a have-set that contradicts itself", .0.short())]
    BadHave(PeerId),
    /// Signature, clinic or form of a receipt.
    #[error("a receipt was refused: {0}")]
    Receipt(#[from] ManifestError),
    /// The root in a receipt is not that of our records: it releases nothing.
    #[error("a receipt names other records than ours under the same numbers: it releases nothing")]
    Root,
    /// A frame that no receiver sends.
    #[error("the receiver sent a frame that only a sender sends")]
    Unexpected,
}

impl SourceError {
    /// See [`crate::Retry`].
    #[must_use]
    pub const fn retry(&self) -> crate::Retry {
        crate::Retry::Never
    }
}

/// Why the timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No word came about what is in doubt: it is sent.
    Doubt,
    /// It is time to ask again about what is owed.
    Ask,
    /// Records of repeats have waited long enough for others of their kind.
    Linger,
}

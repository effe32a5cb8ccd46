//! What a sink hands out: things to store, events, errors.

use crate::id::{PeerId, SegmentId, StudyId};
use crate::manifest::ManifestError;
use crate::priority::Class;
use crate::resume::{RunSet, What};

/// The kind of a note that links a part to an earlier one with the same raw bytes.
pub const LINK_NOTE: u8 = 1;

/// A part at this hub: a record and the part's number within that record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct PartPlace {
    /// The segment.
    pub segment: SegmentId,
    /// The record that describes it.
    pub record: u64,
    /// Its number within that record.
    pub part: u32,
}

/// The body of a link note: `of` need not be sent, its raw bytes are those of `is`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Link {
    /// The record of the repeated part.
    pub record: u64,
    /// The repeated part's number within that record.
    pub part: u32,
    /// Its chunks, from this serial on.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Where the same raw bytes are.
    pub is: PartPlace,
}

/// The kind of the note that says which chunks of a segment went after it was stored.
pub const EVICTED_NOTE: u8 = 2;

/// The body of an eviction note: these chunks were here, and went when all that they are part of
/// was at its targets.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Evicted {
    /// (first, length) of each run of chunks, ascending.
    pub chunks: Vec<(u64, u64)>,
    /// How many bytes they were.
    pub bytes: u64,
}

/// What a sink wants done, or has learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkEvent {
    /// Store this, and call [`Sink::stored`](super::Sink::stored) when a sync has made it
    /// durable.
    Persist {
        /// The segment.
        segment: SegmentId,
        /// What it is.
        what: What,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// An instance is here whole: rebuild and verify it.
    Instance {
        /// Its study.
        study: StudyId,
        /// Its segment.
        segment: SegmentId,
        /// Its first record.
        first: u64,
        /// One past its last record.
        end: u64,
    },
    /// The clinic changed a study's class.
    Class(StudyId, Class),
    /// The clinic said what a study consisted of when it fell quiet.
    Revised(StudyId, Vec<(SegmentId, u64)>),
    /// Lost at source, by the clinic's own signed word: shown by name, never waited for.
    Gone {
        /// The study.
        study: StudyId,
        /// The segment.
        segment: SegmentId,
        /// The records.
        records: RunSet,
    },
}

/// Why a frame was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Head, record or statement that does not hold.
    #[error("from clinic {clinic}: {source}", clinic = .clinic.short())]
    Manifest {
        /// Who.
        clinic: PeerId,
        /// What.
        source: ManifestError,
    },
    /// A head of another sender, or for another hub.
    #[error("clinic {} sent a segment that is not its own or not for this hub", .0.short())]
    Foreign(PeerId),
    /// A chunk whose BLAKE3 is not the one its record lists.
    #[error("segment {}: chunk {serial} does not match its record: altered on the way", .segment.short())]
    WrongChunk {
        /// The segment.
        segment: SegmentId,
        /// The chunk.
        serial: u64,
    },
    /// A record that overlaps another's chunks or comes with a number already taken.
    #[error("segment {}: record {number} contradicts another", .segment.short())]
    Contradiction {
        /// The segment.
        segment: SegmentId,
        /// The record.
        number: u64,
    },
    /// More open records or segments than the bound.
    #[error("clinic {} announces more than {what} at once: it must wait", .clinic.short())]
    TooMuch {
        /// Who.
        clinic: PeerId,
        /// Of what.
        what: &'static str,
    },
    /// A frame that no sender sends.
    #[error("clinic {} sent a frame that only a hub sends", .0.short())]
    Unexpected(PeerId),
}

impl SinkError {
    /// See [`crate::Retry`].
    #[must_use]
    pub const fn retry(&self) -> crate::Retry {
        match self {
            Self::Manifest { source, .. } => source.retry(),
            Self::WrongChunk { .. } | Self::TooMuch { .. } => crate::Retry::Later,
            Self::Foreign(_) | Self::Contradiction { .. } | Self::Unexpected(_) => {
                crate::Retry::Never
            }
        }
    }
}

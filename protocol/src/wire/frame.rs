//! What travels over a link. Frames describe themselves, may be repeated and reordered across
//! reconnects, and mean the same over any carrier (I3).

use super::{WireError, decode, encode};
use crate::id::{Epoch, HubKeyId, ProcessId, SegmentId, StudyId};
use crate::limits::FRAME_MAX;
use crate::manifest::NamedRecords;
use crate::priority::Class;
use crate::resume::Have;
use crate::seal::Signed;

/// The first byte of every frame, and the oldest wire version spoken.
pub const HEAD_OF_FRAME: u8 = 1;
/// The newest wire version spoken. Who speaks 2 passes over frames of variants that it does not
/// know, and may be sent [`Frame::Reads`].
pub const NEWEST_VERSION: u8 = 2;
/// The last variant known.
const LAST_VARIANT: u8 = 16;

/// One frame. Fields never change within a wire version: a new field is a new frame (SPEC 2.2).
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Frame {
    /// First on the control lane, both ways.
    Hello(Hello),
    /// A segment's signed head.
    Head(Signed),
    /// A record of a segment.
    Record {
        /// The segment.
        segment: SegmentId,
        /// Its number.
        number: u64,
        /// Clear random bytes and sealed body.
        bytes: Vec<u8>,
    },
    /// A chunk of a segment.
    Chunk {
        /// The segment.
        segment: SegmentId,
        /// Its serial.
        serial: u64,
        /// The sealed bytes.
        sealed: Vec<u8>,
    },
    /// A signed revision of a study.
    Revision(Signed),
    /// A signed statement of what was lost at source.
    Gone(Signed),
    /// How urgent a study is; the highest counter wins.
    Priority {
        /// The study.
        study: StudyId,
        /// Its class.
        class: Class,
        /// Counts up with every change.
        counter: u64,
    },
    /// What do you hold of these? From a receiver to a sender: what of these have you still?
    Ask(Vec<SegmentId>),
    /// This I hold.
    Have(Have),
    /// Send these again, whatever was said before.
    Want {
        /// The segment.
        segment: SegmentId,
        /// Records.
        records: NamedRecords,
        /// Chunks, as runs of serials.
        chunks: NamedRecords,
    },
    /// A signed receipt.
    Receipt(Signed),
    /// Not now: the receiver cannot take more, for this reason. Without a reason: now again.
    Busy(String),
    /// The hub's signed public encryption key ([`crate::seal::HubPublic`]).
    Keys(Signed),
    /// Enrolment: the token of an invitation (`karez-join/1` only).
    Join(Join),
    /// Enrolment: done.
    Joined(Joined),
    /// The connection will be closed, for this reason.
    Refused(Refusal),
    /// The codecs of parts that the hub can unpack, ascending; only to one that speaks version 2.
    Reads(Vec<u8>),
}

/// What each side says first.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Hello {
    /// Oldest wire version spoken.
    pub oldest: u8,
    /// Newest wire version spoken.
    pub newest: u8,
    /// The process that speaks.
    pub process: ProcessId,
    /// A receiver's epoch; zeros from one that only sends.
    pub epoch: Epoch,
    /// The newest hub key known (sender) or in use (hub).
    pub hub_key: HubKeyId,
    /// Program and version, for people.
    pub agent: String,
}

impl Hello {
    /// Whether the two sides share a version.
    ///
    /// # Errors
    /// Both ranges, in words.
    pub fn meet(&self, theirs: &Self) -> Result<u8, Refusal> {
        let common = self.newest.min(theirs.newest);
        if common >= self.oldest && common >= theirs.oldest {
            return Ok(common);
        }
        let text = format!(
            "the two sides speak wire versions {}-{} and {}-{}: update the older one",
            self.oldest, self.newest, theirs.oldest, theirs.newest
        );
        Err(Refusal {
            code: Refusal::VERSION,
            text,
        })
    }
}

/// Why a side will not go on.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Refusal {
    /// One of the constants.
    pub code: u16,
    /// For people.
    pub text: String,
}

impl Refusal {
    /// No common wire version.
    pub const VERSION: u16 = 1;
    /// The peer's key is not, or no longer, enrolled.
    pub const REVOKED: u16 = 2;
    /// An invitation's token is unknown or burnt to another key.
    pub const TOKEN: u16 = 3;
    /// A frame that does not decode.
    pub const MALFORMED: u16 = 4;
}

/// A clinic enrols.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Join {
    /// The invitation's token.
    pub token: [u8; 16],
    /// Program and version.
    pub agent: String,
}

/// The hub's answer.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Joined {
    /// What the hub calls the clinic.
    pub name: String,
    /// The hub's public encryption key, signed by its identity.
    pub keys: Signed,
}

impl Frame {
    /// The frame's bytes, without the length prefix that a stream adds.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![HEAD_OF_FRAME];
        bytes.extend_from_slice(&encode(self));
        bytes
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > FRAME_MAX {
            return Err(WireError::TooLong(bytes.len()));
        }
        match bytes.split_first() {
            Some((&HEAD_OF_FRAME, rest)) => match rest.first() {
                Some(&variant) if variant > LAST_VARIANT => Err(WireError::Unknown(variant)),
                _ => decode(rest),
            },
            Some((&version, _)) => Err(WireError::Version(version)),
            None => Err(WireError::Malformed),
        }
    }
}

//! What the sender says exists, and what the receiver attests: heads, records, statements.

mod head;
mod receipt;
mod record;
mod statement;

pub use head::SegmentHead;
pub use receipt::{Proof, Receipt, ReceiptKind};
pub use record::{
    Head, InstanceStart, Origin, PackedHead, PartRecord, PartRef, RecordBody, RecordBytes,
};
pub use statement::{Gone, NamedRecords, Revision, RootHasher};

use crate::seal::SealError;
use crate::wire::WireError;

/// Why a piece of a manifest was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Signature or seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Bytes that are no such thing.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A bound of `limits.rs` or a rule of SPEC 4 is broken.
    #[error("a manifest breaks a rule: {0}")]
    Rule(&'static str),
    /// Made by a newer version.
    #[error("a segment of format {0} is newer than this program knows: update it")]
    Version(u8),
}

impl ManifestError {
    /// See [`crate::Retry`].
    #[must_use]
    pub const fn retry(&self) -> crate::Retry {
        match self {
            Self::Seal(e) => e.retry(),
            Self::Version(_) => crate::Retry::Later,
            Self::Wire(_) | Self::Rule(_) => crate::Retry::Never,
        }
    }
}

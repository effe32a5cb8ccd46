//! What can go wrong, where, and what to do next (ARCHITECTURE I9).

use std::fmt;
use std::io;

pub use karez_protocol::error::Retry;
use karez_protocol::id::SegmentId;

use crate::format::Kind;

/// Where it happened. Names carry no patient data: segments are random, journals are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The data directory itself.
    Directory,
    /// The pack of a segment.
    Pack(SegmentId),
    /// A named journal.
    Journal(String),
    /// A scratch blob, by the short form of its name.
    Blob(String),
    /// A file written whole, such as a configuration.
    File,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => write!(f, "the data directory"),
            Self::Pack(id) => write!(f, "pack {}", id.short()),
            Self::Journal(name) => write!(f, "journal {name}"),
            Self::Blob(name) => write!(f, "blob {name}"),
            Self::File => write!(f, "a file"),
        }
    }
}

/// An error of the store. Each says cause, place and fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process works on the directory.
    #[error(
        "the data directory is in use by another process; stop it, or choose another directory"
    )]
    Locked,
    /// No room left, or no quota.
    #[error(
        "disk full at {place}: {free} bytes free, {needed} needed; free space or raise the quota"
    )]
    Full {
        /// Where.
        place: Place,
        /// Bytes free when it happened.
        free: u64,
        /// Bytes that the step wanted.
        needed: u64,
    },
    /// The disk cannot be written.
    #[error("the disk is read-only at {place}; check it and mount it for writing again")]
    ReadOnly {
        /// Where.
        place: Place,
    },
    /// The disk failed.
    #[error("cannot {step} {place}: {source}; check the disk and its cable")]
    Io {
        /// What was tried.
        step: &'static str,
        /// Where.
        place: Place,
        /// What the system said.
        source: io::Error,
    },
    /// Stored bytes are not what was stored.
    #[error("rot in pack {}: {kind} {number}; fetch it again from the other side", segment.short())]
    Rotten {
        /// The segment.
        segment: SegmentId,
        /// What rotted.
        kind: Kind,
        /// Its number.
        number: u64,
    },
    /// A whole file cannot be understood.
    #[error("{place} is damaged beyond reading; fetch its content again from the other side")]
    Damaged {
        /// Where.
        place: Place,
    },
    /// No such segment.
    #[error("there is no segment {}", .0.short())]
    NoSegment(SegmentId),
    /// No such entry.
    #[error("pack {} has no {kind} {number}", segment.short())]
    NoEntry {
        /// The segment.
        segment: SegmentId,
        /// What was asked for.
        kind: Kind,
        /// Its number.
        number: u64,
    },
    /// The same name with other bytes.
    #[error("{place} already holds other bytes under this name; the peer contradicts itself")]
    Conflict {
        /// Where.
        place: Place,
    },
    /// Longer than the format allows.
    #[error("{length} bytes for {place}, {most} allowed")]
    TooLong {
        /// Where.
        place: Place,
        /// Bytes offered.
        length: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// A number that no entry can have.
    #[error("{0} is out of range for an entry's number")]
    BadNumber(u64),
    /// A name that cannot be a file name here.
    #[error("a name must be 1 to 64 of a-z, 0-9 and '-'")]
    BadName,
    /// A newer program wrote this.
    #[error(
        "{place} was written by a newer version (format {found}, this one knows {known}); \
         upgrade this program"
    )]
    Newer {
        /// Where.
        place: Place,
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// Nobody collects the proofs.
    #[error("too many stored entries wait for commit; call commit")]
    Uncollected,
}

impl Error {
    /// When trying again makes sense.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Uncollected => Retry::Now,
            Self::Locked | Self::Full { .. } | Self::ReadOnly { .. } | Self::Io { .. } => {
                Retry::Later
            }
            Self::Rotten { .. }
            | Self::Damaged { .. }
            | Self::NoSegment(_)
            | Self::NoEntry { .. }
            | Self::Conflict { .. }
            | Self::TooLong { .. }
            | Self::BadName
            | Self::BadNumber(_)
            | Self::Newer { .. } => Retry::Never,
        }
    }

    /// Names what the system said.
    pub(crate) fn io(step: &'static str, place: Place, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { place },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                place,
                free: 0,
                needed: 0,
            },
            _ => Self::Io {
                step,
                place,
                source,
            },
        }
    }

    /// Completes a full disk's figures.
    pub(crate) fn with_room(self, now_free: u64, wanted: u64) -> Self {
        match self {
            Self::Full { place, .. } => Self::Full {
                place,
                free: now_free,
                needed: wanted,
            },
            other => other,
        }
    }
}

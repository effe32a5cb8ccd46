//! Signed statements of the sender about whole studies: revisions and `Gone`.

use super::ManifestError;
use crate::id::{PeerId, Root, SegmentId, StudyId};
use crate::limits::{NAMED_RUNS_MAX, NAMED_SEGMENTS_MAX};
use crate::resume::RunSet;
use crate::seal::{Identity, Purpose, Signed, verify};
use crate::wire::{decode, encode};

/// Records of one segment, as runs.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct NamedRecords {
    /// The segment.
    pub segment: SegmentId,
    /// (first, length) of each run, ascending.
    pub runs: Vec<(u64, u64)>,
}

impl NamedRecords {
    /// Names `set` of `segment`.
    #[must_use]
    pub fn of(segment: SegmentId, set: &RunSet) -> Self {
        let runs = set.iter().map(|r| (r.start, r.end - r.start)).collect();
        Self { segment, runs }
    }

    /// The records named.
    #[must_use]
    pub fn set(&self) -> RunSet {
        self.runs
            .iter()
            .map(|&(from, len)| from..from.saturating_add(len))
            .collect()
    }
}

/// "Complete as of here": what a study consisted of when it fell quiet.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Revision {
    /// The study.
    pub study: StudyId,
    /// Each segment and how many records it had.
    pub segments: Vec<(SegmentId, u64)>,
    /// Over all those records.
    pub root: Root,
}

/// What a restored sender no longer has and will not send.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Gone {
    /// The records lost at source.
    pub records: NamedRecords,
}

macro_rules! statement {
    ($name:ident, $purpose:expr, $ok:expr) => {
        impl $name {
            /// Signs it.
            #[must_use]
            pub fn sign(&self, by: &Identity) -> Signed {
                by.sign($purpose, encode(self))
            }

            /// Reads it, if `by` signed it.
            ///
            /// # Errors
            /// [`ManifestError`].
            pub fn read(by: &PeerId, signed: &Signed) -> Result<Self, ManifestError> {
                verify($purpose, by, signed)?;
                let read: Self = decode(&signed.body)?;
                let ok: fn(&Self) -> bool = $ok;
                if ok(&read) {
                    Ok(read)
                } else {
                    Err(ManifestError::Rule("a statement names too much"))
                }
            }
        }
    };
}
statement!(Revision, Purpose::Revision, |r| r.segments.len()
    <= NAMED_SEGMENTS_MAX);
statement!(Gone, Purpose::Gone, |g| g.records.runs.len()
    <= NAMED_RUNS_MAX);

/// Makes a [`Root`] of record hashes, segment by segment, record by record.
pub struct RootHasher(blake3::Hasher);

impl Default for RootHasher {
    fn default() -> Self {
        Self(blake3::Hasher::new_derive_key("karez/1 root"))
    }
}

impl RootHasher {
    /// Says which segment the following records are of.
    pub fn segment(&mut self, segment: SegmentId) {
        self.0.update(b"s");
        self.0.update(segment.as_bytes());
    }

    /// The next record's hash.
    pub fn record(&mut self, number: u64, hash: &[u8; 32]) {
        self.0.update(b"r");
        self.0.update(&number.to_le_bytes());
        self.0.update(hash);
    }

    /// The root.
    #[must_use]
    pub fn finish(&self) -> Root {
        Root(*self.0.finalize().as_bytes())
    }
}

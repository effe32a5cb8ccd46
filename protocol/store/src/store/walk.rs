//! Proving everything that is stored, in steps.

use karez_protocol::id::SegmentId;

use super::Store;
use crate::format::Kind;

/// Where a proof of the whole store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// In this segment,
    pub segment: SegmentId,
    /// behind this entry; at its beginning without one.
    pub entry: Option<(Kind, u64)>,
}

/// One step of such a proof.
#[derive(Debug, Default)]
pub struct Walked {
    /// Entries that rotted; they are no longer there.
    pub rotten: Vec<(SegmentId, Kind, u64)>,
    /// Entries that the disk could not read now. They stay; [`Store::condemn`] gives them up.
    pub unreadable: Vec<(SegmentId, Kind, u64)>,
    /// Bytes read.
    pub bytes: u64,
    /// Where to go on; `None` behind the last segment.
    pub next: Option<Cursor>,
}

impl Walked {
    /// Entries that are not as they were stored.
    #[must_use]
    pub fn bad(&self) -> u64 {
        (self.rotten.len() + self.unreadable.len()) as u64
    }
}

impl Store {
    /// Proves entries from `cursor` on, or from the first segment, until about `most` bytes are
    /// read or a segment ends.
    pub fn verify_next(&mut self, cursor: Option<Cursor>, most: u64) -> Walked {
        let first = || self.segments().next();
        let start = |segment| Cursor {
            segment,
            entry: None,
        };
        let Some(at) = cursor.or_else(|| first().map(start)) else {
            return Walked::default();
        };
        let beyond = self.segments().find(|segment| *segment > at.segment);
        let beyond = beyond.map(start);
        let Ok(verified) = self.verify_some(at.segment, at.entry, most) else {
            return Walked {
                next: beyond,
                ..Walked::default()
            };
        };
        let named = |entries: Vec<(Kind, u64)>| {
            let entries = entries.into_iter();
            entries
                .map(|(kind, number)| (at.segment, kind, number))
                .collect()
        };
        let same = verified.next.map(|entry| Cursor {
            segment: at.segment,
            entry: Some(entry),
        });
        Walked {
            rotten: named(verified.rotten),
            unreadable: named(verified.unreadable),
            bytes: verified.bytes,
            next: same.or(beyond),
        }
    }
}

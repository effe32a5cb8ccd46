//! The have-set of one segment, and the frame body that says it.

use crate::id::{Epoch, SegmentId};
use crate::limits::{HAVE_RUNS_MAX, SEGMENT_CHUNKS_MAX, SEGMENT_RECORDS_MAX};
use crate::resume::RunSet;

/// A thing that a sync has made durable. The store alone makes these, after the sync has
/// returned, and a have-set grows by nothing else (I1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    segment: SegmentId,
    what: What,
}

/// What of a segment was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The signed head.
    Head,
    /// The record of this number.
    Record(u64),
    /// The chunk of this serial.
    Chunk(u64),
    /// The note of this kind and number: a link, a revision, a `Gone`.
    Note(u8, u64),
}

impl Stored {
    /// To be called by the store, after the sync that made `what` durable has returned.
    #[must_use]
    pub const fn attest(segment: SegmentId, what: What) -> Self {
        Self { segment, what }
    }

    /// What a sync has not yet made durable, for a bug that tests switch on.
    #[cfg(feature = "mutants")]
    pub(crate) const fn claimed(segment: SegmentId, what: What) -> Self {
        Self { segment, what }
    }

    /// The segment it belongs to.
    #[must_use]
    pub const fn segment(&self) -> SegmentId {
        self.segment
    }

    /// What was stored.
    #[must_use]
    pub const fn what(&self) -> What {
        self.what
    }
}

/// What a receiver holds of one segment. Within an epoch it only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaveSet {
    records: RunSet,
    chunks: RunSet,
}

impl HaveSet {
    /// Takes note of what was stored; other segments' tokens are the caller's mistake and are
    /// ignored by it before.
    pub fn grow(&mut self, stored: Stored) {
        match stored.what {
            What::Record(n) => self.records.add(n),
            What::Chunk(n) => self.chunks.add(n),
            What::Head | What::Note(..) => {}
        }
    }

    /// Chunks that need not come by what a stored note says: a link makes them restorable, or they
    /// went after all that they are part of was stored.
    pub fn grow_by_note(&mut self, stored: Stored, chunks: std::ops::Range<u64>) {
        if matches!(stored.what, What::Note(..)) {
            self.chunks.insert(chunks);
        }
    }

    /// The records held.
    #[must_use]
    pub const fn records(&self) -> &RunSet {
        &self.records
    }

    /// The chunks held, restorable, or no longer needed.
    #[must_use]
    pub const fn chunks(&self) -> &RunSet {
        &self.chunks
    }

    /// Forgets a chunk found rotten: the caller mints a new epoch.
    pub fn lose_chunk(&mut self, serial: u64) {
        self.chunks.remove(serial..serial + 1);
    }

    /// Forgets a record found rotten: the caller mints a new epoch.
    pub fn lose_record(&mut self, number: u64) {
        self.records.remove(number..number + 1);
    }

    /// The whole have-set as frame bodies, each of at most [`HAVE_RUNS_MAX`] runs; at least one.
    #[must_use]
    pub fn say(&self, epoch: Epoch, segment: SegmentId) -> Vec<Have> {
        let records = pieces(&self.records, SEGMENT_RECORDS_MAX);
        let chunks = pieces(&self.chunks, SEGMENT_CHUNKS_MAX);
        let nothing = || Covered {
            from: 0,
            to: 0,
            runs: Vec::new(),
        };
        let count = records.len().max(chunks.len());
        (0..count)
            .map(|i| Have {
                epoch,
                segment,
                records: records.get(i).cloned().unwrap_or_else(nothing),
                chunks: chunks.get(i).cloned().unwrap_or_else(nothing),
            })
            .collect()
    }
}

/// What a receiver says it holds of a segment, within what it says anything about.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Have {
    /// The memory that speaks.
    pub epoch: Epoch,
    /// The segment spoken of.
    pub segment: SegmentId,
    /// Records.
    pub records: Covered,
    /// Chunks.
    pub chunks: Covered,
}

/// Runs held within `from..to`; of all else nothing is said.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Covered {
    from: u64,
    to: u64,
    /// (gap before, length), each relative to the end of the run before, from `from` on.
    runs: Vec<(u64, u64)>,
}

impl Covered {
    /// The range spoken of.
    #[must_use]
    pub const fn range(&self) -> std::ops::Range<u64> {
        self.from..self.to
    }

    /// The runs held; `None` if they leave the range or are no runs at all.
    #[must_use]
    pub fn runs(&self) -> Option<RunSet> {
        if self.runs.len() > HAVE_RUNS_MAX {
            return None;
        }
        let (mut set, mut at) = (RunSet::new(), self.from);
        for &(gap, len) in &self.runs {
            let start = at.checked_add(gap)?;
            at = start.checked_add(len)?;
            if at > self.to || len == 0 {
                return None;
            }
            set.insert(start..at);
        }
        Some(set)
    }
}

/// Cuts a set into pieces that together speak of `0..end`.
fn pieces(set: &RunSet, end: u64) -> Vec<Covered> {
    let runs: Vec<_> = set.iter().collect();
    let mut out = Vec::new();
    let mut from = 0;
    let mut groups = runs.chunks(HAVE_RUNS_MAX / 2).peekable();
    while let Some(group) = groups.next() {
        let to = match (groups.peek(), group.last()) {
            (Some(_), Some(last)) => last.end,
            _ => end,
        };
        out.push(covered(from, to, group));
        from = to;
    }
    if out.is_empty() {
        out.push(covered(0, end, &[]));
    }
    out
}

fn covered(from: u64, to: u64, group: &[std::ops::Range<u64>]) -> Covered {
    let mut at = from;
    let runs = group
        .iter()
        .map(|run| {
            let gap = run.start - at;
            at = run.end;
            (gap, run.end - run.start)
        })
        .collect();
    Covered { from, to, runs }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEGMENT: SegmentId = SegmentId([7; 16]);

    fn grown(serials: &[u64]) -> HaveSet {
        let mut set = HaveSet::default();
        for &n in serials {
            set.grow(Stored::attest(SEGMENT, What::Chunk(n)));
            set.grow(Stored::attest(SEGMENT, What::Record(n / 3)));
        }
        set
    }

    proptest! {
        #[test]
        fn what_is_said_is_what_is_held(serials in prop::collection::vec(0_u64..4000, 0..600)) {
            let set = grown(&serials);
            let (mut records, mut chunks) = (RunSet::new(), RunSet::new());
            let (mut said_records, mut said_chunks) = (RunSet::new(), RunSet::new());
            for have in set.say(Epoch([1; 8]), SEGMENT) {
                records.union(&have.records.runs().unwrap());
                chunks.union(&have.chunks.runs().unwrap());
                said_records.insert(have.records.range());
                said_chunks.insert(have.chunks.range());
            }
            prop_assert_eq!(&records, set.records());
            prop_assert_eq!(&chunks, set.chunks());
            prop_assert!(said_records.covers(&(0..SEGMENT_RECORDS_MAX)));
            prop_assert!(said_chunks.covers(&(0..SEGMENT_CHUNKS_MAX)));
        }

        #[test]
        fn growing_is_monotone_commutative_and_idempotent(
            mut serials in prop::collection::vec(0_u64..300, 1..80), cut in 0_usize..80,
        ) {
            let cut = cut.min(serials.len());
            let (part, whole) = (grown(&serials[..cut]), grown(&serials));
            for run in part.chunks().iter() {
                prop_assert!(whole.chunks().covers(&run));
            }
            serials.reverse();
            serials.extend(serials.clone());
            prop_assert_eq!(grown(&serials), whole);
        }
    }

    #[test]
    fn runs_that_leave_their_range_are_refused() {
        let liar = Covered {
            from: 0,
            to: 5,
            runs: vec![(0, 6)],
        };
        assert_eq!(liar.runs(), None);
        let empty = Covered {
            from: 0,
            to: 5,
            runs: vec![(0, 0)],
        };
        assert_eq!(empty.runs(), None);
        let wrap = Covered {
            from: 3,
            to: 5,
            runs: vec![(u64::MAX, 1)],
        };
        assert_eq!(wrap.runs(), None);
    }
}

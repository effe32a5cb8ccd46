//! How far given instances are, for whoever waits for them.

use serde::{Deserialize, Serialize};

use karez_protocol::manifest::ReceiptKind;

use super::Engine;
use super::table::Place;

/// The receipt for an accepted instance, towards whoever handed it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its number here.
    pub order: u64,
    /// The short name of its study.
    pub study: String,
}

/// How many of some instances have come how far. Each counts in every stage that it has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// All of them.
    pub instances: u64,
    /// In sealed chunks.
    pub sealed: u64,
    /// At the hub.
    pub received: u64,
    /// Rebuilt there, and identical.
    pub verified: u64,
    /// At the PACS.
    pub stored: u64,
    /// They need a person.
    pub parked: u64,
}

impl Progress {
    /// Adds others.
    pub const fn add(&mut self, other: &Self) {
        self.instances += other.instances;
        self.sealed += other.sealed;
        self.received += other.received;
        self.verified += other.verified;
        self.stored += other.stored;
        self.parked += other.parked;
    }

    /// Whether nothing more is to be waited for.
    #[must_use]
    pub const fn done(&self) -> bool {
        self.stored + self.parked >= self.instances
    }
}

impl Engine {
    pub(super) fn progress(&self, orders: &[(u64, u64)]) -> Progress {
        let mut progress = Progress::default();
        for &(from, to) in orders {
            let to = to.min(self.tables.next_order);
            progress.instances += to.saturating_sub(from);
            let here = self.tables.instances.range(from..to.max(from));
            let mut present = 0;
            for (_, instance) in here {
                present += 1;
                self.count(&instance.place, &mut progress);
            }
            // What is not here any more was released.
            let evicted = to.saturating_sub(from) - present;
            for stage in [
                &mut progress.sealed,
                &mut progress.received,
                &mut progress.verified,
                &mut progress.stored,
            ] {
                *stage += evicted;
            }
        }
        progress
    }

    fn count(&self, place: &Place, progress: &mut Progress) {
        let (segment, records) = match place {
            Place::Waiting | Place::Packing => return,
            Place::Lost(_) => return progress.parked += 1,
            Place::Sealed(segment, records) => (*segment, records),
        };
        progress.sealed += 1;
        progress.received += u64::from(self.has_arrived(segment, records));
        let attested = |kind| self.source.attested(segment, kind).contains(records.start);
        progress.verified += u64::from(attested(ReceiptKind::Verified));
        if attested(ReceiptKind::Stored) {
            progress.stored += 1;
        } else if self
            .source
            .named_by(segment, ReceiptKind::Parked)
            .contains(records.start)
        {
            progress.parked += 1;
        }
    }

    fn has_arrived(
        &self,
        segment: karez_protocol::id::SegmentId,
        records: &std::ops::Range<u64>,
    ) -> bool {
        let all = self.source.records(segment);
        let of = |n: u64| usize::try_from(n).ok().and_then(|n| all.get(n));
        let (first, last) = (of(records.start), of(records.end.saturating_sub(1)));
        let (Some(first), Some(last)) = (first, last) else {
            return false;
        };
        let acked = self.source.acked_chunks(segment);
        acked.is_some_and(|acked| acked.covers(&(first.chunks.start..last.chunks.end)))
    }
}

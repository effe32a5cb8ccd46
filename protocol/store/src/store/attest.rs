//! What the store proves to the core: the only place that makes its tokens (ARCHITECTURE I1).

use karez_protocol::id::SegmentId;
use karez_protocol::resume::{self, What};

use super::{Store, Stored};
use crate::format::Kind;

impl From<Stored> for resume::Stored {
    /// The same proof as the core takes it.
    fn from(stored: Stored) -> Self {
        Self::attest(stored.segment(), what(stored.kind(), stored.number()))
    }
}

impl Store {
    /// Proofs of every entry of one kind that a segment durably holds, ascending by number: what
    /// a daemon starts from.
    pub fn held(
        &self,
        segment: SegmentId,
        kind: Kind,
    ) -> impl Iterator<Item = resume::Stored> + use<> {
        let runs = self.runs(segment, kind).into_iter().flatten();
        runs.map(move |number| resume::Stored::attest(segment, what(kind, number)))
    }

    /// Bytes of all durable payloads of one kind in a segment.
    #[must_use]
    pub fn held_bytes(&self, segment: SegmentId, kind: Kind) -> u64 {
        let pack = self.packs.get(&segment);
        let extents = pack.and_then(|pack| pack.index.of(kind));
        extents.map_or(0, |extents| {
            let bytes = |(_, run): (u64, crate::extents::Extent)| {
                u64::from(run.count) * u64::from(run.length)
            };
            extents.iter().map(bytes).sum()
        })
    }
}

const fn what(kind: Kind, number: u64) -> What {
    match kind {
        Kind::Record => What::Record(number),
        Kind::Chunk => What::Chunk(number),
        Kind::Note(tag) => What::Note(tag, number),
    }
}

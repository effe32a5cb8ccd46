//! What the link has cost, and what it has carried for it.
//!
//! Wire bytes are counted and written down now and then. Payload is computed from what is known to
//! have arrived, so that no kill loses count of it; only chunks of repeated parts are counted as
//! they arrive, since most of them are never sent.

use std::collections::BTreeMap;

use karez_protocol::id::SegmentId;
use karez_protocol::resume::Have;

use super::Engine;
use super::entry::Costs;
use crate::limits::SENT_TRACKED;

/// Chunks sent and not yet known to have arrived, and their bytes.
#[derive(Default)]
pub(super) struct Sent(BTreeMap<(SegmentId, u64), u32>);

impl Engine {
    /// All costs up to now, as they are written down.
    pub(super) fn costs(&self) -> Costs {
        let mut costs = self.link.earlier;
        if let Some(live) = &self.link.live {
            let stats = live.handle.stats();
            costs.up += stats.up_bytes;
            costs.down += stats.down_bytes;
        }
        costs
    }

    /// Bytes of chunks and records that have arrived, each once.
    pub(super) fn payload(&self) -> u64 {
        let segments = self.tables.segments.keys();
        let here: u64 = segments.map(|id| self.payload_of(*id)).sum();
        self.link.earlier.payload + here
    }

    /// Those of one segment, without its repeated parts.
    pub(super) fn payload_of(&self, segment: SegmentId) -> u64 {
        let Some(acked) = self.source.acked_chunks(segment) else {
            return 0;
        };
        let mut payload = 0;
        for record in self.source.records(segment) {
            let all = record.chunks.end - record.chunks.start;
            let repeats = record.repeats.iter();
            let repeated: u64 = repeats.map(|r| acked.within(r).count()).sum();
            let arrived = acked.within(&record.chunks).count() - repeated;
            let bytes = u128::from(record.bytes) * u128::from(arrived) / u128::from(all.max(1));
            payload += u64::try_from(bytes).unwrap_or(u64::MAX);
        }
        payload
    }

    /// A chunk goes out.
    pub(super) fn count_sent(&mut self, segment: SegmentId, serial: u64, length: usize) {
        let sent = &mut self.link.sent.0;
        let again = sent.insert((segment, serial), length as u32).is_some();
        if again {
            self.link.earlier.resent += length as u64;
        } else if sent.len() > SENT_TRACKED {
            sent.pop_first();
        }
    }

    /// The hub has said what has arrived.
    pub(super) fn count_arrived(&mut self, have: &Have) {
        let Some(acked) = self.source.acked_chunks(have.segment) else {
            return;
        };
        let records = self.source.records(have.segment);
        let repeats = |serial: u64| {
            let at = records.partition_point(|r| r.chunks.end <= serial);
            let record = records.get(at);
            record.is_some_and(|r| r.repeats.iter().any(|run| run.contains(&serial)))
        };
        let of = (have.segment, 0)..=(have.segment, u64::MAX);
        let mut arrived = Vec::new();
        for (key, bytes) in self.link.sent.0.range(of) {
            if acked.contains(key.1) {
                let counts = if repeats(key.1) { *bytes } else { 0 };
                arrived.push((*key, u64::from(counts)));
            }
        }
        for (key, bytes) in arrived {
            self.link.sent.0.remove(&key);
            self.link.earlier.payload += bytes;
        }
    }
}

//! What the link has cost, and what it has carried for it.
//!
//! Wire bytes are counted and written down now and then. Payload is computed from what is known to
//! have arrived, so that no kill loses count of it; only chunks of repeated parts are counted as
//! they arrive, since most of them are never sent. A chunk was sent for nothing when the hub's
//! first word on a segment, after a connection began, says that it was there already.

use std::collections::{BTreeMap, BTreeSet};

use karez_protocol::id::SegmentId;
use karez_protocol::limits::SEGMENT_CHUNKS_MAX;
use karez_protocol::resume::Have;

use super::Engine;
use super::entry::Costs;
use crate::limits::SENT_TRACKED;

/// Chunks sent and not yet known to have arrived.
#[derive(Default)]
pub(super) struct Sent {
    chunks: BTreeMap<(SegmentId, u64), SentChunk>,
    /// Segments from before this connection of which the hub has not yet said what it holds.
    unsaid: BTreeSet<SegmentId>,
}

#[derive(Clone, Copy)]
struct SentChunk {
    bytes: u32,
    /// Sent on this connection before the hub said whether it has it.
    blind: bool,
}

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

    /// A connection begins: what is sent from now on may be there already.
    pub(super) fn begin_accounts(&mut self) {
        let sent = &mut self.link.sent;
        sent.unsaid = self.tables.segments.keys().copied().collect();
        for chunk in sent.chunks.values_mut() {
            chunk.blind = false;
        }
    }

    /// A chunk goes out.
    pub(super) fn count_sent(&mut self, segment: SegmentId, serial: u64, length: usize) {
        let sent = &mut self.link.sent;
        let blind = sent.unsaid.contains(&segment);
        let bytes = u32::try_from(length).unwrap_or(u32::MAX);
        let chunk = SentChunk { bytes, blind };
        sent.chunks.insert((segment, serial), chunk);
        if sent.chunks.len() > SENT_TRACKED {
            sent.chunks.pop_first();
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
        let said = have.chunks.range();
        let sent = &mut self.link.sent;
        let of = (have.segment, said.start)..(have.segment, said.end);
        let mut arrived = Vec::new();
        for (key, chunk) in sent.chunks.range_mut(of) {
            if acked.contains(key.1) {
                arrived.push(*key);
            } else {
                // What comes of it is the first.
                chunk.blind = false;
            }
        }
        for key in arrived {
            let Some(chunk) = sent.chunks.remove(&key) else {
                continue;
            };
            let bytes = u64::from(chunk.bytes);
            self.link.earlier.resent += if chunk.blind { bytes } else { 0 };
            self.link.earlier.payload += if repeats(key.1) { bytes } else { 0 };
        }
        if said.end >= SEGMENT_CHUNKS_MAX {
            sent.unsaid.remove(&have.segment);
        }
    }
}

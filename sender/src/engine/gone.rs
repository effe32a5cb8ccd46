//! What the hub has in part and this disk has lost: told to the hub, signed, by number.

use karez_host::audit::Event;
use karez_protocol::id::SegmentId;
use karez_protocol::limits::SEGMENT_RECORDS_MAX;
use karez_protocol::manifest::{Gone, NamedRecords};
use karez_protocol::resume::{Have, RunSet};
use karez_store::Kind;

use super::Engine;
use super::table::Place;

impl Engine {
    /// The hub asks about a segment that is not here.
    pub(super) fn unknown_segment(&mut self, segment: SegmentId) {
        if self.evicted.contains(&segment) {
            tracing::debug!(segment = %segment.short(), "asked about a segment that was released");
            return;
        }
        tracing::warn!(segment = %segment.short(), "the hub has part of a segment that is not here");
        self.tell_gone(segment, 0..SEGMENT_RECORDS_MAX);
    }

    /// The hub has records beyond the end of a segment that nobody here continues: an instance
    /// that was not packed to its end, or what an older copy of this disk does not have.
    pub(super) fn look_for_lost(&mut self, have: &Have) {
        let id = have.segment;
        let Some(segment) = self.tables.segments.get(&id) else {
            return;
        };
        let study = self.tables.studies.get(&segment.study);
        let open = study.is_some_and(|s| s.open.iter().any(|open| open.segment == id));
        let whole = segment.whole;
        if segment.told_gone || open {
            return;
        }
        let Some(records) = have.records.runs() else {
            return;
        };
        if records.iter().any(|run| run.end > whole) {
            if let Some(segment) = self.tables.segments.get_mut(&id) {
                segment.told_gone = true;
            }
            self.tell_gone(id, whole..SEGMENT_RECORDS_MAX);
        }
    }

    /// An entry of a pack rotted: the instance that it is of can no longer be sent from here.
    pub(super) fn lost(&mut self, segment: SegmentId, kind: Kind, number: u64) {
        let records = self.source.records(segment);
        let record = match kind {
            Kind::Record => number,
            _ => records.partition_point(|r| r.chunks.end <= number) as u64,
        };
        let Some(owner) = self.tables.segments.get(&segment) else {
            return;
        };
        let instance = owner
            .instances
            .range(..=record)
            .next_back()
            .map(|(_, order)| *order);
        let Some(order) = instance else { return };
        let Some(found) = self.tables.instances.get_mut(&order) else {
            return;
        };
        let Place::Sealed(_, range) = found.place.clone() else {
            return;
        };
        tracing::error!(segment = %segment.short(), order, "part of a sealed instance rotted on the disk");
        found.place = Place::Lost("part of it rotted on the disk".to_owned());
        let study = found.accepted.study;
        let note = self.line(Event::Rotted).of(study).counting(1);
        self.note(&note.saying("in the spool"));
        self.tell_gone(segment, range);
    }

    fn tell_gone(&mut self, segment: SegmentId, records: std::ops::Range<u64>) {
        let set: RunSet = std::iter::once(records).collect();
        let gone = Gone {
            records: NamedRecords::of(segment, &set),
        };
        self.source.tell_gone(gone.sign(&self.shared.keys.identity));
    }
}

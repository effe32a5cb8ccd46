//! A sink after a restart: from what the store has.

use super::events::{EVICTED_NOTE, Evicted, LINK_NOTE, Link};
use super::{Segment, Sink, SinkError, SinkEvent};
use crate::id::SegmentId;
use crate::manifest::{RecordBytes, SegmentHead};
use crate::resume::{Stored, What};
use crate::seal::Signed;
use crate::units::Moment;
use crate::wire::decode;

impl Sink {
    /// Takes a stored head back in. Call it before the segment's records.
    ///
    /// # Errors
    /// [`SinkError`] when the head is not this clinic's for this hub, or its key is not here.
    pub fn restore_head(&mut self, bytes: &[u8]) -> Result<SegmentId, SinkError> {
        let refuse = self.refusal();
        let signed: Signed = decode(bytes).map_err(|e| refuse(e.into()))?;
        let head = SegmentHead::read(&signed).map_err(refuse)?;
        let names = head.names();
        if names.sender != self.clinic || names.receiver != self.me {
            return Err(SinkError::Foreign(self.clinic));
        }
        let key = head.key(&self.keys).map_err(refuse)?;
        self.segments.insert(names.segment, Segment::new(head, key));
        Ok(names.segment)
    }

    /// Takes a stored record back in; then its chunks, then links, each by its token.
    ///
    /// # Errors
    /// [`SinkError`] when it does not open: it is then not counted as held.
    pub fn restore_record(&mut self, stored: Stored, bytes: Vec<u8>) -> Result<(), SinkError> {
        let What::Record(number) = stored.what() else {
            return Ok(());
        };
        let id = stored.segment();
        let Some(segment) = self.segments.get_mut(&id) else {
            return Ok(());
        };
        let clinic = self.clinic;
        let refuse = |source| SinkError::Manifest { clinic, source };
        let record = RecordBytes::from_bytes(bytes).map_err(refuse)?;
        let body = record.open(&segment.key, number).map_err(refuse)?;
        segment.place(id, number, &body)?;
        segment.have.grow(stored);
        Ok(())
    }

    /// Takes stored chunks back in.
    pub fn restore_chunk(&mut self, stored: Stored) {
        if let Some(segment) = self.segments.get_mut(&stored.segment()) {
            segment.have.grow(stored);
        }
    }

    /// Takes a stored link back in.
    pub fn restore_link(&mut self, stored: Stored, bytes: &[u8]) {
        let What::Note(LINK_NOTE, note) = stored.what() else {
            return;
        };
        let (Some(segment), Ok(link)) = (
            self.segments.get_mut(&stored.segment()),
            decode::<Link>(bytes),
        ) else {
            return;
        };
        segment.notes = segment.notes.max(note + 1);
        if let Some(open) = segment.open.get_mut(&link.record) {
            open.linked.insert(link.part);
        }
        segment
            .have
            .grow_by_note(stored, link.first..link.first.saturating_add(link.count));
    }

    /// Takes the note back in by which a segment's chunks went after it was stored: they still
    /// need not come, and no other part is restored from them.
    pub fn restore_evicted(&mut self, stored: Stored, evicted: &Evicted) {
        let Some(segment) = self.segments.get_mut(&stored.segment()) else {
            return;
        };
        if matches!(stored.what(), What::Note(EVICTED_NOTE, _)) {
            segment.evicted = true;
            for (first, count) in &evicted.chunks {
                let end = first.saturating_add(*count);
                segment.have.grow_by_note(stored, *first..end);
            }
        }
    }

    /// A segment's chunks have gone, or are about to: no other part is restored from them.
    pub fn forget_parts(&mut self, id: SegmentId) {
        if let Some(segment) = self.segments.get_mut(&id) {
            segment.evicted = true;
        }
        self.tags.retain(|_, place| place.segment != id);
    }

    /// After all of a segment is back: closes what is complete, and tells of every whole
    /// instance, handed off before or not.
    pub fn restored(&mut self, now: Moment, id: SegmentId) {
        let open: Vec<u64> = self
            .segments
            .get(&id)
            .map(|s| s.open.keys().copied().collect())
            .unwrap_or_default();
        for number in open {
            self.settle(now, id, number);
        }
        self.dirty.remove(&id);
        self.tell_at = None;
    }

    /// Tells of a whole instance once more: its rebuild is to be tried again.
    pub fn retell(&mut self, event: SinkEvent) {
        self.events.push_back(event);
    }
}

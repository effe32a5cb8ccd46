//! What a sink says, and when.

use super::Sink;
use crate::id::{Epoch, SegmentId};
use crate::limits::{ASK_SEGMENTS_MAX, HAVE_INTERVAL};
use crate::manifest::{NamedRecords, Receipt};
use crate::seal::Signed;
use crate::units::Moment;
use crate::wire::Frame;

impl Sink {
    /// When [`Self::handle_timeout`] wants to be called: there is a have-set to say.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Moment> {
        self.tell_at
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.tell_at.is_none_or(|at| at > now) {
            return;
        }
        self.tell_at = None;
        for id in std::mem::take(&mut self.dirty) {
            if let Some(segment) = self.segments.get_mut(&id) {
                segment.said_at = Some(now);
            }
            self.say(id);
        }
    }

    /// A receipt that is durable here: sent now, and again whenever its segments are asked
    /// about.
    pub fn add_receipt(&mut self, receipt: &Receipt, signed: &Signed) {
        self.keep_receipt(receipt, signed);
        self.out.push_back(Frame::Receipt(signed.clone()));
    }

    /// The same after a restart: kept, not sent until asked for.
    pub fn keep_receipt(&mut self, receipt: &Receipt, signed: &Signed) {
        for named in &receipt.records {
            if let Some(segment) = self.segments.get_mut(&named.segment) {
                segment.receipts.retain(|(old, _)| !receipt.supersedes(old));
                segment.receipts.push((receipt.clone(), signed.clone()));
            }
        }
    }

    /// Nothing more is taken for `reason` until [`Self::set_free`].
    pub fn set_full(&mut self, reason: &str) {
        if self.full.is_none() {
            self.out.push_back(Frame::Busy(reason.to_owned()));
        }
        self.full = Some(reason.to_owned());
    }

    /// There is room again: the clinic, told so, asks what is here and goes on from there.
    pub fn set_free(&mut self) {
        if self.full.take().is_some() {
            self.forget_dropped();
            self.out.push_back(Frame::Busy(String::new()));
        }
    }

    /// Asks the clinic about the segments that are not whole here, so that it says what of them
    /// it no longer has.
    pub fn ask_for_open(&mut self) {
        let open: Vec<SegmentId> = self
            .segments
            .iter()
            .filter(|(_, s)| !s.open.is_empty() || s.ends_in_the_middle())
            .map(|(id, _)| *id)
            .collect();
        for batch in open.chunks(ASK_SEGMENTS_MAX) {
            self.out.push_back(Frame::Ask(batch.to_vec()));
        }
    }

    /// Asks for a record, and for what of its chunks is missing, on which another instance
    /// builds. The clinic sends it even if a receipt released it long ago.
    pub fn demand(&mut self, id: SegmentId, number: u64) {
        let Some(segment) = self.segments.get(&id).filter(|_| self.full.is_none()) else {
            return;
        };
        let one = number..number + 1;
        let mut records = segment.have.records().missing(&one);
        for run in segment.writing_records.within(&one).iter() {
            records.remove(run);
        }
        let open = segment.open.get(&number).map(super::OpenRecord::chunks);
        let chunks = open.map(|chunks| segment.have.chunks().missing(&chunks));
        let chunks = chunks.unwrap_or_default();
        if records.is_empty() && chunks.is_empty() {
            return;
        }
        self.out.push_back(Frame::Want {
            segment: id,
            records: NamedRecords::of(id, &records),
            chunks: NamedRecords::of(id, &chunks),
        });
    }

    /// How many bytes may still be announced, `None` for any: records of more are passed over,
    /// and the chunks of those before are still taken.
    pub const fn set_room(&mut self, room: Option<u64>) {
        self.room = room;
    }

    /// Whether something was announced for which there was no room, since this was last asked.
    pub const fn turned_away(&mut self) -> bool {
        let turned_away = self.turned_away;
        self.turned_away = false;
        turned_away
    }

    /// Why nothing is taken, while that is so.
    #[must_use]
    pub fn full(&self) -> Option<&str> {
        self.full.as_deref()
    }

    /// A chunk was found rotten: forgets it under a new epoch, and asks for it.
    pub fn lose_chunk(&mut self, epoch: Epoch, id: SegmentId, serial: u64) {
        self.epoch = epoch;
        if let Some(segment) = self.segments.get_mut(&id) {
            segment.have.lose_chunk(serial);
            segment.dropped_chunks.add(serial);
        }
        let ids: Vec<SegmentId> = self.segments.keys().copied().collect();
        for id in ids {
            self.say(id);
        }
        self.ask_for_dropped(id);
    }

    pub(super) fn answer(&mut self, id: SegmentId) {
        self.say(id);
        let receipts = self
            .segments
            .get(&id)
            .map(|s| s.receipts.iter().map(|(_, signed)| signed.clone()));
        let frames: Vec<Frame> = receipts.into_iter().flatten().map(Frame::Receipt).collect();
        self.out.extend(frames);
    }

    /// Says what is held of a segment; nothing at all of one that is not known.
    fn say(&mut self, id: SegmentId) {
        let mut have = self
            .segments
            .get(&id)
            .map(|s| s.have.clone())
            .unwrap_or_default();
        // A record counts as heard of only when it is decided which of its parts are needed.
        let open = self.segments.get(&id).into_iter().flat_map(|s| &s.open);
        for (number, _) in open.filter(|(_, record)| !record.links.is_empty()) {
            have.lose_record(*number);
        }
        let frames = have.say(self.epoch, id).into_iter().map(Frame::Have);
        self.out.extend(frames);
        self.dirty.remove(&id);
    }

    pub(super) fn say_soon(&mut self, now: Moment, id: SegmentId) {
        self.dirty.insert(id);
        let due = now.after(HAVE_INTERVAL);
        self.tell_at = Some(self.tell_at.map_or(due, |at| at.min(due)));
    }

    /// At once, but for what else comes of the same bytes, unless it was said a moment ago: then
    /// as while data flows.
    pub(super) fn say_now(&mut self, now: Moment, id: SegmentId) {
        self.dirty.insert(id);
        let said = self.segments.get(&id).and_then(|s| s.said_at);
        let soon = now.after(HAVE_INTERVAL / 20);
        let due = said.map_or(soon, |at| at.after(HAVE_INTERVAL).max(soon));
        self.tell_at = Some(self.tell_at.map_or(due, |at| at.min(due)));
    }

    /// Asks again for what could not be placed or kept when it came.
    pub(super) fn ask_for_dropped(&mut self, id: SegmentId) {
        let Some(segment) = self.segments.get_mut(&id).filter(|_| self.full.is_none()) else {
            return;
        };
        let placeable = segment
            .dropped_chunks
            .iter()
            .flatten()
            .filter(|serial| segment.expected(*serial).is_some())
            .map(|serial| serial..serial + 1)
            .collect();
        let records = std::mem::take(&mut segment.dropped_records);
        let chunks: crate::resume::RunSet = placeable;
        if records.is_empty() && chunks.is_empty() {
            return;
        }
        for run in chunks.iter() {
            segment.dropped_chunks.remove(run);
        }
        self.out.push_back(Frame::Want {
            segment: id,
            records: NamedRecords::of(id, &records),
            chunks: NamedRecords::of(id, &chunks),
        });
    }

    /// What the clinic has declared lost at source, for a test of completion.
    #[must_use]
    pub fn gone(&self, segment: SegmentId) -> Option<&crate::resume::RunSet> {
        self.segments.get(&segment).map(|s| &s.gone)
    }
}

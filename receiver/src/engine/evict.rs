//! Room on the disk: the chunks of studies that all targets have go when their time is over, or
//! earlier when the disk fills, the oldest first. Heads, records and receipts stay, so that the
//! hub knows what it had; a note beside them says that the chunks need not come again.

use std::collections::{BTreeMap, BTreeSet};

use karez_protocol::id::{PeerId, SegmentId};
use karez_protocol::limits::NAMED_RUNS_MAX;
use karez_protocol::resume::{Stored, What};
use karez_protocol::session::{EVICTED_NOTE, Evicted, Sink};
use karez_protocol::wire::{decode, encode};
use karez_store::Kind;
use tracing::{debug, info, warn};

use super::Engine;
use crate::limits::{EVICT_A_TURN, EVICT_CHECK, EVICT_SHARE, EVICT_SOON};
use crate::registry::{Place, Step};

/// A segment that may go: when its last instance was stored (by the wall), and whose it is.
type Candidate = (i64, SegmentId, PeerId);

impl Engine {
    /// Removes what may go and whose time is over, some of it at a time.
    pub(super) fn evict(&mut self) {
        let now = self.now();
        if self.evict_at > now {
            return;
        }
        if self.disk_refuses() {
            self.evict_at = now + EVICT_SOON;
            return;
        }
        let pressed = self.wants_room(self.free());
        let pause = if pressed { EVICT_SOON } else { EVICT_CHECK };
        self.evict_at = now + pause;
        let keep = self.settings.store.keep_stored.duration().as_secs();
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let wall = self.env.wall();
        let mut candidates = self.evictable();
        candidates.retain(|(stored, ..)| pressed || wall.saturating_sub(*stored) >= keep);
        candidates.sort_unstable();
        let more = candidates.len() > EVICT_A_TURN;
        for (_, segment, peer) in candidates.into_iter().take(EVICT_A_TURN) {
            if let Err(error) = self.evict_one(peer, segment) {
                return warn!(%error, "a stored study could not be removed for its room");
            }
            if pressed && !self.wants_room(self.free()) {
                return;
            }
        }
        if more {
            self.evict_at = now;
        }
    }

    /// Whether stored studies go before their time.
    pub(super) fn wants_room(&self, free: u64) -> bool {
        let total = self.store.space().map_or(0, |space| space.total);
        let below = self.settings.store.evict_below.0;
        free < below.min(total / EVICT_SHARE)
    }

    /// An instance builds on a segment whose chunks went: they are asked for again, as after rot.
    pub(super) fn recall(&mut self, segment: SegmentId) {
        info!(
            segment = segment.short(),
            "a removed study is wanted again by another"
        );
        let all_but_notes = |kind, _| kind != Kind::Note(EVICTED_NOTE);
        match self.store.rewrite_segment(segment, &all_but_notes) {
            Ok(()) => {
                self.evicted.remove(&segment);
                self.rotten.insert(segment);
            }
            Err(error) => self.disk_failed(&error),
        }
    }

    /// Takes a segment's eviction notes back in at a start.
    pub(super) fn restore_evicted(&mut self, segment: SegmentId, sink: &mut Sink) {
        for token in self.store.held(segment, Kind::Note(EVICTED_NOTE)) {
            if let Some(evicted) = self.evicted_note(token) {
                sink.restore_evicted(token, &evicted);
                if !self.is_here(segment, &evicted) {
                    *self.evicted.entry(segment).or_default() += evicted.bytes;
                }
            }
        }
    }

    fn evicted_note(&mut self, token: Stored) -> Option<Evicted> {
        let What::Note(tag, number) = token.what() else {
            return None;
        };
        let note = self.store.read(token.segment(), Kind::Note(tag), number);
        decode(&note.ok()?).ok()
    }

    /// Whether the power went between an eviction note and the eviction.
    fn is_here(&self, segment: SegmentId, evicted: &Evicted) -> bool {
        let runs = self.store.chunks(segment);
        let runs = runs.into_iter().map(|run| (run.start, run.end - run.start));
        !evicted.chunks.is_empty() && runs.eq(evicted.chunks.iter().copied())
    }

    /// Segments of which every instance is at all targets, that say so by receipts already, and
    /// that no instance under way builds on.
    fn evictable(&self) -> Vec<Candidate> {
        let pinned = self.pinned();
        let mut found = Vec::new();
        for (peer, clinic) in &self.clinics {
            let mut stored: BTreeMap<SegmentId, Option<i64>> = BTreeMap::new();
            for (place, instance) in &clinic.instances {
                let done = instance.stored && !instance.busy;
                let done = done || instance.discarded.is_some();
                let newest = stored.entry(place.segment).or_insert(Some(i64::MIN));
                let at = done.then(|| self.stored_at(*peer, *place));
                *newest = newest.zip(at).map(|(newest, at)| newest.max(at));
            }
            for (segment, at) in stored {
                let unsaid = clinic.fresh.keys().any(|(fresh, _)| *fresh == segment);
                let fit = (1..=NAMED_RUNS_MAX).contains(&self.store.chunks(segment).len());
                let whole = clinic.sink.is_settled(segment);
                if let Some(at) = at.filter(|_| fit && whole && !unsaid)
                    && !pinned.contains(&segment)
                {
                    found.push((at, segment, *peer));
                }
            }
        }
        found
    }

    /// When an instance was stored at the last of its targets, by the wall.
    fn stored_at(&self, peer: PeerId, place: Place) -> i64 {
        let steps = self.registry.ledger.get(&(peer, place));
        let steps = steps.into_iter().flat_map(BTreeMap::values);
        let stored = steps.filter(|step| !matches!(step.step, Step::Sending));
        stored.map(|step| step.wall).max().unwrap_or(i64::MIN)
    }

    /// Segments whose parts an instance that is not stored yet is rebuilt from.
    fn pinned(&self) -> BTreeSet<SegmentId> {
        let mut pinned = BTreeSet::new();
        for clinic in self.clinics.values() {
            let open = clinic.instances.iter().filter(|(_, i)| i.wants_work());
            let open = open.map(|(place, _)| place.segment);
            let announced = clinic.sink.segments().map(|(segment, _)| segment);
            let announced = announced.filter(|segment| !clinic.sink.is_settled(*segment));
            let mut next: Vec<SegmentId> = open.chain(announced).collect();
            while let Some(segment) = next.pop() {
                let links = clinic.links.range((segment, 0)..=(segment, u64::MAX));
                for link in links.flat_map(|(_, links)| links) {
                    if pinned.insert(link.is.segment) {
                        next.push(link.is.segment);
                    }
                }
            }
        }
        pinned
    }

    /// Says durably that a segment's chunks need not come again, then removes them.
    fn evict_one(&mut self, peer: PeerId, segment: SegmentId) -> Result<(), karez_store::Error> {
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return Ok(());
        };
        clinic.sink.forget_parts(segment);
        let bytes = self.store.held_bytes(segment, Kind::Chunk);
        let notes = self.store.held(segment, Kind::Note(EVICTED_NOTE));
        let number = notes.count() as u64;
        let last = self.store.held(segment, Kind::Note(EVICTED_NOTE)).last();
        let said = last.and_then(|last| self.evicted_note(last));
        let unsaid = said.is_none_or(|said| !self.is_here(segment, &said));
        #[cfg(feature = "mutants")]
        let unsaid =
            unsaid && !karez_store::mutant::is_on(karez_store::mutant::Mutant::EvictForgets);
        if unsaid {
            let runs = self.store.chunks(segment).into_iter();
            let chunks = runs.map(|run| (run.start, run.end - run.start)).collect();
            let body = encode(&Evicted { chunks, bytes });
            self.store
                .append(segment, Kind::Note(EVICTED_NOTE), number, &body)?;
            self.commit()?;
        }
        let records = self.store.records(segment);
        self.store
            .rewrite_segment(segment, &|kind, _| kind != Kind::Chunk)?;
        *self.evicted.entry(segment).or_default() += bytes;
        if self.store.records(segment) != records {
            self.rotten.insert(segment);
        }
        debug!(segment = segment.short(), bytes, "a stored study went");
        Ok(())
    }
}

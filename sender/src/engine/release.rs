//! Room on the disk: what receipts have released goes when its room is wanted, the oldest first.

use karez_host::audit::Event;
use karez_protocol::id::SegmentId;
use karez_protocol::units::Moment;

use super::Engine;
use super::entry::{Entry, INGEST, STUDIES, TAGS};
use crate::limits::{EVICT_PER_TURN, JOURNAL_SLACK, TAGS as TAGS_MAX, TAGS_PER_ENTRY};

impl Engine {
    /// What is done now and then.
    pub(super) fn tick(&mut self) {
        self.write_costs();
        self.write_link();
        self.note_accepted();
        self.evict();
        self.review_commitments();
        self.shorten_journals();
        self.sync();
        if self.source.poll_timeout().is_none()
            && let Err(error) = self.store.save_index()
        {
            tracing::debug!(%error, "an index could not be saved; the next start reads the packs");
        }
    }

    /// Whether the disk has become so full that age no longer counts.
    fn pressed(&self) -> Option<bool> {
        let free = self.store.space().ok()?.free;
        let spool = &self.shared.settings.spool;
        let full = self.trouble.as_ref().is_some_and(|t| t.full);
        if free < spool.keep_free.0 || full {
            return Some(true);
        }
        (free < spool.evict_below.0).then_some(false)
    }

    /// Removes released segments while room is wanted.
    pub(super) fn evict(&mut self) {
        for _ in 0..EVICT_PER_TURN {
            let Some(pressed) = self.pressed() else {
                return;
            };
            let Some(segment) = self.oldest_released(pressed) else {
                return;
            };
            if !self.evict_one(segment) {
                return;
            }
        }
        self.ticked = Moment::default();
    }

    fn oldest_released(&self, pressed: bool) -> Option<SegmentId> {
        let keep = self
            .shared
            .settings
            .spool
            .keep_released
            .duration()
            .as_secs();
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let wall = self.shared.env.wall();
        let open: Vec<SegmentId> = self
            .tables
            .studies
            .values()
            .flat_map(|s| s.open.iter().map(|open| open.segment))
            .collect();
        let segments = self.tables.segments.iter();
        let goes = |id: &SegmentId| self.source.released(*id);
        #[cfg(feature = "mutants")]
        let goes = |id: &SegmentId| {
            goes(id) || karez_store::mutant::is_on(karez_store::mutant::Mutant::UnreleasedEvicted)
        };
        let released = segments.filter(|(id, _)| goes(id) && !open.contains(id));
        let oldest = released.filter_map(|(id, segment)| {
            let newest = segment.instances.values().max()?;
            let at = self.tables.instances.get(newest)?.accepted.at;
            (pressed || wall.saturating_sub(at) >= keep).then_some((*newest, *id))
        });
        oldest.min().map(|(_, id)| id)
    }

    /// Removes a segment; whether that succeeded.
    fn evict_one(&mut self, segment: SegmentId) -> bool {
        let orders = self.tables.segments.get(&segment);
        let orders: Vec<u64> = orders
            .map(|s| s.instances.values().copied().collect())
            .unwrap_or_default();
        let study = self.tables.segments.get(&segment).map(|s| s.study);
        let mut note = self.line(Event::Evicted).counting(orders.len() as u64);
        note.study = study;
        self.note(&note);
        let remembered = self.remember(&orders);
        let entry = Entry::Evicted(orders).to_bytes();
        let journaled = remembered && self.journal(INGEST, &entry).is_ok() && self.sync();
        let full = self.trouble.as_ref().is_some_and(|t| t.full);
        if !journaled && !full {
            return false;
        }
        if let Err(error) = self.store.remove_segment(segment) {
            self.troubled(&error);
            return false;
        }
        if !journaled {
            // Not even the entry had room; now it has. Should the power go first, its images are
            // shown as lost here, although the hub has them.
            let _ = self.journal(INGEST, &entry).is_ok() && self.sync();
        }
        tracing::info!(segment = %segment.short(), "a released segment was removed for its room");
        self.link.earlier.payload += self.payload_of(segment);
        self.tables.remove_segment(segment);
        self.source.close_segment(segment);
        self.evicted.insert(segment);
        true
    }

    /// Writes journals anew that have become much longer than what they say.
    fn shorten_journals(&mut self) {
        let entries = |this: &Self, name| this.journal_entries.get(name).copied().unwrap_or(0);
        if entries(self, INGEST) > 2 * self.tables.instances.len() + JOURNAL_SLACK {
            let live = self.tables.instances.values();
            let live: Vec<Vec<u8>> = live
                .map(|i| Entry::Accepted(i.accepted.clone()).to_bytes())
                .collect();
            self.rewrite(INGEST, live);
        }
        if entries(self, STUDIES) > 2 * self.tables.studies.len() + JOURNAL_SLACK {
            let live = self.tables.studies.iter();
            let live: Vec<Vec<u8>> = live.map(|(id, s)| s.facts.to_bytes(*id)).collect();
            self.rewrite(STUDIES, live);
        }
        if entries(self, TAGS) > 4 * TAGS_MAX {
            let all = self.tags.all();
            let live = all.chunks(TAGS_PER_ENTRY);
            let live = live
                .map(|tags| tags.iter().flat_map(|t| t.0).collect())
                .collect();
            self.rewrite(TAGS, live);
            self.journal_entries.insert(TAGS, all.len());
        }
        self.shorten_commitments();
    }

    pub(super) fn rewrite(&mut self, name: &'static str, entries: Vec<Vec<u8>>) {
        let count = entries.len();
        match self.store.journal_rewrite(name, entries) {
            Ok(_) => drop(self.journal_entries.insert(name, count)),
            Err(error) => self.troubled(&error),
        }
    }
}

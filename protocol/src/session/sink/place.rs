//! Where records and chunks belong, and what becomes complete by them.

use std::ops::Range;

use super::events::{LINK_NOTE, Link, PartPlace};
use super::{OpenRecord, Segment, Sink, SinkError, SinkEvent};
use crate::id::{ChunkId, SegmentId};
use crate::limits::{OPEN_RECORDS_MAX, SEGMENT_CHUNKS_MAX};
use crate::manifest::RecordBody;
use crate::resume::{Stored, What};
use crate::units::Moment;
use crate::wire::encode;

impl Sink {
    /// A sync has made this durable: now, and only now, it counts.
    pub fn stored(&mut self, now: Moment, stored: Stored) {
        let id = stored.segment();
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        segment.have.grow(stored);
        match stored.what() {
            What::Head => {}
            What::Record(number) => {
                segment.writing_records.remove(number..number + 1);
                self.settle(now, id, number);
                self.ask_for_dropped(id);
            }
            What::Chunk(serial) => {
                segment.writing_chunks.remove(serial..serial + 1);
                if let Some((number, _)) = segment.record_of(serial) {
                    self.settle(now, id, number);
                }
            }
            What::Note(LINK_NOTE, note) => self.link_stored(now, id, note, stored),
            What::Note(..) => {}
        }
        self.say_soon(now, id);
    }

    /// The store could not take this (a full disk): it will be asked for again.
    pub fn not_stored(&mut self, segment: SegmentId, what: What) {
        #[cfg(feature = "mutants")]
        if crate::mutant::is_on(crate::mutant::Mutant::NotStoredKept) {
            return;
        }
        let Some(owner) = self.segments.get_mut(&segment) else {
            return;
        };
        match what {
            What::Record(number) => {
                owner.writing_records.remove(number..number + 1);
                owner.displace(number);
                owner.drop_record(number);
            }
            What::Chunk(serial) => {
                owner.writing_chunks.remove(serial..serial + 1);
                owner.drop_chunk(serial);
            }
            What::Note(_, note) => {
                for open in owner.open.values_mut() {
                    open.links.remove(&note);
                }
            }
            What::Head => drop(self.segments.remove(&segment)),
        }
    }

    /// Which parts of a new record need not be sent, since their raw bytes are here.
    pub(super) fn find_links(
        &mut self,
        id: SegmentId,
        number: u64,
        body: &RecordBody,
    ) -> Vec<Link> {
        let mut links = Vec::new();
        for (index, (part, serials)) in body.parts_with_serials().enumerate() {
            let Some(is) = self
                .place_of(&part.tag)
                .filter(|_| part.tag.is_offered() && !serials.is_empty())
            else {
                continue;
            };
            if is.segment == id && is.record >= number {
                continue;
            }
            let (first, count) = (serials.start, serials.end - serials.start);
            links.push(Link {
                record: number,
                part: index as u32,
                first,
                count,
                is,
            });
        }
        links
    }

    pub(super) fn persist_link(&mut self, id: SegmentId, link: &Link) {
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        let note = segment.notes;
        segment.notes += 1;
        if let Some(open) = segment.open.get_mut(&link.record) {
            open.linked.insert(link.part);
            open.links.insert(note, link.first..link.first + link.count);
        }
        self.persist(id, What::Note(LINK_NOTE, note), encode(link));
    }

    fn link_stored(&mut self, now: Moment, id: SegmentId, note: u64, stored: Stored) {
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        let linked = segment
            .open
            .iter_mut()
            .find_map(|(number, open)| open.links.remove(&note).map(|chunks| (*number, chunks)));
        if let Some((number, chunks)) = linked {
            segment.have.grow_by_note(stored, chunks);
            self.settle(now, id, number);
        }
    }

    /// If record `number` is here with all its chunks, closes it and tells of the instance that
    /// may have become whole by it.
    pub(super) fn settle(&mut self, now: Moment, id: SegmentId, number: u64) {
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        let Some(open) = segment.open.get(&number) else {
            return;
        };
        let here = segment.have.records().contains(number)
            && open.links.is_empty()
            && segment.have.chunks().covers(&open.chunks());
        if !here {
            return;
        }
        let offers = !segment.evicted;
        if let Some(open) = segment.open.remove(&number).filter(|_| offers) {
            let own = |(_, part): &(_, u32)| !open.linked.contains(part);
            for (tag, part) in open.tags.into_iter().filter(own) {
                let place = PartPlace {
                    segment: id,
                    record: number,
                    part,
                };
                self.tags.entry(tag).or_insert(place);
                #[cfg(feature = "mutants")]
                crate::mutant::part_is(tag, place);
            }
        }
        segment.complete.add(number);
        let study = segment.head.study();
        if let Some(range) = segment.whole_instance(number)
            && segment.told.insert(range.start)
        {
            let (first, end) = (range.start, range.end);
            self.events.push_back(SinkEvent::Instance {
                study,
                segment: id,
                first,
                end,
            });
            self.say_now(now, id);
        }
    }
}

impl Segment {
    /// Gives a record its place among the others, and remembers the chunks it lists.
    pub(super) fn place(
        &mut self,
        id: SegmentId,
        number: u64,
        body: &RecordBody,
    ) -> Result<(), SinkError> {
        let chunks = body.chunks();
        let clash = self.bounds.contains_key(&number)
            || self
                .places
                .range(..chunks.end)
                .next_back()
                .is_some_and(|(_, (_, other))| {
                    !chunks.is_empty() && other.end > chunks.start && !other.is_empty()
                });
        if clash {
            return Err(SinkError::Contradiction {
                segment: id,
                number,
            });
        }
        if !chunks.is_empty() {
            self.places.insert(chunks.start, (number, chunks));
        }
        self.bounds
            .insert(number, (body.start.is_some(), body.last));
        let ids = body
            .parts
            .iter()
            .flat_map(|p| p.chunks.iter().copied())
            .collect();
        let tags = body
            .parts
            .iter()
            .enumerate()
            .map(|(i, p)| (p.tag.name(), i as u32))
            .collect();
        let open = OpenRecord {
            first_chunk: body.first_chunk,
            ids,
            links: std::collections::BTreeMap::new(),
            tags,
            linked: std::collections::BTreeSet::new(),
        };
        self.open.insert(number, open);
        Ok(())
    }

    /// Remembers that a chunk must be asked for; beyond a bound of scattered ones, the next
    /// connection settles it.
    pub(super) fn drop_chunk(&mut self, serial: u64) {
        if serial < SEGMENT_CHUNKS_MAX && self.dropped_chunks.run_count() < OPEN_RECORDS_MAX {
            self.dropped_chunks.add(serial);
        }
    }

    /// The same for a record.
    pub(super) fn drop_record(&mut self, number: u64) {
        if self.dropped_records.run_count() < OPEN_RECORDS_MAX {
            self.dropped_records.add(number);
        }
    }

    /// Takes back the place of a record that could not be stored.
    fn displace(&mut self, number: u64) {
        self.bounds.remove(&number);
        if let Some(open) = self.open.remove(&number) {
            self.places.remove(&open.first_chunk);
        }
    }

    /// The id that the chunk of this serial must have, if its record is known and open.
    pub(super) fn expected(&self, serial: u64) -> Option<ChunkId> {
        let (number, chunks) = self.record_of(serial)?;
        let open = self.open.get(&number)?;
        open.ids
            .get(usize::try_from(serial - chunks.start).ok()?)
            .copied()
    }

    pub(super) fn record_of(&self, serial: u64) -> Option<(u64, Range<u64>)> {
        let (_, (number, chunks)) = self.places.range(..=serial).next_back()?;
        chunks.contains(&serial).then(|| (*number, chunks.clone()))
    }

    /// The records of the instance around `number`, if every one of them is complete.
    fn whole_instance(&self, number: u64) -> Option<Range<u64>> {
        let starts = |n: u64| self.bounds.get(&n).is_some_and(|(start, _)| *start);
        let ends = |n: u64| self.bounds.get(&n).is_some_and(|(_, last)| *last);
        let run = self.complete.iter().find(|run| run.contains(&number))?;
        let first = (run.start..=number).rev().find(|n| starts(*n))?;
        let last = (number..run.end).find(|n| ends(*n))?;
        // Another instance's start between them would mean that `number` belongs to neither.
        ((first + 1)..=last)
            .all(|n| !starts(n))
            .then_some(first..last + 1)
    }
}

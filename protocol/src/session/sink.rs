//! The receiving state machine of one direction: what one clinic has delivered here.
//!
//! It asks for storage, is told what a sync has made durable, and says no more than that (I1).

mod events;
mod place;
mod restore;
mod take;
mod tell;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::id::{ChunkId, Epoch, PartTag, PeerId, SegmentId, StudyId};
use crate::manifest::{Receipt, SegmentHead};
use crate::priority::Class;
use crate::resume::{HaveSet, RunSet};
use crate::seal::{HubKeys, SegmentKey, Signed};
use crate::units::Moment;
use crate::wire::Frame;

pub use events::{EVICTED_NOTE, Evicted, LINK_NOTE, Link, PartPlace, SinkError, SinkEvent};

/// What one receiver has of one clinic's studies.
pub struct Sink {
    me: PeerId,
    clinic: PeerId,
    keys: Arc<HubKeys>,
    epoch: Epoch,
    segments: BTreeMap<SegmentId, Segment>,
    /// Which part at this hub has these raw bytes; within this clinic's studies only.
    tags: BTreeMap<PartTag, PartPlace>,
    classes: BTreeMap<StudyId, (u64, Class)>,
    out: VecDeque<Frame>,
    events: VecDeque<SinkEvent>,
    /// Segments about which there is something to say, and when.
    dirty: BTreeSet<SegmentId>,
    tell_at: Option<Moment>,
    /// Why nothing more is taken, while that is so.
    full: Option<String>,
    /// Bytes that may still be announced; `None` for any.
    room: Option<u64>,
    /// Something was announced for which there was no room.
    turned_away: bool,
}

struct Segment {
    head: SegmentHead,
    key: SegmentKey,
    have: HaveSet,
    /// Handed to the store, not yet durable.
    writing_records: RunSet,
    writing_chunks: RunSet,
    /// Stored records whose chunks are not all here.
    open: BTreeMap<u64, OpenRecord>,
    /// First chunk -> record and its chunks, for every record known.
    places: BTreeMap<u64, (u64, Range<u64>)>,
    /// Records by what they say of instances: does one start here, does one end here.
    bounds: BTreeMap<u64, (bool, bool)>,
    /// Records that are here with all their chunks.
    complete: RunSet,
    /// Instances already told of, by first record.
    told: BTreeSet<u64>,
    /// Chunks that came before their record, or while the disk was full: to be asked for.
    dropped_chunks: RunSet,
    dropped_records: RunSet,
    /// Those that no later one supersedes.
    receipts: Vec<(Receipt, Signed)>,
    gone: RunSet,
    notes: u64,
    /// Its chunks went when it was stored: what they were is no longer here to be repeated.
    evicted: bool,
    /// When it was last said, of the sink's own accord, what is held.
    said_at: Option<Moment>,
}

struct OpenRecord {
    first_chunk: u64,
    ids: Vec<ChunkId>,
    /// Links whose notes are not yet durable: their chunks.
    links: BTreeMap<u64, Range<u64>>,
    /// Tags of its parts with their place, to be learned when it is complete.
    tags: Vec<(PartTag, u32)>,
    /// Parts whose raw bytes are elsewhere.
    linked: BTreeSet<u32>,
}

impl Sink {
    /// A sink at `me` for one clinic, with the memory of `epoch`.
    #[must_use]
    pub const fn new(me: PeerId, clinic: PeerId, keys: Arc<HubKeys>, epoch: Epoch) -> Self {
        Self {
            me,
            clinic,
            keys,
            epoch,
            segments: BTreeMap::new(),
            tags: BTreeMap::new(),
            classes: BTreeMap::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            dirty: BTreeSet::new(),
            tell_at: None,
            full: None,
            room: None,
            turned_away: false,
        }
    }

    /// What has happened since it was last asked: things to store above all.
    pub fn poll_event(&mut self) -> Option<SinkEvent> {
        self.events.pop_front()
    }

    /// The next frame for the clinic.
    pub fn poll_transmit(&mut self) -> Option<Frame> {
        self.out.pop_front()
    }

    /// The connection to the clinic is gone: what was to be said will be asked for again.
    pub fn disconnected(&mut self) {
        self.out.clear();
        self.dirty.clear();
        self.tell_at = None;
        self.forget_dropped();
    }

    fn forget_dropped(&mut self) {
        for segment in self.segments.values_mut() {
            segment.dropped_chunks = RunSet::new();
            segment.dropped_records = RunSet::new();
        }
    }

    /// The segments known, in order of id.
    pub fn segments(&self) -> impl Iterator<Item = (SegmentId, StudyId)> + '_ {
        self.segments.iter().map(|(id, s)| (*id, s.head.study()))
    }

    /// The key of a segment, for rebuilding.
    #[must_use]
    pub fn key(&self, segment: SegmentId) -> Option<&SegmentKey> {
        self.segments.get(&segment).map(|s| &s.key)
    }

    /// What is held of a segment.
    #[must_use]
    pub fn have(&self, segment: SegmentId) -> Option<&HaveSet> {
        self.segments.get(&segment).map(|s| &s.have)
    }

    /// Chunks of a segment that its records list and that are not here.
    #[must_use]
    pub fn missing_chunks(&self, segment: SegmentId) -> u64 {
        let open = self.segments.get(&segment).map(|s| (&s.open, &s.have));
        open.map_or(0, |(open, have)| {
            open.values()
                .map(|r| have.chunks().missing(&r.chunks()).count())
                .sum()
        })
    }

    /// How many instances of a segment have been announced, and how many of them are here whole.
    #[must_use]
    pub fn instances(&self, segment: SegmentId) -> (u64, u64) {
        self.segments.get(&segment).map_or((0, 0), |s| {
            let starts = s.bounds.values().filter(|(start, _)| *start).count();
            (starts as u64, s.told.len() as u64)
        })
    }

    /// The first records of instances that were announced, are not whole here and, by the
    /// clinic's signed word, will not come.
    #[must_use]
    pub fn lost_at_source(&self, segment: SegmentId) -> Vec<u64> {
        let Some(segment) = self.segments.get(&segment) else {
            return Vec::new();
        };
        let starts = segment.bounds.iter().filter(|(_, (start, _))| *start);
        let lost = |n: &u64| segment.gone.contains(*n) && !segment.told.contains(n);
        starts.map(|(n, _)| *n).filter(lost).collect()
    }

    /// Whether the chunks of a segment went after it was stored.
    #[must_use]
    pub fn is_evicted(&self, segment: SegmentId) -> bool {
        self.segments.get(&segment).is_some_and(|s| s.evicted)
    }

    /// Whether a chunk was here and went.
    #[must_use]
    pub fn went(&self, segment: SegmentId, serial: u64) -> bool {
        self.segments
            .get(&segment)
            .is_some_and(|s| s.evicted && s.have.chunks().contains(serial))
    }

    /// Whether all that is announced of a segment is here or, by the clinic's word, lost at
    /// source, and nothing is on its way to the disk.
    #[must_use]
    pub fn is_settled(&self, segment: SegmentId) -> bool {
        self.segments.get(&segment).is_some_and(|s| {
            let writing = !s.writing_records.is_empty() || !s.writing_chunks.is_empty();
            let last = s.bounds.last_key_value();
            let waits = last.is_some_and(|(n, (_, last))| !last && !s.gone.contains(*n));
            !writing && !waits && s.open.keys().all(|n| s.gone.contains(*n))
        })
    }

    /// How urgent the clinic says a study is.
    #[must_use]
    pub fn class(&self, study: StudyId) -> Option<Class> {
        self.classes.get(&study).map(|(_, class)| *class)
    }

    /// Where the raw bytes of a tagged part can be had.
    #[must_use]
    pub fn place_of(&self, tag: &PartTag) -> Option<PartPlace> {
        let place = self.tags.get(&tag.name()).copied();
        #[cfg(feature = "mutants")]
        let place = place.or_else(|| crate::mutant::part_anywhere(&tag.name()));
        place
    }

    /// The epoch in force.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl OpenRecord {
    fn chunks(&self) -> Range<u64> {
        self.first_chunk..self.first_chunk + self.ids.len() as u64
    }
}

impl Segment {
    /// Whether its last record says that its instance goes on.
    fn ends_in_the_middle(&self) -> bool {
        self.bounds
            .last_key_value()
            .is_some_and(|(_, (_, last))| !last)
    }

    fn new(head: SegmentHead, key: SegmentKey) -> Self {
        Self {
            head,
            key,
            have: HaveSet::default(),
            writing_records: RunSet::new(),
            writing_chunks: RunSet::new(),
            open: BTreeMap::new(),
            places: BTreeMap::new(),
            bounds: BTreeMap::new(),
            complete: RunSet::new(),
            told: BTreeSet::new(),
            dropped_chunks: RunSet::new(),
            dropped_records: RunSet::new(),
            receipts: Vec::new(),
            gone: RunSet::new(),
            notes: 0,
            evicted: false,
            said_at: None,
        }
    }
}

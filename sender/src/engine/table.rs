//! What the engine knows of instances, studies and segments. All of it can be rebuilt from the
//! store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use karez_protocol::id::{SegmentId, StudyId};
use karez_protocol::units::Moment;

use super::entry::{Accepted, StudyFacts};
use crate::limits::GROUP;
use crate::outbox::{Run, Sealer};

/// Everything accepted and not yet evicted.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) instances: BTreeMap<u64, Instance>,
    pub(super) studies: BTreeMap<StudyId, Study>,
    pub(super) segments: BTreeMap<SegmentId, Segment>,
    /// The order of the next instance.
    pub(super) next_order: u64,
}

/// One accepted instance.
pub(super) struct Instance {
    pub(super) accepted: Accepted,
    pub(super) place: Place,
    /// Packing jobs that were lost.
    pub(super) tries: u32,
}

/// Where an instance's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In its ingest file.
    Waiting,
    /// In its ingest file, and on its way into a segment.
    Packing,
    /// In the records and chunks of a segment.
    Sealed(SegmentId, Range<u64>),
    /// Nowhere: the disk lost it. Why.
    Lost(String),
}

/// A study with anything here.
#[derive(Default)]
pub(super) struct Study {
    pub(super) facts: StudyFacts,
    pub(super) instances: BTreeSet<u64>,
    /// Those of them that wait to be packed.
    pub(super) waiting: BTreeSet<u64>,
    /// In the order of their opening, as far as that is known.
    pub(super) segments: Vec<SegmentId>,
    /// One, and others beside it while there is more to pack than one core does.
    pub(super) open: Vec<Open>,
    /// When it last grew.
    pub(super) touched: Moment,
    /// A revision was signed since it last grew.
    pub(super) revised: bool,
    /// Why the hub parked instances of it.
    pub(super) parked: Option<String>,
}

/// A study's segment whose key this process holds.
pub(super) struct Open {
    pub(super) segment: SegmentId,
    /// With a job while that runs.
    pub(super) sealer: Option<Box<Sealer>>,
    /// An instance between two steps, with its order.
    pub(super) run: Option<(u64, Box<Run>)>,
    /// The next instances of its group, which wait for it.
    pub(super) group: VecDeque<u64>,
    /// A step is with a job, or its output not yet durable.
    pub(super) busy: bool,
    pub(super) used: Moment,
}

/// A segment of ours.
pub(super) struct Segment {
    pub(super) study: StudyId,
    /// The first record of each whole instance, and its order.
    pub(super) instances: BTreeMap<u64, u64>,
    /// Records up to the end of the last whole instance.
    pub(super) whole: u64,
    /// The hub was told what of it is lost here.
    pub(super) told_gone: bool,
}

impl Tables {
    /// Enters an instance that waits to be packed.
    pub(super) fn enter(&mut self, accepted: Accepted, place: Place, now: Moment) {
        let (order, id) = (accepted.order, accepted.study);
        self.next_order = self.next_order.max(order + 1);
        let study = self.studies.entry(id).or_default();
        study.instances.insert(order);
        if place == Place::Waiting {
            study.waiting.insert(order);
            study.touched = now;
            study.revised = false;
        }
        let instance = Instance {
            accepted,
            place,
            tries: 0,
        };
        self.instances.insert(order, instance);
    }

    /// Changes where an instance is.
    pub(super) fn put(&mut self, order: u64, place: Place) {
        let Some(instance) = self.instances.get_mut(&order) else {
            return;
        };
        if let Some(study) = self.studies.get_mut(&instance.accepted.study) {
            match place {
                Place::Waiting => drop(study.waiting.insert(order)),
                _ => drop(study.waiting.remove(&order)),
            }
        }
        if let Place::Sealed(segment, records) = &place {
            instance.accepted.secret = Vec::new();
            if let Some(owner) = self.segments.get_mut(segment) {
                owner.instances.insert(records.start, order);
                owner.whole = owner.whole.max(records.end);
            }
        }
        instance.place = place;
    }

    /// An open segment of a study.
    pub(super) fn open_mut(&mut self, id: StudyId, segment: SegmentId) -> Option<&mut Open> {
        let open = &mut self.studies.get_mut(&id)?.open;
        open.iter_mut().find(|open| open.segment == segment)
    }

    /// What lies in ingest files.
    pub(super) fn unsealed(&self) -> impl Iterator<Item = &Accepted> {
        let waiting = self.studies.values().flat_map(|s| &s.instances);
        let instances = waiting.filter_map(|order| self.instances.get(order));
        instances
            .filter(|i| matches!(i.place, Place::Waiting | Place::Packing))
            .map(|i| &i.accepted)
    }

    /// Forgets a segment with its instances; their orders.
    pub(super) fn remove_segment(&mut self, id: SegmentId) -> Vec<u64> {
        let Some(segment) = self.segments.remove(&id) else {
            return Vec::new();
        };
        let orders: Vec<u64> = segment.instances.into_values().collect();
        for order in &orders {
            self.instances.remove(order);
        }
        if let Some(study) = self.studies.get_mut(&segment.study) {
            study.segments.retain(|s| *s != id);
            study.instances.retain(|order| !orders.contains(order));
            if study.instances.is_empty() && study.segments.is_empty() && study.open.is_empty() {
                self.studies.remove(&segment.study);
            }
        }
        orders
    }

    /// The study that people mean by this text: the beginning of its name, if only one begins so.
    pub(super) fn find(&self, text: &str) -> Result<StudyId, &'static str> {
        let text = text.to_ascii_lowercase();
        let mut found = self
            .studies
            .keys()
            .filter(|id| text.len() >= 4 && id.to_string().starts_with(&text));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(*id),
            (Some(_), Some(_)) => Err("several studies begin so"),
            _ => Err("there is no such study here"),
        }
    }
}

impl Study {
    /// The instance to be packed next, and the open segment that goes on with it; none: another
    /// one is to be opened.
    pub(super) fn next_to_pack(&self, packers: usize) -> Option<(u64, Option<SegmentId>)> {
        let idle = (0..).zip(&self.open).filter(|(_, open)| !open.busy);
        let next = idle.filter_map(|(index, open)| {
            let begun = open.run.as_ref().map(|(order, _)| *order);
            let own = || {
                open.group
                    .iter()
                    .find(|o| self.waiting.contains(o))
                    .copied()
            };
            let order = begun.or_else(own).or_else(|| self.next_group(index))?;
            Some((order, Some(open.segment)))
        });
        let another = || Some((self.next_group(self.open.len())?, None));
        let room = self.open.len() < packers;
        next.min().or_else(|| another().filter(|_| room))
    }

    /// The first instance of the next group, if it is worth a segment beside `others`: what one
    /// core will soon have packed gains more from being packed by it.
    fn next_group(&self, others: usize) -> Option<u64> {
        let enough = if others == 0 { 0 } else { GROUP };
        self.free().nth(enough).and(self.free().next())
    }

    /// Those that wait and are in no group.
    fn free(&self) -> impl Iterator<Item = u64> + '_ {
        let taken = |order: &u64| self.open.iter().any(|open| open.group.contains(order));
        self.waiting
            .iter()
            .copied()
            .filter(move |order| !taken(order))
    }

    /// The next instance of a segment's group, of a new group if that is empty.
    pub(super) fn take_next(&mut self, segment: SegmentId) -> Option<u64> {
        let index = self.open.iter().position(|open| open.segment == segment)?;
        let waiting = &self.waiting;
        self.open[index]
            .group
            .retain(|order| waiting.contains(order));
        if self.open[index].group.is_empty() {
            let first = self.next_group(index)?;
            let group = self.free().skip_while(|order| *order < first).take(GROUP);
            let group = group.collect();
            self.open[index].group = group;
        }
        self.open[index].group.pop_front()
    }
}

impl Segment {
    pub(super) const fn new(study: StudyId) -> Self {
        Self {
            study,
            instances: BTreeMap::new(),
            whole: 0,
            told_gone: false,
        }
    }
}

//! The order of hand-off: by class; within STAT the newest study first, else the oldest; a
//! study's instances as they came. What needs nothing but a target that rests waits aside.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use karez_protocol::id::{Fingerprint, PeerId, SegmentId};
use karez_protocol::priority::Class;
use tokio::time::Instant;

use crate::registry::Place;

/// An instance's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// After all others: its targets do not take it.
    last: bool,
    class: Class,
    study: u64,
    peer: PeerId,
    place: Place,
}

/// Instances that want work.
#[derive(Default)]
pub(super) struct Queue {
    ready: BTreeSet<Key>,
    /// They need a target that takes nothing now.
    aside: BTreeSet<Key>,
    keys: BTreeMap<(PeerId, Place), Key>,
    /// Segments that a worker is in: the next instance builds on the one before.
    segments: BTreeSet<SegmentId>,
    /// Instances that are being handed off, wherever they stand.
    prints: BTreeSet<(PeerId, Fingerprint)>,
    /// When the next one that is left alone may be tried.
    retries: BTreeSet<Instant>,
}

impl Key {
    pub(super) const fn new(class: Class, study: u64, peer: PeerId, place: Place) -> Self {
        let study = match class {
            Class::Stat => u64::MAX - study,
            _ => study,
        };
        Self {
            last: false,
            class,
            study,
            peer,
            place,
        }
    }

    /// The same place among all those that come last.
    pub(super) const fn last(self, last: bool) -> Self {
        Self { last, ..self }
    }

    pub(super) const fn whose(&self) -> (PeerId, Place) {
        (self.peer, self.place)
    }
}

impl Queue {
    /// Puts an instance in its place, or moves it there.
    pub(super) fn put(&mut self, key: Key) {
        self.remove(key.whose());
        self.keys.insert(key.whose(), key);
        self.ready.insert(key);
    }

    pub(super) fn remove(&mut self, whose: (PeerId, Place)) {
        if let Some(old) = self.keys.remove(&whose) {
            self.ready.remove(&old);
            self.aside.remove(&old);
        }
    }

    /// The most urgent instance after `last` that may be worked on.
    pub(super) fn next(&self, last: Option<Key>) -> Option<Key> {
        let mut from = last.map_or(Bound::Unbounded, Bound::Excluded);
        loop {
            let mut key = *self.ready.range((from, Bound::Unbounded)).next()?;
            if !self.segments.contains(&key.place.segment) {
                return Some(key);
            }
            // Past all others of the segment, however many.
            key.place.first = u64::MAX;
            from = Bound::Excluded(key);
        }
    }

    /// It waits for a target.
    pub(super) fn set_aside(&mut self, key: Key) {
        if self.ready.remove(&key) {
            self.aside.insert(key);
        }
    }

    /// A target may take something.
    pub(super) fn bring_back(&mut self) {
        self.ready.append(&mut self.aside);
    }

    /// A worker has it.
    pub(super) fn begin(&mut self, whose: (PeerId, Place), print: Fingerprint) {
        self.remove(whose);
        self.segments.insert(whose.1.segment);
        self.prints.insert((whose.0, print));
    }

    /// The worker is through with it.
    pub(super) fn end(&mut self, whose: (PeerId, Place), print: Fingerprint) {
        self.segments.remove(&whose.1.segment);
        self.prints.remove(&(whose.0, print));
    }

    /// Whether the same bytes are being handed off already.
    pub(super) fn is_under_way(&self, peer: PeerId, print: Fingerprint) -> bool {
        self.prints.contains(&(peer, print))
    }

    /// Remembers to look again.
    pub(super) fn retry_later(&mut self, now: Instant, pause: Duration) -> Instant {
        let at = now + pause;
        self.retries.insert(at);
        at
    }

    /// When to look again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retries.first().copied()
    }

    pub(super) fn forget_retries_before(&mut self, now: Instant) {
        self.retries = self.retries.split_off(&now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(class: Class, study: u64, first: u64) -> Key {
        let segment = SegmentId([study as u8; 16]);
        Key::new(class, study, PeerId([1; 32]), Place { segment, first })
    }

    fn ready(queue: &Queue) -> Vec<Key> {
        let mut all = Vec::new();
        while let Some(key) = queue.next(all.last().copied()) {
            all.push(key);
        }
        all
    }

    #[test]
    fn the_newest_stat_study_goes_first_then_class_by_class_the_oldest() {
        let mut queue = Queue::default();
        let order = [
            key(Class::Stat, 8, 0),
            key(Class::Stat, 8, 1),
            key(Class::Stat, 2, 0),
            key(Class::Urgent, 9, 0),
            key(Class::Routine, 1, 0),
            key(Class::Routine, 3, 0),
            key(Class::Stat, 7, 0).last(true),
        ];
        order.iter().rev().for_each(|key| queue.put(*key));
        assert_eq!(ready(&queue), order);
    }

    #[test]
    fn one_worker_is_in_a_segment_at_a_time_and_what_waits_comes_back() {
        let mut queue = Queue::default();
        let (a, b, c) = (
            key(Class::Bulk, 1, 0),
            key(Class::Bulk, 1, 1),
            key(Class::Bulk, 2, 0),
        );
        [a, b, c].into_iter().for_each(|key| queue.put(key));
        queue.begin(a.whose(), Fingerprint([1; 32]));
        assert_eq!(ready(&queue), [c]);
        queue.set_aside(c);
        assert_eq!(ready(&queue), []);
        queue.end(a.whose(), Fingerprint([1; 32]));
        assert_eq!(ready(&queue), [b]);
        queue.bring_back();
        assert_eq!(ready(&queue), [b, c]);
        queue.put(key(Class::Stat, 2, 0));
        assert_eq!(ready(&queue).len(), 2, "moved, not doubled");
    }
}

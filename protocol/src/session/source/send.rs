//! What a source sends next, and when it wants to be woken.

use std::time::Duration;

use super::{Segment, Source, Study, Transmit, Why};
use crate::id::{SegmentId, StudyId};
use crate::limits::{
    ASK_INTERVAL, ASK_INTERVAL_MAX, ASK_SEGMENTS_MAX, DOUBT_WAIT, LINGER, LINGER_RECORDS,
    RECORDS_AHEAD,
};
use crate::priority::Class;
use crate::schedule::{Claim, order};
use crate::session::Lane;
use crate::units::Moment;
use crate::wire::Frame;

impl Source {
    /// The lane of what [`Self::poll_transmit`] would most likely give next, so that nothing is
    /// taken out for which there is no room; `None` when there is nothing or no connection.
    pub fn next_lane(&mut self, now: Moment) -> Option<Lane> {
        self.connected_at?;
        if self.asked_at.is_none() {
            self.ask(now);
        }
        if !self.control.is_empty() {
            return Some(Lane::Control);
        }
        if self.busy {
            return None;
        }
        self.make_plan_if_due(now);
        let (_, class) = *self.plan.as_ref()?.first()?;
        Some(Lane::Class(class))
    }

    /// The next thing to send, most urgent first; `None` when there is nothing or no
    /// connection.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        self.connected_at?;
        if self.asked_at.is_none() {
            self.ask(now);
        }
        if let Some(frame) = self.control.pop_front() {
            return Some(Transmit::Frame(frame));
        }
        if self.busy {
            return None;
        }
        self.make_plan_if_due(now);
        loop {
            let (study, class) = *self.plan.as_ref()?.first()?;
            if let Some(transmit) = self.next_of(now, study, Lane::Class(class)) {
                return Some(transmit);
            }
            if let Some(plan) = &mut self.plan {
                plan.remove(0);
            }
        }
    }

    /// When, and why, [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Moment, Why)> {
        let lingering = self.segments.values().filter_map(Segment::lingers_until);
        let linger = lingering.min().map(|at| (at, Why::Linger));
        [self.word_due(), linger]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
            .filter(|_| self.connected_at.is_some())
    }

    /// When word from the receiver is overdue, or to be asked for.
    fn word_due(&self) -> Option<(Moment, Why)> {
        let connected_at = self.connected_at?;
        let doubt = self
            .segments
            .values()
            .any(|s| !s.heard && s.in_doubt() && !s.all_released());
        let asked_at = self.asked_at.unwrap_or(connected_at);
        if doubt {
            return Some((connected_at.after(DOUBT_WAIT).max(asked_at), Why::Doubt));
        }
        let owed = self.segments.values().any(|s| !s.all_released());
        owed.then(|| (asked_at.after(self.ask_interval()), Why::Ask))
    }

    /// A receipt of the archive's may take days, and a parked instance waits for a person.
    fn ask_interval(&self) -> Duration {
        if self.owes() {
            ASK_INTERVAL
        } else {
            self.ask_pause
        }
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        match self.poll_timeout() {
            Some((at, Why::Doubt)) if at <= now => {
                for segment in self.segments.values_mut().filter(|s| !s.heard) {
                    segment.record_ledger.give_up_doubt();
                    segment.chunk_ledger.give_up_doubt();
                }
                self.plan = None;
            }
            Some((at, Why::Ask)) if at <= now => {
                self.ask_pause = (self.ask_pause + self.ask_pause / 5).min(ASK_INTERVAL_MAX);
                self.ask(now);
            }
            Some((at, Why::Linger)) if at <= now => {
                for segment in self.segments.values_mut() {
                    if segment.lingers_until().is_some_and(|at| at <= now) {
                        segment.lingers_since = None;
                    }
                }
                self.plan = None;
            }
            _ => {}
        }
    }

    /// Asks about every segment in doubt, and about the next few that have arrived and wait
    /// for their receipt. A busy receiver is asked about one, whatever its state: if it was
    /// restarted meanwhile, nothing else would ever show it.
    fn ask(&mut self, now: Moment) {
        self.asked_at = Some(now);
        let open = || self.segments.iter().filter(|(_, s)| !s.all_released());
        let doubtful: Vec<SegmentId> = open()
            .filter(|(_, s)| s.in_doubt() && !s.asked)
            .map(|(id, _)| *id)
            .collect();
        let from = self.ask_from.take();
        let waiting: Vec<SegmentId> = open()
            .filter(|(id, s)| from.is_none_or(|f| **id > f) && s.arrived() && s.end() > 0)
            .map(|(id, _)| *id)
            .take(ASK_SEGMENTS_MAX)
            .collect();
        let sign_of_life = open().map(|(id, _)| *id).filter(|_| self.busy).take(1);
        let waiting: Vec<SegmentId> = match waiting.is_empty() {
            true => sign_of_life.collect(),
            false => waiting,
        };
        if waiting.len() == ASK_SEGMENTS_MAX {
            self.ask_from = waiting.last().copied();
        }
        for id in &doubtful {
            if let Some(segment) = self.segments.get_mut(id) {
                segment.asked = true;
            }
        }
        let all: Vec<SegmentId> = doubtful.into_iter().chain(waiting).collect();
        for batch in all.chunks(ASK_SEGMENTS_MAX) {
            self.control.push_back(Frame::Ask(batch.to_vec()));
        }
    }

    fn make_plan_if_due(&mut self, now: Moment) {
        let stale = now.since(self.planned_at) > Duration::from_secs(600);
        if self.plan.is_none() || stale {
            self.plan = Some(self.make_plan(now));
            self.planned_at = now;
        }
    }

    fn make_plan(&self, now: Moment) -> Vec<(StudyId, Class)> {
        let claims = self
            .studies
            .iter()
            .filter_map(|(id, study)| self.claim(now, *id, study));
        order(claims.collect())
    }

    fn claim(&self, now: Moment, id: StudyId, study: &Study) -> Option<Claim> {
        let segments = || study.segments.iter().filter_map(|s| self.segments.get(s));
        let wants = |segment: &Segment| segment.wants_to_send(now, study.class);
        if study.withdrawn || !(study.wants_to_steer() || segments().any(wants)) {
            return None;
        }
        let bytes = segments().map(|s| s.bytes - s.arrived_bytes()).sum();
        let waited = now.since(study.since);
        Some(Claim {
            study: id,
            class: study.class,
            waited,
            bytes,
            order: study.order,
        })
    }

    fn next_of(&mut self, now: Moment, id: StudyId, lane: Lane) -> Option<Transmit> {
        let study = self.studies.get_mut(&id)?;
        for segment_id in study.segments.clone() {
            let Some(segment) = self.segments.get_mut(&segment_id) else {
                continue;
            };
            if !segment.wants_to_send(now, study.class) {
                continue;
            }
            if let Some(transmit) = segment.next(segment_id, lane) {
                return Some(transmit);
            }
        }
        if study.steer_sent {
            return None;
        }
        study.steer_sent = true;
        if study.counter > 0 {
            let (class, counter) = (study.class, study.counter);
            self.control.push_back(Frame::Priority {
                study: id,
                class,
                counter,
            });
        }
        if let Some(revision) = study.revision.clone() {
            self.control.push_back(Frame::Revision(revision));
        }
        self.control.pop_front().map(Transmit::Frame)
    }
}

impl Study {
    /// Whether its class or its newest revision is still to be told.
    const fn wants_to_steer(&self) -> bool {
        !self.steer_sent && (self.counter > 0 || self.revision.is_some())
    }
}

impl Segment {
    fn in_doubt(&self) -> bool {
        self.record_ledger.in_doubt() || self.chunk_ledger.in_doubt()
    }

    /// Until when its records wait for others of their kind, if that is all there is to send.
    fn lingers_until(&self) -> Option<Moment> {
        let since = self.lingers_since?;
        let few = self.record_ledger.todo() < LINGER_RECORDS as u64;
        let alone = self.record_ledger.has_todo() && !self.chunk_ledger.has_todo();
        (few && alone).then(|| since.after(LINGER))
    }

    fn wants_to_send(&self, now: Moment, class: Class) -> bool {
        if class != Class::Stat && self.lingers_until().is_some_and(|at| at > now) {
            return false;
        }
        let awaits_word = self.asked && !self.heard;
        let head = !(self.head_sent || self.arrived() || awaits_word);
        let owes = !self.all_released() || !self.demanded.is_empty();
        owes && (head || self.record_ledger.has_todo() || self.chunk_ledger.has_todo())
    }

    /// Head first, then records up to [`RECORDS_AHEAD`] before the first that still lacks
    /// chunks at the receiver, then chunks of records that went ahead.
    fn next(&mut self, id: SegmentId, lane: Lane) -> Option<Transmit> {
        if !self.head_sent {
            self.head_sent = true;
            return Some(Transmit::Head(lane, id));
        }
        let first_open = self.first_open_record();
        if let Some(number) = self.record_ledger.next(first_open + RECORDS_AHEAD as u64) {
            self.record_ledger.sent(number);
            self.lingers_since = None;
            return Some(Transmit::Record(lane, id, number));
        }
        let serial = self.chunk_ledger.next(self.chunks_announced())?;
        self.chunk_ledger.sent(serial);
        Some(Transmit::Chunk(lane, id, serial))
    }

    /// One past the last chunk whose record is on its way or has arrived, as are all before.
    fn chunks_announced(&self) -> u64 {
        let first = self.record_ledger.first_unplaced();
        let record = first
            .and_then(|n| usize::try_from(n).ok())
            .and_then(|n| self.records.get(n));
        record.map_or(u64::MAX, |r| r.chunks.start)
    }

    /// The first record whose chunks the receiver is not known to have all.
    fn first_open_record(&self) -> u64 {
        let gap = self
            .chunk_ledger
            .acked()
            .first_gap(&(0..self.chunk_ledger.end()));
        let Some(serial) = gap else { return self.end() };
        self.records.partition_point(|r| r.chunks.end <= serial) as u64
    }
}

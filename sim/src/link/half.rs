//! One direction of a line: rate, queue, delay, chance.

use std::collections::VecDeque;
use std::time::Duration;

use super::Fate;
use super::chance::{Bursts, Chance};
use super::rate::RateProcess;
use crate::calendar::{LineCalendar, Spans};
use crate::profile::Direction as Config;
use crate::profile::schema::{Fade, Hole};
use crate::seed::Seed;
use crate::time::seconds;

/// A packet that the radio has not sent within a day is gone: ends the search on a link whose
/// rate has stuck at zero.
const PATIENCE: Duration = Duration::from_secs(86_400);

/// One direction.
#[derive(Debug)]
pub(super) struct Half {
    config: Config,
    fade: Option<Fade>,
    seed: Seed,
    rate: RateProcess,
    chance: Chance,
    dim_bursts: Vec<Option<Bursts>>,
    queue: VecDeque<Queued>,
    queued: usize,
    free_at: Duration,
    span: Duration,
    last_arrival: Duration,
}

/// A packet in the queue: when it goes on the air, when it is off it, its size.
#[derive(Clone, Copy, Debug)]
struct Queued {
    start: Duration,
    left: Duration,
    bytes: usize,
}

/// What one direction did to a packet.
pub(super) struct Trip {
    pub(super) fate: Fate,
    /// When it left the queue, whatever became of it then.
    pub(super) left: Duration,
    pub(super) waited: Option<Duration>,
    pub(super) again: Option<Duration>,
    pub(super) flip: Option<u64>,
}

impl Trip {
    pub(super) fn ended(fate: Fate, left: Duration) -> Self {
        Self {
            fate,
            left,
            waited: None,
            again: None,
            flip: None,
        }
    }
}

impl Half {
    pub(super) fn new(
        config: &Config,
        fade: Option<Fade>,
        calendar: &LineCalendar,
        seed: Seed,
    ) -> Self {
        let dims = calendar.dimmed.iter().zip(0..);
        Self {
            config: config.clone(),
            fade,
            seed,
            rate: RateProcess::new(config.rate.clone(), seed.child("rate")),
            chance: Chance::new(config, seed),
            dim_bursts: dims
                .map(|(dim, n)| {
                    dim.ge
                        .map(|ge| Bursts::new(ge, seed.child("dimmed").nth(n)))
                })
                .collect(),
            queue: VecDeque::new(),
            queued: 0,
            free_at: Duration::ZERO,
            span: Duration::ZERO,
            last_arrival: Duration::ZERO,
        }
    }

    /// Takes a packet. `ready` is when the radio is awake, `most` the rate that the tariff allows.
    pub(super) fn pass(
        &mut self,
        calendar: &LineCalendar,
        now: Duration,
        (ready, most): (Duration, f64),
        bytes: usize,
    ) -> Trip {
        let Some((from, until)) = calendar
            .carries
            .at(now)
            .filter(|_| !in_hole(self.config.hole, now))
        else {
            return Trip::ended(Fate::Outage, now);
        };
        self.settle(now, from);
        if self.backlog(now) + bytes > self.config.queue_bytes {
            return Trip::ended(Fate::QueueFull, now);
        }
        let start = self.free_at.max(now).max(ready);
        let (rate, bits) = (&mut self.rate, bytes as f64 * 8.0);
        let sent = finish(rate, calendar, (start, until), (bits, most));
        let left = sent.unwrap_or(until.min(start.saturating_add(PATIENCE)));
        self.free_at = left;
        self.queue.push_back(Queued { start, left, bytes });
        self.queued += bytes;
        let trip = match sent {
            Some(left) if !in_hole(self.config.hole, left) => self.fly(calendar, left),
            Some(_) | None => Trip::ended(Fate::Outage, left),
        };
        Trip {
            waited: Some(start - now),
            ..trip
        }
    }

    /// IP bytes this direction could carry between two moments.
    pub(super) fn capacity(&self, calendar: &LineCalendar, from: Duration, to: Duration) -> f64 {
        let mut rate = RateProcess::new(self.config.rate.clone(), self.seed.child("rate"));
        let up =
            calendar
                .carries
                .within(from, to)
                .minus(&blind(self.config.hole, self.fade, from, to));
        let mut bits = 0.0;
        for (from, to) in up.as_slice() {
            let mut at = *from;
            while at < *to {
                let (until, bits_per_s) = dimmed_segment(&mut rate, calendar, at);
                let until = until.min(*to);
                bits +=
                    bits_per_s * (until - at).as_secs_f64() * (1.0 - self.mean_loss(calendar, at));
                at = until;
            }
        }
        bits / 8.0
    }

    /// Drops what has left the queue by now, and all of it after an outage.
    fn settle(&mut self, now: Duration, span: Duration) {
        if self.span != span {
            (self.span, self.queued, self.free_at) = (span, 0, now);
            self.queue.clear();
        }
        while let Some(gone) = self
            .queue
            .front()
            .filter(|packet| packet.left <= now)
            .copied()
        {
            self.queue.pop_front();
            self.queued = self.queued.saturating_sub(gone.bytes);
        }
    }

    /// Bytes in the queue; the packet on the air counts by what is left of it.
    fn backlog(&self, now: Duration) -> usize {
        let Some(front) = self.queue.front().filter(|packet| packet.start < now) else {
            return self.queued;
        };
        let sent = (now - front.start).as_secs_f64() / (front.left - front.start).as_secs_f64();
        self.queued
            .saturating_sub((sent * front.bytes as f64) as usize)
    }

    /// From the radio to the far end.
    fn fly(&mut self, calendar: &LineCalendar, left: Duration) -> Trip {
        let lost =
            self.chance.loses() | self.dimmed_loss(calendar, left) | in_fade(self.fade, left);
        let jitter = self.chance.jitter(left);
        let extra: Duration = calendar
            .dimmed
            .iter()
            .filter(|dim| dim.when.contains(left))
            .map(|dim| dim.owd)
            .sum();
        let delay = seconds((self.config.owd + extra).as_secs_f64() + jitter);
        let (set_back, copy_after, flip) = (
            self.chance.set_back(),
            self.chance.copy_after(),
            self.chance.damage(),
        );
        if lost {
            return Trip::ended(Fate::Lost, left);
        }
        let in_order = (left + delay).max(self.last_arrival);
        let arrival = in_order + set_back.unwrap_or_default();
        if !calendar.carries.contains(arrival) {
            return Trip::ended(Fate::Outage, left);
        }
        self.last_arrival = in_order;
        Trip {
            fate: Fate::Arrives(arrival),
            left,
            waited: None,
            again: copy_after.map(|after| arrival + after),
            flip,
        }
    }

    fn dimmed_loss(&mut self, calendar: &LineCalendar, at: Duration) -> bool {
        let mut lost = false;
        for (dim, bursts) in calendar
            .dimmed
            .iter()
            .zip(&mut self.dim_bursts)
            .filter(|(dim, _)| dim.when.contains(at))
        {
            lost |= bursts.as_mut().is_some_and(Bursts::loses);
            lost |= dim.loss > 0.0 && self.chance.also_loses(dim.loss);
        }
        lost
    }

    fn mean_loss(&self, calendar: &LineCalendar, at: Duration) -> f64 {
        let own = (1.0 - self.config.loss) * (1.0 - self.config.ge.map_or(0.0, |ge| ge.mean()));
        let dims = calendar.dimmed.iter().filter(|dim| dim.when.contains(at));
        1.0 - dims.fold(own, |keep, dim| {
            keep * (1.0 - dim.loss) * (1.0 - dim.ge.map_or(0.0, |ge| ge.mean()))
        })
    }
}

/// When so many bits are through that start then; none when the link is gone by then.
fn finish(
    rate: &mut RateProcess,
    calendar: &LineCalendar,
    (start, until): (Duration, Duration),
    (bits, most): (f64, f64),
) -> Option<Duration> {
    let (mut at, mut left) = (start, bits);
    let end = until.min(start.saturating_add(PATIENCE));
    while at < end {
        let (until, free) = dimmed_segment(rate, calendar, at);
        let bits_per_s = free.min(most);
        let carried = bits_per_s * (until - at).as_secs_f64();
        if carried >= left {
            return Some(at + seconds(left / bits_per_s)).filter(|done| *done < end);
        }
        left -= carried;
        at = until;
    }
    None
}

/// A stretch of constant rate from `at`, with what dims the link taken off.
fn dimmed_segment(
    rate: &mut RateProcess,
    calendar: &LineCalendar,
    at: Duration,
) -> (Duration, f64) {
    let segment = rate.segment(at);
    calendar
        .dimmed
        .iter()
        .fold((segment.until, segment.bits_per_s), |(until, rate), dim| {
            let change = dim
                .when
                .next_change(at)
                .map_or(until, |(change, _)| change.min(until));
            (
                change,
                if dim.when.contains(at) {
                    rate * dim.rate_factor
                } else {
                    rate
                },
            )
        })
}

/// Holes lie at the end of their period.
fn in_hole(hole: Option<Hole>, at: Duration) -> bool {
    hole.is_some_and(|hole| {
        at.as_secs_f64().rem_euclid(hole.every_s.0) >= hole.every_s.0 - hole.for_s.0
    })
}

/// Fades lie at the end of their period.
fn in_fade(fade: Option<Fade>, at: Duration) -> bool {
    fade.is_some_and(|fade| {
        at.as_secs_f64().rem_euclid(fade.every_s.0) >= fade.every_s.0 - fade.for_s.0
    })
}

/// All holes and fades between two moments.
fn blind(hole: Option<Hole>, fade: Option<Fade>, from: Duration, to: Duration) -> Spans {
    let pairs = hole
        .map(|hole| (hole.every_s.0, hole.for_s.0))
        .into_iter()
        .chain(fade.map(|fade| (fade.every_s.0, fade.for_s.0)));
    pairs.fold(Spans::none(), |all, (every, length)| {
        let first = (from.as_secs_f64() / every) as u64;
        let last = (to.as_secs_f64() / every) as u64;
        let ends = (first..=last).map(|n| (n + 1) as f64 * every);
        all.or(&Spans::of(
            ends.map(|end| (seconds(end - length), seconds(end)))
                .collect(),
        ))
    })
}

//! How much of the delay is queue.

use super::round::Delays;

/// The shortest delay is forgotten after between one and two of these, seconds.
const BASE_LASTS: f64 = 300.0;
/// The empty path is looked at after this long, seconds, for so many rounds; this close to it
/// counts, parts of the target.
const STALE: f64 = 100.0;
const LOOKS: u32 = 2;
const MET: f64 = 0.25;
/// Rounds with the rate cut and the delay unmoved, after which the path itself is longer.
const GROWN_ROUNDS: u32 = 6;
/// Spread of a round's delays that is not jitter, seconds.
const SPREAD_FREE: f64 = 0.03;
/// How far above the spread the queue is aimed.
const SPREAD_FACTOR: f64 = 3.0;
/// Most that jitter adds to the target, seconds.
const SPREAD_MAX: f64 = 1.0;
/// Weight of a new round's spread.
const SPREAD_WEIGHT: f64 = 0.05;

/// The delay of the empty path, and the jitter on it.
#[derive(Clone, Debug)]
pub(super) struct Base {
    target: f64,
    now: f64,
    before: f64,
    rotated: f64,
    /// When the shortest delay was last met.
    met: f64,
    looks: u32,
    spread: Option<f64>,
    stuck: Option<Stuck>,
}

/// A queue that did not shrink so far although less was sent.
#[derive(Clone, Copy, Debug)]
struct Stuck {
    queue: f64,
    rounds: u32,
}

impl Base {
    pub(super) const fn new(target: f64, now: f64) -> Self {
        Self {
            target,
            now: f64::INFINITY,
            before: f64::INFINITY,
            rotated: now,
            met: now,
            looks: 0,
            spread: None,
            stuck: None,
        }
    }

    /// The delay of the empty path; `None` before the first round.
    pub(super) fn seconds(&self) -> Option<f64> {
        let base = self.now.min(self.before);
        base.is_finite().then_some(base)
    }

    /// The queue to keep: enough to never run dry, above what jitter alone looks like.
    pub(super) fn target(&self) -> f64 {
        let spread = self.spread.unwrap_or(0.0);
        self.target + (SPREAD_FACTOR * (spread - SPREAD_FREE).max(0.0)).min(SPREAD_MAX)
    }

    /// The empty path was not seen for so long that a queue which always stands would soon be
    /// taken for it.
    pub(super) fn is_stale(&self, now: f64) -> bool {
        now - self.met > STALE
    }

    /// Starts over from one delay.
    pub(super) fn reset(&mut self, rtt: f64) {
        (self.now, self.before, self.stuck) = (rtt, rtt, None);
    }

    /// A single sample, before rounds say more.
    pub(super) fn sample(&mut self, rtt: f64) {
        self.now = self.now.min(rtt);
    }

    /// The queue that a round saw. `aim`: the queue that less and less is sent to keep.
    pub(super) fn round(&mut self, now: f64, delays: Delays, aim: Option<f64>) -> f64 {
        if now - self.rotated > BASE_LASTS {
            (self.before, self.now, self.rotated) = (self.now, delays.low, now);
        }
        self.now = self.now.min(delays.low);
        self.looks += u32::from(self.is_stale(now));
        let near = delays.low <= self.now.min(self.before) + MET * self.target();
        if near || self.looks > LOOKS {
            (self.met, self.looks) = (now, 0);
        }
        let spread = delays.median - delays.low;
        self.spread = Some(
            self.spread
                .map_or(spread, |old| old + SPREAD_WEIGHT * (spread - old)),
        );
        let queue = (delays.low - self.now.min(self.before)).max(0.0);
        if aim.is_some_and(|aim| queue > 2.0 * aim) {
            self.check_growth(queue, delays.low)
        } else {
            self.stuck = None;
            queue
        }
    }

    /// An interruption of the link explains any delay.
    pub(super) fn interrupted(&mut self) {
        self.stuck = None;
    }

    fn check_growth(&mut self, queue: f64, low: f64) -> f64 {
        let Some(stuck) = &mut self.stuck else {
            self.stuck = Some(Stuck { queue, rounds: 0 });
            return queue;
        };
        stuck.rounds += 1;
        if stuck.rounds <= GROWN_ROUNDS {
            return queue;
        }
        let unmoved = (0.8 * stuck.queue..1.25 * stuck.queue).contains(&queue);
        self.stuck = None;
        if unmoved {
            self.reset(low);
            return 0.0;
        }
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(low: f64) -> Delays {
        Delays {
            low,
            median: low + 0.01,
        }
    }

    #[test]
    fn the_queue_is_what_lies_above_the_shortest_delay() {
        let mut base = Base::new(0.15, 0.0);
        base.round(0.0, delays(0.7), Some(0.15));
        let queue = base.round(1.0, delays(0.9), Some(0.15));
        assert!((queue - 0.2).abs() < 1e-9);
        assert!((base.target() - 0.15).abs() < 1e-9);
    }

    #[test]
    fn jitter_raises_the_target() {
        let mut base = Base::new(0.15, 0.0);
        for n in 0..200 {
            let median = 0.8;
            base.round(f64::from(n), Delays { low: 0.7, median }, Some(0.15));
        }
        assert!((base.target() - 0.36).abs() < 0.02, "{}", base.target());
    }

    #[test]
    fn a_longer_path_is_believed_once_cutting_the_rate_did_not_help() {
        let mut base = Base::new(0.15, 0.0);
        base.round(0.0, delays(0.5), Some(0.15));
        let queues: Vec<f64> = (1..12)
            .map(|n| base.round(f64::from(n), delays(1.2), Some(0.15)))
            .collect();
        assert!(queues[3] > 0.6 && queues[10] < 1e-9, "{queues:?}");
        assert_eq!(base.seconds(), Some(1.2));
    }

    #[test]
    fn a_queue_that_always_stands_makes_the_base_stale() {
        let mut base = Base::new(0.15, 0.0);
        base.round(0.0, delays(0.5), None);
        for n in 1..12 {
            base.round(f64::from(n) * 10.0, delays(0.65), None);
        }
        assert!(base.is_stale(110.0));
        base.round(111.0, delays(0.51), None);
        assert!(!base.is_stale(112.0));
    }

    #[test]
    fn an_old_minimum_is_forgotten() {
        let mut base = Base::new(0.15, 0.0);
        base.round(0.0, delays(0.5), None);
        for n in 1..70 {
            base.round(f64::from(n) * 10.0, delays(0.7), None);
        }
        assert_eq!(base.seconds(), Some(0.7));
    }
}

//! Rounds: what one round trip's worth of acknowledgements says, and what many say together.

use std::collections::VecDeque;

/// Round-trip times kept of one round; further ones are not needed for a quantile.
const SAMPLES_MAX: usize = 512;
/// Rounds remembered.
const ROUNDS_MAX: usize = 120;
/// A packet of this share of the largest tells as much about the queue as a full one.
const FULL: f64 = 0.8;

/// What was acknowledged and lost between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Round {
    pub(super) acked: f64,
    pub(super) lost: f64,
    pub(super) seconds: f64,
    /// An outage or a fade falls into it.
    pub(super) gap: bool,
}

impl Round {
    pub(super) fn sent(&self) -> f64 {
        self.acked + self.lost
    }

    /// Bytes per second that left the queue, whether they arrived or not.
    pub(super) fn rate(&self) -> f64 {
        self.sent() / self.seconds.max(1e-3)
    }

    pub(super) fn acked_rate(&self) -> f64 {
        self.acked / self.seconds.max(1e-3)
    }

    pub(super) fn loss(&self) -> f64 {
        self.lost / self.sent().max(1.0)
    }

    pub(super) fn packets(&self, mtu: f64) -> f64 {
        (self.sent() / mtu).max(1.0)
    }

    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            acked: self.acked + other.acked,
            lost: self.lost + other.lost,
            seconds: self.seconds + other.seconds,
            gap: self.gap || other.gap,
        }
    }
}

/// The delays of a round: its low end, free of jitter, and its middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Delays {
    pub(super) low: f64,
    pub(super) median: f64,
}

/// The round under way.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    began: f64,
    acked: f64,
    lost: f64,
    rtts: Vec<f64>,
    /// Of the acknowledgement that is being read: its newest packet.
    newest: Option<Newest>,
    /// No full-size packet was acknowledged yet; small ones spend less time on the air.
    only_small: bool,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    sent: f64,
    rtt: f64,
    full: bool,
}

/// What one acknowledgement says of the delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) rtt: f64,
    /// The first of a full-size packet: what was known before is void.
    pub(super) first_full: bool,
}

impl Collector {
    pub(super) const fn new(now: f64) -> Self {
        Self {
            began: now,
            acked: 0.0,
            lost: 0.0,
            rtts: Vec::new(),
            newest: None,
            only_small: true,
        }
    }

    /// One packet of an acknowledgement.
    pub(super) fn acked(&mut self, now: f64, sent: f64, bytes: f64, mtu: f64) {
        self.acked += bytes;
        if self.newest.is_none_or(|newest| sent >= newest.sent) {
            self.newest = Some(Newest {
                sent,
                rtt: (now - sent).max(1e-6),
                full: bytes >= FULL * mtu,
            });
        }
    }

    pub(super) fn lost(&mut self, bytes: f64) {
        self.lost += bytes;
    }

    /// The acknowledgement is read.
    pub(super) fn end_of_ack(&mut self) -> Option<Sample> {
        let newest = self.newest.take()?;
        let first_full = self.only_small && newest.full;
        if first_full {
            self.only_small = false;
            self.rtts.clear();
        }
        if newest.full || self.only_small {
            if self.rtts.len() < SAMPLES_MAX {
                self.rtts.push(newest.rtt);
            }
            return Some(Sample {
                rtt: newest.rtt,
                first_full,
            });
        }
        None
    }

    pub(super) const fn samples(&self) -> usize {
        self.rtts.len()
    }

    pub(super) fn age(&self, now: f64) -> f64 {
        now - self.began
    }

    /// Ends the round, if it has any delay in it.
    pub(super) fn close(&mut self, now: f64) -> Option<(Round, Delays)> {
        self.rtts.sort_by(f64::total_cmp);
        let at = |part: usize| self.rtts.get(self.rtts.len() / part).copied();
        let delays = Delays {
            low: at(5)?,
            median: at(2)?,
        };
        let round = Round {
            acked: self.acked,
            lost: self.lost,
            seconds: self.age(now).max(1e-3),
            gap: false,
        };
        self.rtts.clear();
        (self.began, self.acked, self.lost) = (now, 0.0, 0.0);
        Some((round, delays))
    }
}

/// The last rounds that no gap falls into.
#[derive(Clone, Debug, Default)]
pub(super) struct History(VecDeque<Round>);

impl History {
    pub(super) fn push(&mut self, round: Round) {
        if round.gap {
            return;
        }
        if self.0.len() >= ROUNDS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(round);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The last `n` rounds as one.
    pub(super) fn last(&self, n: usize) -> Round {
        self.stretch(0, n)
    }

    /// `n` rounds as one, leaving out the last `skip`.
    pub(super) fn stretch(&self, skip: usize, n: usize) -> Round {
        let rounds = self.0.iter().rev().skip(skip).take(n);
        rounds.fold(Round::default(), Round::and)
    }

    /// All stretches of `n` rounds, the last first.
    pub(super) fn stretches(&self, n: usize) -> impl Iterator<Item = Round> {
        let count = (self.len() + 1).saturating_sub(n.max(1));
        (0..count).map(move |skip| self.stretch(skip, n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_gives_one_delay_that_of_its_newest_full_packet() {
        let mut collector = Collector::new(0.0);
        collector.acked(1.0, 0.2, 1400.0, 1400.0);
        collector.acked(1.0, 0.4, 1400.0, 1400.0);
        collector.acked(1.0, 0.3, 1400.0, 1400.0);
        let sample = collector.end_of_ack().unwrap();
        assert_eq!((sample.rtt, sample.first_full), (0.6, true));
        collector.acked(2.0, 1.9, 60.0, 1400.0);
        assert_eq!(collector.end_of_ack(), None);
        let (round, delays) = collector.close(2.0).unwrap();
        assert_eq!((round.acked, round.seconds, delays.low), (4260.0, 2.0, 0.6));
        assert!(collector.close(3.0).is_none());
    }

    #[test]
    fn stretches_cover_the_history_and_leave_gaps_out() {
        let mut history = History::default();
        for n in 0..5 {
            let gap = n == 2;
            history.push(Round {
                acked: f64::from(n),
                lost: 0.0,
                seconds: 1.0,
                gap,
            });
        }
        assert_eq!(history.len(), 4);
        assert_eq!(history.last(2).acked, 7.0);
        let sums: Vec<f64> = history.stretches(2).map(|round| round.acked).collect();
        assert_eq!(sums, [7.0, 4.0, 1.0]);
        assert_eq!(history.stretches(9).count(), 0);
    }
}

//! Whether the link's rate keeps still.

use super::round::Round;

/// Seconds and packets of which the rate is one measurement: long enough that the grain of
/// acknowledgements is small.
const SPAN: f64 = 4.0;
const SPAN_PACKETS: f64 = 30.0;
/// Weight of a new difference.
const WEIGHT: f64 = 0.1;
/// The relative deviation above which a link is restless, and below which it is calm again.
const RESTLESS: f64 = 0.09;
const CALM: f64 = 0.065;
/// A change by more than this counts as this: a single jump is no unrest.
const SWING: f64 = 0.4;
/// Measurements before anything is said.
const LEAST: u32 = 3;

/// Compares each few seconds with those before: slow drift is no unrest.
#[derive(Clone, Debug, Default)]
pub(super) struct Unrest {
    span: Round,
    before: Option<f64>,
    /// Mean square of the relative differences.
    square: f64,
    count: u32,
    restless: bool,
}

impl Unrest {
    /// The rate varies by itself.
    pub(super) const fn is_restless(&self) -> bool {
        self.restless
    }

    /// The relative standard deviation.
    pub(super) fn deviation(&self) -> f64 {
        self.square.sqrt()
    }

    /// Takes a round in which the link was full.
    pub(super) fn round(&mut self, round: &Round, mtu: f64) {
        self.span = self.span.and(round);
        if self.span.seconds < SPAN || self.span.packets(mtu) < SPAN_PACKETS {
            return;
        }
        let rate = self.span.rate();
        self.span = Round::default();
        if let Some(before) = self.before.replace(rate) {
            let middle = f64::midpoint(before, rate).max(1.0);
            let difference = ((rate - before) / middle).clamp(-SWING, SWING);
            self.count += 1;
            let weight = WEIGHT.max(1.0 / f64::from(self.count));
            // Two independent values differ by twice the variance.
            self.square += weight * (difference * difference / 2.0 - self.square);
        }
        if self.count >= LEAST {
            let bound = if self.restless { CALM } else { RESTLESS };
            self.restless = self.deviation() > bound;
        }
    }

    /// What comes next has nothing to do with what was.
    pub(super) fn interrupted(&mut self) {
        (self.span, self.before) = (Round::default(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(rate: f64) -> Round {
        Round {
            acked: rate,
            lost: 0.0,
            seconds: 1.0,
            gap: false,
        }
    }

    fn after(rates: impl Iterator<Item = f64>) -> Unrest {
        let mut unrest = Unrest::default();
        for rate in rates {
            for _ in 0..4 {
                unrest.round(&round(rate), 1400.0);
            }
        }
        unrest
    }

    #[test]
    fn a_rate_that_swings_is_restless_one_that_drifts_is_not() {
        let swings = after((0..40).map(|n| if n % 2 == 0 { 60e3 } else { 100e3 }));
        assert!(swings.is_restless() && swings.deviation() > 0.2);
        let drifts = after((0..40).map(|n| 60e3 * 1.03_f64.powi(n)));
        assert!(!drifts.is_restless(), "{}", drifts.deviation());
    }

    #[test]
    fn it_calms_down_and_a_gap_is_no_swing() {
        let mut unrest = after((0..40).map(|n| if n % 2 == 0 { 60e3 } else { 100e3 }));
        for _ in 0..200 {
            unrest.round(&round(80e3), 1400.0);
        }
        assert!(!unrest.is_restless());
        let mut unrest = Unrest::default();
        for n in 0..40 {
            unrest.interrupted();
            for _ in 0..4 {
                unrest.round(&round(if n % 2 == 0 { 60e3 } else { 100e3 }), 1400.0);
            }
        }
        assert!(!unrest.is_restless());
    }
}

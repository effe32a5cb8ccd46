//! The rate over time: min(cap, median × diurnal × exp(slow + fast)), or a list.
//!
//! The two AR(1) terms are drawn afresh from their stationary law at the start of every block of
//! six hours, from a seed of that block: any moment is reached without walking through the
//! months before it, silence costs nothing, and the rate does not depend on the traffic.

use std::time::Duration;

use crate::profile::RateSource;
use crate::profile::schema::{Diurnal, Rate};
use crate::profile::values::RateTrace;
use crate::seed::{Dice, Seed};
use crate::time::{hour_of_day, seconds};

const BLOCK: Duration = Duration::from_secs(6 * 3600);
/// Steps of the two terms, as parts of their correlation time, within bounds in seconds.
const FAST_STEP: (f64, f64, f64) = (1.0 / 8.0, 0.05, 1.0);
const SLOW_STEP: (f64, f64, f64) = (1.0 / 16.0, 0.5, 60.0);
/// The day's shape is followed in steps of a minute.
const DIURNAL_STEP: Duration = Duration::from_secs(60);
/// Multiplier at the hour, linear between (A): fastest at 5 h, slowest at 19 h.
const BUSY: [(f64, f64); 9] = [
    (0.0, 1.2),
    (5.0, 1.3),
    (9.0, 1.0),
    (12.0, 0.8),
    (14.0, 0.85),
    (17.0, 0.7),
    (19.0, 0.45),
    (22.0, 0.55),
    (24.0, 1.2),
];

/// A rate over time.
#[derive(Clone, Debug)]
pub struct RateProcess {
    source: RateSource,
    seed: Seed,
    block: Option<Block>,
    cached: Option<Segment>,
}

/// A stretch of constant rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// From.
    pub from: Duration,
    /// To.
    pub until: Duration,
    /// The rate, bit/s.
    pub bits_per_s: f64,
}

impl RateProcess {
    /// A process with a seed of its own.
    #[must_use]
    pub fn new(source: RateSource, seed: Seed) -> Self {
        Self {
            source,
            seed,
            block: None,
            cached: None,
        }
    }

    /// The stretch of constant rate that holds `at`.
    pub fn segment(&mut self, at: Duration) -> Segment {
        if let Some(segment) = self.cached.filter(|s| s.from <= at && at < s.until) {
            return segment;
        }
        let segment = match &self.source {
            RateSource::Trace(trace) => from_trace(trace, at),
            RateSource::Process(rate) => {
                let length = rate.step_every_s.map_or(BLOCK, |s| seconds(s.0));
                let number =
                    u64::try_from(at.as_nanos() / length.as_nanos().max(1)).unwrap_or(u64::MAX);
                let known = self
                    .block
                    .take()
                    .filter(|block| block.number == number && block.at <= at);
                let mut block = known
                    .unwrap_or_else(|| Block::new(rate, self.seed.nth(number), number, length));
                let segment = block.segment(rate, at);
                self.block = Some(block);
                segment
            }
        };
        self.cached = Some(segment);
        segment
    }
}

fn from_trace(trace: &RateTrace, at: Duration) -> Segment {
    let period = trace.0.last().map_or(1.0, |point| point.0).max(1e-3);
    let round = (at.as_secs_f64() / period).floor() * period;
    let within = at.as_secs_f64() - round;
    let next = trace
        .0
        .partition_point(|point| point.0 <= within)
        .clamp(1, trace.0.len().max(2) - 1);
    let kbit = trace.0.get(next - 1).map_or(0.0, |point| point.1);
    let until = trace.0.get(next).map_or(period, |point| point.0);
    // A nanosecond at least: rounding must not stop the clock.
    let until = seconds(round + until).max(at + Duration::from_nanos(1));
    Segment {
        from: at,
        until,
        bits_per_s: kbit * 1e3,
    }
}

/// Six hours of the two terms (or the time between two reconfigurations).
#[derive(Clone, Debug)]
struct Block {
    number: u64,
    at: Duration,
    end: Duration,
    slow: Term,
    fast: Term,
}

impl Block {
    fn new(rate: &Rate, seed: Seed, number: u64, length: Duration) -> Self {
        let start = Duration::from_nanos(
            u64::try_from(length.as_nanos())
                .unwrap_or(u64::MAX)
                .saturating_mul(number),
        );
        let slow = Term::new(
            rate.sigma_slow.0,
            rate.tau_slow_s.0,
            SLOW_STEP,
            start,
            seed.child("slow").dice(),
        );
        let fast = Term::new(
            rate.sigma_fast.0,
            rate.tau_fast_s.0,
            FAST_STEP,
            start,
            seed.child("fast").dice(),
        );
        Self {
            number,
            at: start,
            end: start + length,
            slow,
            fast,
        }
    }

    fn segment(&mut self, rate: &Rate, at: Duration) -> Segment {
        let (slow, slow_until) = self.slow.at(at);
        let (fast, fast_until) = self.fast.at(at);
        self.at = at;
        let (shape, shape_until) = diurnal(rate.diurnal, at);
        let raw = rate.median_kbit.0 * shape * (slow + fast).exp();
        let capped = rate.cap_kbit.map_or(raw, |cap| raw.min(cap.0));
        let until = slow_until.min(fast_until).min(shape_until).min(self.end);
        Segment {
            from: at,
            until,
            bits_per_s: quantised(capped, rate) * 1e3,
        }
    }
}

/// One AR(1) term, held from step to step.
#[derive(Clone, Debug)]
struct Term {
    sigma: f64,
    keep: f64,
    step: Duration,
    until: Duration,
    value: f64,
    dice: Dice,
}

impl Term {
    fn new(
        sigma: f64,
        tau: f64,
        (part, low, high): (f64, f64, f64),
        start: Duration,
        mut dice: Dice,
    ) -> Self {
        let step = (tau * part).clamp(low, high);
        let value = sigma * dice.normal();
        let (until, step_time) = if sigma > 0.0 {
            (start + seconds(step), seconds(step))
        } else {
            (Duration::MAX, Duration::ZERO)
        };
        Self {
            sigma,
            keep: (-step / tau).exp(),
            step: step_time,
            until,
            value,
            dice,
        }
    }

    fn at(&mut self, at: Duration) -> (f64, Duration) {
        while self.until <= at {
            self.value = self.keep * self.value
                + (1.0 - self.keep * self.keep).sqrt() * self.sigma * self.dice.normal();
            self.until += self.step;
        }
        (self.value, self.until)
    }
}

fn diurnal(shape: Diurnal, at: Duration) -> (f64, Duration) {
    if shape == Diurnal::Flat {
        return (1.0, Duration::MAX);
    }
    let minute = at.as_secs() / DIURNAL_STEP.as_secs();
    let until = DIURNAL_STEP * u32::try_from(minute + 1).unwrap_or(u32::MAX);
    let hour = hour_of_day(Duration::from_secs(minute * DIURNAL_STEP.as_secs()));
    let pair = BUSY.windows(2).find(|pair| hour < pair[1].0);
    let value = pair.map_or(1.0, |pair| {
        pair[0].1 + (pair[1].1 - pair[0].1) * (hour - pair[0].0) / (pair[1].0 - pair[0].0)
    });
    (value, until)
}

/// The nearest rate that the radio can take.
fn quantised(kbit: f64, rate: &Rate) -> f64 {
    let steps = rate.quantise_kbit.iter().map(|step| step.0);
    steps
        .min_by(|a, b| (a - kbit).abs().total_cmp(&(b - kbit).abs()))
        .unwrap_or(kbit)
}

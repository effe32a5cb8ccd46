//! The law: how fast to send, and how much may be in flight.

use std::time::Duration;

use super::delay::Base;
use super::loss::Losses;
use super::round::{Collector, Delays, History, Round};

/// The queue aimed at, seconds: never dry, hardly felt.
const TARGET: f64 = 0.15;
/// Packets in flight at the very start, and at least.
const WINDOW_START: f64 = 8.0;
const WINDOW_LEAST: f64 = 6.0;
/// What the rate may be of the estimate.
const GAIN: (f64, f64) = (0.5, 1.25);
/// How hard the queue's distance from its target is followed.
const GAIN_SLOPE: f64 = 0.5;
/// Rounds without queue before the link is held to have more to give, and before it is measured
/// anew from the start.
const DRY: (u32, u32) = (3, 10);
/// The rate for a link that seems to have more to give.
const DRY_GAIN: f64 = 1.2;
/// The estimate takes half of each new measurement.
const ESTIMATE_WEIGHT: f64 = 0.5;

/// No shorter silence is a gap, seconds; what a gap spoils, rounds.
const GAP_LEAST: f64 = 0.4;
const GAP_ROUNDS: u32 = 2;
/// So many acknowledgements lost in a row are no chance.
const UNLIKELY: f64 = 0.002;
/// Weight of a new time between acknowledgements.
const ACK_WEIGHT: f64 = 0.1;

/// What is known of a link from earlier connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remembered {
    /// UDP payload bytes per second that it carried, losses included.
    pub rate: f64,
    /// Round-trip time without queue.
    pub rtt: Duration,
}

/// A controller of one sending end. Times are since any fixed moment.
#[derive(Clone, Debug)]
pub struct Thin {
    mtu: f64,
    ack_delay: f64,
    srtt: f64,
    base: Base,
    round: Collector,
    history: History,
    losses: Losses,
    phase: Phase,
    /// Bytes per second that the link takes.
    estimate: f64,
    /// The highest estimate so far.
    top: f64,
    rate: f64,
    window: f64,
    rounds: u32,
    dry: u32,
    /// Rounds that an interruption still spoils.
    gap: u32,
    heard: f64,
    /// The usual time between two acknowledgements.
    ack_interval: f64,
    app_limited: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Doubling each round.
    Start(Start),
    Steady,
}

/// The highest rates of a start, and rounds in which they no longer grew.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    arrived: f64,
    sent: f64,
    flat: u32,
}

impl Thin {
    /// For datagrams of at most `mtu` UDP payload bytes, acknowledged after `ack_delay` at the
    /// latest.
    #[must_use]
    pub fn new(
        now: Duration,
        mtu: u16,
        ack_delay: Duration,
        remembered: Option<Remembered>,
    ) -> Self {
        let now = now.as_secs_f64();
        let mtu = f64::from(mtu);
        let mut thin = Self {
            mtu,
            ack_delay: ack_delay.as_secs_f64(),
            srtt: 0.6,
            base: Base::new(TARGET, now),
            round: Collector::new(now),
            history: History::default(),
            losses: Losses::new(),
            phase: Phase::Start(Start::default()),
            estimate: 0.0,
            top: 0.0,
            rate: 0.0,
            window: WINDOW_START * mtu,
            rounds: 0,
            dry: 0,
            gap: 0,
            heard: now,
            ack_interval: 0.2,
            app_limited: false,
        };
        if let Some(known) = remembered {
            thin.estimate = 0.9 * known.rate;
            thin.rate = thin.estimate;
            thin.srtt = known.rtt.as_secs_f64();
            thin.window = (thin.rate * (thin.srtt + 0.3)).max(WINDOW_LEAST * mtu);
            thin.phase = Phase::Steady;
        }
        thin
    }

    /// Bytes per second to send at; zero while nothing is known.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Bytes that may be in flight.
    #[must_use]
    pub const fn window(&self) -> u64 {
        self.window as u64
    }

    /// Bytes that may be unacknowledged while the oldest are lost again and again: what is in
    /// flight for as many round trips as the loss makes likely (all but 1 % of the cases).
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let base = self.base.seconds().unwrap_or(self.srtt);
        let flight = self.rate * (base + self.base.target());
        let packets = (flight / self.mtu).max(1.0);
        let tries = (100.0 * packets).ln() / -self.losses.background().clamp(0.001, 0.6).ln();
        (flight * (2.0 + tries)).max(self.window) as u64
    }

    /// Round-trip time without queue, once known.
    #[must_use]
    pub fn base_rtt(&self) -> Option<Duration> {
        self.base.seconds().map(Duration::from_secs_f64)
    }

    /// What to remember of the link, once something is known.
    #[must_use]
    pub fn remember(&self) -> Option<Remembered> {
        let known = matches!(self.phase, Phase::Steady) && self.history.len() >= 8;
        Some(Remembered {
            rate: self.estimate,
            rtt: self.base_rtt().filter(|_| known)?,
        })
    }

    /// The largest datagram has changed.
    pub fn set_mtu(&mut self, mtu: u16) {
        self.mtu = f64::from(mtu);
    }

    /// One packet of an acknowledgement; `sent` is when it really left.
    pub fn on_ack(&mut self, now: Duration, sent: Duration, bytes: u64, app_limited: bool) {
        let (now, sent) = (now.as_secs_f64(), sent.as_secs_f64());
        self.note_silence(now);
        self.round.acked(now, sent, bytes as f64, self.mtu);
        self.app_limited = app_limited;
    }

    /// Packets were found lost.
    pub fn on_lost(&mut self, bytes: u64) {
        self.round.lost(bytes as f64);
    }

    /// The acknowledgement is read.
    pub fn on_end_of_ack(&mut self, now: Duration) {
        let now = now.as_secs_f64();
        if let Some(sample) = self.round.end_of_ack() {
            if sample.first_full {
                self.base.reset(sample.rtt);
            } else if self.rounds < 2 {
                self.base.sample(sample.rtt);
            }
            self.srtt += (sample.rtt - self.srtt) / 4.0;
        }
        let starting = matches!(self.phase, Phase::Start(_));
        let samples = if starting { 2 } else { 3 };
        let longest = self.base.seconds().unwrap_or(self.srtt) + 0.3;
        let length = self.srtt.min(longest).max(0.1);
        if self.round.samples() >= samples && self.round.age(now) >= length {
            self.end_round(now);
        }
    }

    /// An acknowledgement comes after a silence that the loss of others does not explain: the
    /// link was gone.
    fn note_silence(&mut self, now: f64) {
        let silence = now - self.heard;
        self.heard = now;
        if silence <= 0.0 {
            return;
        }
        let chance = self.losses.background().clamp(0.01, 0.5);
        let in_a_row = 1.0 + UNLIKELY.ln() / chance.ln();
        if silence > (in_a_row * self.ack_interval).max(GAP_LEAST) {
            self.gap = GAP_ROUNDS;
            self.base.interrupted();
        } else {
            self.ack_interval += ACK_WEIGHT * (silence - self.ack_interval);
        }
    }

    fn end_round(&mut self, now: f64) {
        let Some((round, delays)) = self.round.close(now) else {
            return;
        };
        let gap = self.gap > 0;
        self.gap = self.gap.saturating_sub(1);
        let round = Round { gap, ..round };
        self.rounds += 1;
        let cutting = matches!(self.phase, Phase::Steady);
        let queue = self.base.round(now, delays, cutting) - self.ack_wait();
        let queue = queue.max(0.0);
        self.history.push(round);
        if let Phase::Start(start) = self.phase {
            self.start_up(&round, queue, start);
        }
        if matches!(self.phase, Phase::Steady) {
            self.steady(&round, delays, queue);
        }
        self.window = self.window.max(WINDOW_LEAST * self.mtu);
    }

    /// How long a packet waits for its acknowledgement where packets are too far apart to bring
    /// it about: looks like queue, but is none.
    fn ack_wait(&self) -> f64 {
        let apart = self.mtu / self.rate.max(1.0);
        match apart >= self.ack_delay {
            true => self.ack_delay,
            false => 0.5 * (self.ack_delay % apart),
        }
    }

    /// Doubles until a queue forms or the rate no longer grows.
    fn start_up(&mut self, round: &Round, queue: f64, mut start: Start) {
        let arrived = round.acked_rate();
        if arrived <= 1.2 * start.arrived && !self.app_limited && !round.gap {
            start.flat += 1;
        }
        start.arrived = start.arrived.max(arrived);
        start.sent = start.sent.max(round.rate());
        self.window += round.sent();
        self.rate = match self.rounds {
            1 => 0.0,
            _ => self.rate.max(2.0 * round.rate()),
        };
        self.phase = Phase::Start(start);
        let full = queue > self.base.target();
        if full || start.flat >= 3 {
            self.estimate = match full {
                true => start.sent.min(1.5 * start.arrived),
                false => 1.1 * start.arrived,
            };
            self.phase = Phase::Steady;
        }
    }

    fn steady(&mut self, round: &Round, _delays: Delays, queue: f64) {
        let target = self.base.target();
        let base = self.base.seconds().unwrap_or(self.srtt);
        self.losses
            .round(&self.history, self.mtu, queue > 1.2 * target);
        if !round.gap && !self.app_limited {
            self.measure();
        }
        let floor = 8.0 * self.mtu / base.max(0.1);
        self.top = self.top.max(self.estimate);
        if self.rounds < 60 {
            self.top = self.top.max(floor);
        }
        let gain = self.gain(queue, target);
        if self.has_woken() {
            self.phase = Phase::Start(Start::default());
            self.dry = 0;
        }
        self.rate = (self.estimate * gain).max(self.mtu / 2.0);
        let grace = if queue < 2.0 * target { 1.5 } else { 0.05 };
        self.window = self.rate * (base + target + grace);
    }

    /// Averages what the link takes. What arrives limits it: what a shallow queue drops was not
    /// carried.
    fn measure(&mut self) {
        let kept = (1.0 - self.losses.background()).max(0.4);
        let taken = self.history.last(3).rate();
        let limit = if self.losses.is_shallow() {
            let long = 2 * self.losses.stretch(&self.history, self.mtu);
            1.01 * self.history.last(long).acked_rate() / kept
        } else {
            let late = (0..4).map(|skip| self.history.stretch(skip, 4).acked_rate());
            1.10 * late.fold(0.0, f64::max) / kept
        };
        let measured = if limit > 0.0 { taken.min(limit) } else { taken };
        self.estimate += ESTIMATE_WEIGHT * (measured - self.estimate);
    }

    fn gain(&mut self, queue: f64, target: f64) -> f64 {
        self.dry = if queue < 0.25 * target {
            self.dry + 1
        } else {
            0
        };
        let gain = 1.0 + GAIN_SLOPE * (target - queue) / self.srtt.max(0.2);
        let gain = if self.losses.is_shallow() {
            match self.rounds % 20 {
                0..3 => 0.85,
                _ => gain.min(1.02),
            }
        } else if self.dry >= DRY.0 {
            gain.max(DRY_GAIN)
        } else {
            gain
        };
        gain.clamp(GAIN.0, GAIN.1)
    }

    /// The link gives far less than it once did and no queue explains it.
    fn has_woken(&self) -> bool {
        self.dry >= DRY.1
            && self.losses.is_clear()
            && !self.losses.is_overflow()
            && self.history.len() >= 10
            && self.estimate < 0.4 * self.top
    }
}

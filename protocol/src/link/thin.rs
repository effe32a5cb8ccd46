//! The law: how fast to send, and how much may be in flight.

use std::time::Duration;

use super::clocked::{Clocked, deep};
use super::delay::Base;
use super::loss::Losses;
use super::pacer::PACED_BELOW;
use super::round::{Collector, History, Round};
use super::unrest::Unrest;

/// The queue aimed at, seconds: never dry, hardly felt.
const TARGET: f64 = 0.15;
/// Packets in flight at the very start, and at least.
const WINDOW_START: f64 = 8.0;
const WINDOW_LEAST: f64 = 6.0;

/// Bytes in flight beyond what the path holds, at most, where packets are not paced: the buffers of
/// a host or a switch hold no more.
const SPARE_UNPACED: f64 = 131_072.0;

/// A start that sends so many times what arrives has found the link's limit.
const ENOUGH: f64 = 1.25;

/// No shorter silence is a gap, seconds; what a gap spoils, rounds.
const GAP_LEAST: f64 = 0.4;
const GAP_ROUNDS: u32 = 2;
/// Silences that are fades, seconds.
const FADE: (f64, f64) = (0.6, 2.5);
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
    pub(super) mtu: f64,
    pub(super) ack_delay: f64,
    pub(super) srtt: f64,
    pub(super) base: Base,
    pub(super) round: Collector,
    pub(super) history: History,
    pub(super) losses: Losses,
    pub(super) unrest: Unrest,
    pub(super) phase: Phase,
    /// Bytes per second that the link takes.
    pub(super) estimate: f64,
    /// The highest estimate so far.
    pub(super) top: f64,
    pub(super) rate: f64,
    /// The other law, while the link is restless.
    pub(super) clocked: Option<Clocked>,
    /// The round in which the queue was last found too shallow for that.
    pub(super) shallow_seen: Option<u32>,
    pub(super) window: f64,
    pub(super) rounds: u32,
    pub(super) dry: u32,
    /// The rate is only remembered.
    pub(super) guessed: bool,
    /// Rounds since the last start.
    pub(super) settled: u32,
    /// Rounds that an interruption still spoils.
    pub(super) gap: u32,
    pub(super) heard: f64,
    /// When a short silence was last seen, and how long it was.
    pub(super) fade: Option<(f64, f64)>,
    /// The usual time between two acknowledgements.
    pub(super) ack_interval: f64,
    pub(super) app_limited: bool,
    /// Others use the link too, and go first.
    pub(super) polite: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Doubling each round.
    Start(Start),
    Steady,
}

/// The highest rates of a start, and rounds in which they no longer grew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    arrived: f64,
    sent: f64,
    flat: u32,
    /// The rounds in which it still grew: what they lost, the link always loses.
    clear: Round,
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
            unrest: Unrest::default(),
            phase: Phase::Start(Start::default()),
            estimate: 0.0,
            top: 0.0,
            rate: 0.0,
            clocked: None,
            shallow_seen: None,
            window: WINDOW_START * mtu,
            rounds: 0,
            dry: 0,
            guessed: false,
            settled: 0,
            gap: 0,
            heard: now,
            fade: None,
            ack_interval: 0.2,
            app_limited: false,
            polite: false,
        };
        if let Some(known) = remembered {
            thin.estimate = (0.9 * known.rate).max(0.5 * mtu);
            thin.rate = thin.estimate;
            thin.srtt = known.rtt.as_secs_f64();
            thin.window = (thin.rate * (thin.srtt + 0.3)).max(WINDOW_LEAST * mtu);
            thin.phase = Phase::Steady;
            thin.guessed = true;
        }
        thin
    }

    /// Gives way to every other flow on the link: a queue that stands is theirs. A little of the
    /// link is kept all the same.
    #[must_use]
    pub const fn politely(mut self) -> Self {
        self.polite = true;
        self
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
        // A rate that is too low leaves pauses, a window that is too small leaves bursts a round
        // trip apart.
        let pause = 3.0 * self.mtu / self.rate.max(1.0) + self.ack_delay;
        let usual = (in_a_row * self.ack_interval)
            .max(self.srtt + 0.1)
            .max(pause);
        if silence > usual.max(GAP_LEAST) {
            self.gap = GAP_ROUNDS;
            self.base.interrupted();
            if self.rounds > 4 && (FADE.0..FADE.1).contains(&silence) {
                self.fade = Some((now, silence));
            }
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
        let aim = self.aim();
        let queue = self.base.round(now, delays, aim) - self.ack_wait();
        let queue = queue.max(0.0);
        self.history.push(round);
        if let Phase::Start(start) = self.phase {
            self.start_up(&round, queue, start);
        }
        if matches!(self.phase, Phase::Steady) {
            self.steady(now, &round, queue);
        }
        if self.rate >= PACED_BELOW {
            let base = self.base.seconds().unwrap_or(self.srtt);
            self.window = self.window.min(self.rate * base + SPARE_UNPACED);
        }
        self.window = self.window.max(WINDOW_LEAST * self.mtu);
    }

    /// The queue that the law in force aims at; none while starting.
    fn aim(&self) -> Option<f64> {
        let target = self.base.target();
        match (self.phase, &self.clocked) {
            (Phase::Start(_), _) => None,
            _ if self.polite => None,
            (Phase::Steady, None) => Some(target),
            (Phase::Steady, Some(_)) => Some(deep(target)),
        }
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
        let grows = arrived > 1.2 * start.arrived;
        // What is sent far above what ever arrived was enough, even if there is no more to send.
        let enough = !self.app_limited || round.rate() > ENOUGH * start.arrived;
        if grows {
            start.clear = start.clear.and(round);
        } else if enough && !round.gap {
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
            self.losses.begin(&start.clear, self.mtu);
            self.phase = Phase::Steady;
            self.settled = 0;
        }
    }
}

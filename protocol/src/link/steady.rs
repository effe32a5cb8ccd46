//! The law in the long run: a rate first, with a loose window around it.

use super::clocked::{Clocked, Shown};
use super::round::Round;
use super::thin::{Phase, Start, Thin};

/// What of it large packets on a thin link may take off.
const TARGET_GIVES: f64 = 0.1;
/// What the rate may be of the estimate.
const GAIN: (f64, f64) = (0.5, 1.25);
/// How hard the queue's distance from its target is followed.
const GAIN_SLOPE: f64 = 0.5;
/// Rounds without queue before the link is held to have more to give, and before it is measured
/// anew from the start.
const DRY: (u32, u32) = (3, 10);
/// The same while the rate is only remembered: a little faster must have been tried before.
const DRY_GUESSED: u32 = 6;
/// The rate for a link that seems to have more to give.
const DRY_GAIN: f64 = 1.2;
/// The rate while the queue is drained for a look at the empty path.
const DRAIN_GAIN: f64 = 0.8;
/// Beside others: the queue aimed at, parts of the usual one; how hard a longer one is fled; the
/// part of the link that is kept; the rate where there seems to be more.
const POLITE_TARGET: f64 = 0.5;
const POLITE_SLOPE: f64 = 2.0;
const POLITE_KEEPS: f64 = 0.12;
const POLITE_DRY_GAIN: f64 = 1.05;
/// A rival's queue that was there from the first may be ours by now: every so many rounds, for so
/// many, so little of the rate is sent. What is measured meanwhile, and so many rounds later, is no
/// rate of the link's.
const POLITE_LOOK: (u32, u32) = (60, 2);
const POLITE_LOOK_GAIN: f64 = 0.5;
const POLITE_LOOK_SPOILS: u32 = 4;
/// The estimate takes half of each new measurement.
const ESTIMATE_WEIGHT: f64 = 0.5;
/// How long a fade is remembered, seconds.
const FADE_LASTS: f64 = 600.0;
/// Packets in flight beyond what the path holds, seconds: without and with fades.
const SPARE: f64 = 0.15;
const SPARE_MAX: f64 = 1.5;
/// Rounds for which a shallow queue is remembered.
const SHALLOW_LASTS: u32 = 40;
/// Rounds after a start until the rate is at home.
const SETTLED: u32 = 10;

impl Thin {
    /// Takes a round.
    pub(super) fn steady(&mut self, now: f64, round: &Round, queue: f64) {
        // A packet's own time on the air is queue to the one behind it.
        let packet = self.mtu / self.estimate.max(1.0);
        let target = self.base.target() - (0.25 * packet).min(TARGET_GIVES);
        let base = self.base.seconds().unwrap_or(self.srtt);
        self.guessed &= queue < target && self.rounds < SETTLED;
        self.losses
            .round(&self.history, self.mtu, queue > 1.2 * target);
        if !round.gap && !self.app_limited {
            let before = self.estimate;
            self.measure();
            if self.guessed || self.looks() || self.has_looked() {
                // A pipe that fills or is drained says little of what the link takes.
                self.estimate = self.estimate.max(before);
            }
            self.settled += 1;
        }
        // Overflow and the end of a start make the rate swing by themselves.
        if self.settled <= SETTLED || self.app_limited || self.losses.is_overflow() {
            self.unrest.interrupted();
        } else if !round.gap {
            self.unrest.round(round, self.mtu);
        }
        let floor = 8.0 * self.mtu / base.max(0.1);
        self.top = self.top.max(self.estimate);
        if self.rounds < 60 {
            self.top = self.top.max(floor);
        }
        let (target, gain) = match self.polite {
            true => self.give_way(queue, target),
            false => (target, self.gain(now, queue, target)),
        };
        if !self.polite && self.has_woken() {
            self.phase = Phase::Start(Start::default());
            (self.dry, self.guessed) = (0, false);
        }
        self.rate = (self.estimate * gain).max(self.mtu / 2.0);
        let spare = if queue < 2.0 * target {
            self.spare(now)
        } else {
            0.05
        };
        self.window = self.rate * (base + target + spare);
        self.follow(round, base, target, queue);
    }

    /// On a restless link the window leads and the rate follows.
    fn follow(&mut self, round: &Round, base: f64, target: f64, queue: f64) {
        if self.losses.is_shallow() {
            self.shallow_seen = Some(self.rounds);
        }
        let shallow = self
            .shallow_seen
            .is_some_and(|at| self.rounds - at < SHALLOW_LASTS);
        // Beside others the rate swings because they do.
        if !self.unrest.is_restless() || shallow || self.polite {
            self.clocked = None;
            return;
        }
        let shown = Shown {
            rate: round.rate().max(self.estimate),
            base,
            queue,
            target,
            mtu: self.mtu,
            overflow: self.losses.is_overflow(),
        };
        let clocked = self.clocked.get_or_insert_with(|| Clocked::begin(&shown));
        self.window = clocked.round(&shown);
        self.rate = clocked.pace(&shown);
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

    fn gain(&mut self, now: f64, queue: f64, target: f64) -> f64 {
        self.dry = if queue < 0.25 * target {
            self.dry + 1
        } else {
            0
        };
        let gain = 1.0 + GAIN_SLOPE * (target - queue) / self.srtt.max(0.2);
        let gain = if self.base.is_stale(now) {
            gain.min(DRAIN_GAIN)
        } else if self.losses.is_shallow() {
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

    /// The target and the gain beside others: a smaller queue, and away from it fast. The delay of
    /// the empty path is never taken anew for it.
    fn give_way(&mut self, queue: f64, target: f64) -> (f64, f64) {
        self.estimate = self.estimate.max(POLITE_KEEPS * self.top);
        let target = POLITE_TARGET * target;
        self.dry = if queue < 0.25 * target {
            self.dry + 1
        } else {
            0
        };
        let slope = if queue > target {
            POLITE_SLOPE
        } else {
            GAIN_SLOPE
        };
        let gain = 1.0 + slope * (target - queue) / self.srtt.max(0.2);
        let gain = match self.dry >= DRY.0 {
            true => gain.max(POLITE_DRY_GAIN),
            false => gain,
        };
        let gain = match self.looks() {
            true => POLITE_LOOK_GAIN,
            false => gain,
        };
        (target, gain.clamp(GAIN.0, GAIN.1))
    }

    /// Beside others: less is sent for a while, to see the empty path.
    const fn looks(&self) -> bool {
        self.polite && self.rounds % POLITE_LOOK.0 >= POLITE_LOOK.0 - POLITE_LOOK.1
    }

    /// Such a while is hardly over.
    const fn has_looked(&self) -> bool {
        self.polite && self.rounds % POLITE_LOOK.0 < POLITE_LOOK_SPOILS
    }

    /// The link gives far less than it once did and no queue explains it.
    fn has_woken(&self) -> bool {
        let (dry, known) = if self.guessed {
            (DRY_GUESSED, 3)
        } else {
            (DRY.1, 10)
        };
        self.dry >= dry
            && self.losses.is_clear()
            && !self.losses.is_overflow()
            && self.history.len() >= known
            && (self.guessed || self.estimate < 0.4 * self.top)
    }

    /// Seconds of packets in flight beyond what the path holds, so that acknowledgements may be
    /// late or lost, and a fade passes unnoticed. An outage swallows them.
    fn spare(&mut self, now: f64) -> f64 {
        self.fade = self.fade.filter(|(at, _)| now - at < FADE_LASTS);
        let fade = self.fade.map_or(0.0, |(_, silence)| silence + 0.3);
        let late = 4.0 * self.losses.background() * self.ack_interval;
        let coarse = 2.5 * self.mtu / self.estimate.max(1.0);
        (SPARE + late + coarse).max(fade.min(SPARE_MAX))
    }
}

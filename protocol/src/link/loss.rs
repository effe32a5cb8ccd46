//! Loss that the link always has, told apart from a queue that overflows.

use super::round::{History, Round};

/// Packets that a stretch must hold before its loss means anything.
const STRETCH_PACKETS: f64 = 110.0;
/// Rounds of such a stretch, within bounds.
const STRETCH_ROUNDS: (f64, f64) = (4.0, 24.0);
/// Packets of a start before it was too fast, for its loss to mean anything.
const CLEAR_PACKETS: f64 = 60.0;
/// Taken for the background where not even that is known.
const UNKNOWN: f64 = 0.3;
/// Loss this much above the background, beside chance, is overflow.
const EXCESS: f64 = 0.04;
/// An alarm is false when what is sent has fallen to this part, and what arrives to that.
const ALARM: (f64, f64) = (0.75, 0.87);
/// Rounds for which that is remembered.
const FLOOR_ROUNDS: u32 = 300;
/// Rounds of overflow before the queue is held to be shallow, and the most that are counted.
const SHALLOW: (u32, u32) = (3, 30);

/// Judges losses.
#[derive(Clone, Debug)]
pub(super) struct Losses {
    background: f64,
    /// Taken for the background until more is known.
    unknown: f64,
    overflow: bool,
    rounds: u32,
    alarm: Option<Alarm>,
    /// What an alarm that was false has taught, and the rounds for which it is believed.
    floor: (f64, u32),
}

/// What was sent and what arrived, per second, when the queue was first held to be shallow.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    sent: f64,
    arrived: f64,
}

impl Losses {
    pub(super) const fn new() -> Self {
        Self {
            background: UNKNOWN,
            unknown: UNKNOWN,
            overflow: false,
            rounds: 0,
            alarm: None,
            floor: (0.0, 0),
        }
    }

    /// A start is over: `clear` is what went before the link was full.
    pub(super) fn begin(&mut self, clear: &Round, mtu: f64) {
        if clear.packets(mtu) >= CLEAR_PACKETS {
            let bound = clear.loss() + 2.0 * deviation(clear.loss(), clear, mtu);
            self.unknown = bound.min(UNKNOWN);
            self.background = self.unknown;
        }
    }

    /// The share that is lost whatever is sent; an upper bound.
    pub(super) const fn background(&self) -> f64 {
        self.background
    }

    /// Of late more was lost than the background explains.
    pub(super) const fn is_overflow(&self) -> bool {
        self.overflow
    }

    /// The queue overflows before the delay shows it.
    pub(super) const fn is_shallow(&self) -> bool {
        self.rounds > SHALLOW.0
    }

    /// No overflow was seen for a while.
    pub(super) const fn is_clear(&self) -> bool {
        self.rounds == 0
    }

    /// Takes another round into account. `deep`: the delay shows a queue above its target, so
    /// that overflow proves nothing.
    pub(super) fn round(&mut self, history: &History, mtu: f64, deep: bool) {
        let rounds = stretch_rounds(history, mtu);
        let floor = if self.floor.1 > 0 { self.floor.0 } else { 0.0 };
        self.floor.1 = self.floor.1.saturating_sub(1);
        let known = background(history, rounds, mtu);
        self.background = known.unwrap_or(self.unknown).max(floor);
        let late = history.last(rounds * 3 / 2);
        let chance = 1.5 * deviation(self.background, &late, mtu);
        self.overflow = late.loss() > self.background + EXCESS + chance;
        let counts = self.overflow && !deep && history.len() >= 2 * rounds + 4;
        self.rounds = match counts {
            true => (self.rounds + 1).min(SHALLOW.1),
            false => self.rounds.saturating_sub(1),
        };
        self.check_alarm(&late);
    }

    /// What overflows arrives at the same rate when less is sent. When less arrives too, the loss
    /// is the link's.
    fn check_alarm(&mut self, late: &Round) {
        if !self.is_shallow() {
            self.alarm = None;
            return;
        }
        let (sent, arrived) = (late.rate(), late.acked_rate());
        let alarm = *self.alarm.get_or_insert(Alarm { sent, arrived });
        if sent < ALARM.0 * alarm.sent && arrived < ALARM.1 * alarm.arrived {
            self.floor = (late.loss(), FLOOR_ROUNDS);
            self.background = self.background.max(late.loss());
            (self.overflow, self.rounds, self.alarm) = (false, 0, None);
        }
    }

    /// Rounds over which a mean is worth something.
    pub(super) fn stretch(&self, history: &History, mtu: f64) -> usize {
        stretch_rounds(history, mtu)
    }
}

fn stretch_rounds(history: &History, mtu: f64) -> usize {
    let few = history.last(8);
    let per_round = few.sent() / mtu / history.len().clamp(1, 8) as f64;
    let rounds = (STRETCH_PACKETS / per_round.max(0.5)).ceil();
    rounds.clamp(STRETCH_ROUNDS.0, STRETCH_ROUNDS.1) as usize
}

/// The lowest loss of any stretch, plus twice what chance may have taken off.
fn background(history: &History, rounds: usize, mtu: f64) -> Option<f64> {
    if history.len() < (2 * rounds.min(8)).max(rounds) {
        return None;
    }
    let bound = |stretch: Round| {
        let loss = stretch.loss();
        loss + 2.0 * deviation(loss, &stretch, mtu)
    };
    Some(history.stretches(rounds).map(bound).fold(1.0, f64::min))
}

/// One standard deviation of the loss of so many packets.
fn deviation(loss: f64, stretch: &Round, mtu: f64) -> f64 {
    let loss = loss.max(0.01);
    (loss * (1.0 - loss).max(0.0) / stretch.packets(mtu)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: f64 = 1400.0;

    fn history(losses: impl Iterator<Item = f64>) -> History {
        let mut history = History::default();
        for loss in losses {
            history.push(Round {
                acked: 30.0 * MTU * (1.0 - loss),
                lost: 30.0 * MTU * loss,
                seconds: 1.0,
                gap: false,
            });
        }
        history
    }

    #[test]
    fn steady_loss_however_high_is_background() {
        let history = history(std::iter::repeat_n(0.2, 60));
        let mut losses = Losses::new();
        for _ in 0..20 {
            losses.round(&history, MTU, false);
        }
        assert!((0.2..0.3).contains(&losses.background()), "{losses:?}");
        assert!(!losses.is_overflow() && !losses.is_shallow());
    }

    #[test]
    fn loss_far_above_the_background_shows_a_shallow_queue() {
        let history = history((0..60).map(|n| if n < 50 { 0.01 } else { 0.2 }));
        let mut losses = Losses::new();
        for _ in 0..5 {
            losses.round(&history, MTU, false);
        }
        assert!(losses.is_overflow() && losses.is_shallow(), "{losses:?}");
        losses.round(&history, MTU, true);
        assert!(!losses.is_clear());
    }

    #[test]
    fn loss_that_stays_when_less_is_sent_is_the_links_own() {
        let mut history = history((0..60).map(|n| if n < 50 { 0.01 } else { 0.2 }));
        let mut losses = Losses::new();
        for _ in 0..5 {
            losses.round(&history, MTU, false);
        }
        assert!(losses.is_shallow());
        for _ in 0..12 {
            history.push(Round {
                acked: 16.0 * MTU,
                lost: 4.0 * MTU,
                seconds: 1.0,
                gap: false,
            });
            losses.round(&history, MTU, false);
        }
        assert!(
            losses.is_clear() && losses.background() > 0.15,
            "{losses:?}"
        );
    }
}

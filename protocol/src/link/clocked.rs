//! The law for links whose rate swings: a window that follows the queue slowly, and packets that
//! leave as acknowledgements come in. A rate would be wrong by the time it is known; a window
//! adapts by itself within a round trip.

/// The queue aimed at, seconds: deep enough to be there when the rate doubles.
const TARGET: f64 = 0.4;
/// The same, by what the rate law would aim at.
const DEEPER: f64 = 1.2;
/// How much of the queue's distance from its target is made good in a round.
const GAIN: f64 = 0.2;
/// Most that a round may take off or add, parts of the window.
const STEP: (f64, f64) = (-0.4, 0.25);
/// What it takes off at least where the queue overflows.
const OVERFLOW: f64 = -0.05;
/// The pace is loose: it only breaks bursts.
const PACE: f64 = 2.0;
/// Packets in flight at least, and most by the estimate.
const LEAST: f64 = 4.0;
const MOST: f64 = 3.0;

/// The window of such a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocked(f64);

/// What a round showed, in bytes and seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) rate: f64,
    pub(super) base: f64,
    pub(super) queue: f64,
    /// What the rate law would aim at; higher where there is jitter.
    pub(super) target: f64,
    pub(super) mtu: f64,
    /// More is lost than the link always loses: the queue is not as deep as the target.
    pub(super) overflow: bool,
}

/// The queue to aim at where the rate law would aim at `target`.
pub(super) const fn deep(target: f64) -> f64 {
    (DEEPER * target).max(TARGET)
}

impl Clocked {
    /// Begins at what the estimate suggests.
    pub(super) fn begin(shown: &Shown) -> Self {
        Self(shown.rate * (shown.base + deep(shown.target)))
    }

    /// Takes a round; the new window.
    pub(super) fn round(&mut self, shown: &Shown) -> f64 {
        let target = deep(shown.target);
        let change = GAIN * shown.rate * (target - shown.queue);
        let most = if shown.overflow { OVERFLOW } else { STEP.1 };
        let change = change.clamp(STEP.0 * self.0, most * self.0);
        let most = MOST * shown.rate * (shown.base + target) + 6.0 * shown.mtu;
        self.0 = (self.0 + change).min(most).max(LEAST * shown.mtu);
        self.0
    }

    /// Bytes per second at which the window leaves.
    pub(super) fn pace(&self, shown: &Shown) -> f64 {
        PACE * self.0 / (shown.base + deep(shown.target)).max(0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: Shown = Shown {
        rate: 30_000.0,
        base: 0.2,
        queue: 0.4,
        target: 0.15,
        mtu: 1400.0,
        overflow: false,
    };

    #[test]
    fn the_window_keeps_at_the_target_grows_below_and_shrinks_above() {
        let mut clocked = Clocked::begin(&SHOWN);
        let start = clocked.0;
        assert!((clocked.round(&SHOWN) - start).abs() < 1e-6);
        assert!(
            clocked.round(&Shown {
                queue: 0.0,
                ..SHOWN
            }) > start
        );
        for _ in 0..20 {
            clocked.round(&Shown {
                queue: 3.0,
                ..SHOWN
            });
        }
        assert!(clocked.0 < start / 2.0 && clocked.0 >= LEAST * 1400.0);
    }

    #[test]
    fn where_the_queue_overflows_the_window_shrinks_however_short_the_delay() {
        let mut clocked = Clocked::begin(&SHOWN);
        let start = clocked.0;
        let overflow = Shown {
            queue: 0.0,
            overflow: true,
            ..SHOWN
        };
        for _ in 0..10 {
            clocked.round(&overflow);
        }
        assert!(clocked.0 < 0.65 * start);
    }

    #[test]
    fn it_is_bounded_by_what_the_link_takes() {
        let mut clocked = Clocked::begin(&SHOWN);
        for _ in 0..1000 {
            clocked.round(&Shown {
                queue: 0.0,
                ..SHOWN
            });
        }
        assert!(clocked.0 <= MOST * 30_000.0 * 0.601 + 6.0 * 1400.0);
        assert!(clocked.pace(&SHOWN) > 2.0 * 30_000.0);
    }
}

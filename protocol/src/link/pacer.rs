//! When the next packet may leave.

use std::time::Duration;

/// A timer this late is made up for; more is not, or a pause would end in a burst.
const LATE: Duration = Duration::from_millis(3);
/// The longest wait after one packet.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// From this many bytes per second on, timers are too coarse and bursts do no harm: 20 Mbit/s.
pub const PACED_BELOW: f64 = 2_500_000.0;

/// Spreads packets evenly at a rate that may change with each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pacer {
    next: Option<Duration>,
}

impl Pacer {
    /// The moment before which nothing may leave; `None` for none.
    #[must_use]
    pub const fn next(&self) -> Option<Duration> {
        self.next
    }

    /// `bytes` leave now, at so many bytes per second; zero for as many as one likes.
    pub fn sent(&mut self, now: Duration, bytes: u64, rate: f64) {
        if rate <= 0.0 || rate >= PACED_BELOW {
            self.next = None;
            return;
        }
        let wait = Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(WAIT_MAX);
        let due = self
            .next
            .map_or(now, |next| next.max(now.saturating_sub(LATE)));
        self.next = Some(due + wait.min(WAIT_MAX));
    }

    /// The next packet may leave at once.
    pub fn restart(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn packets_are_evenly_spread_and_a_late_timer_is_made_up_for() {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.next(), None);
        pacer.sent(MS(1000), 1000, 10_000.0);
        assert_eq!(pacer.next(), Some(MS(1100)));
        pacer.sent(MS(1102), 1000, 10_000.0);
        assert_eq!(pacer.next(), Some(MS(1200)));
        pacer.sent(MS(5000), 1000, 10_000.0);
        assert_eq!(pacer.next(), Some(MS(5097)));
    }

    #[test]
    fn neither_an_unknown_nor_a_high_rate_is_paced_and_no_wait_is_long() {
        let mut pacer = Pacer::default();
        for rate in [0.0, PACED_BELOW, f64::INFINITY] {
            pacer.sent(MS(1), 1000, rate);
            assert_eq!(pacer.next(), None);
        }
        pacer.sent(MS(0), 1000, 1e-30);
        assert_eq!(pacer.next(), Some(WAIT_MAX));
        pacer.restart();
        assert_eq!(pacer.next(), None);
    }
}

//! Clocks: one that counts the machine's sleep, and the wall's.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::time::{Instant, sleep};

use crate::limits::CLOCK_SLICE;

/// A clock made of tokio's first instant and the time since boot, sleep included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    start_boot: Duration,
    boot: fn() -> Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self::over(since_boot)
    }

    fn over(boot: fn() -> Duration) -> Self {
        Self {
            start: Instant::now(),
            start_boot: boot(),
            boot,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + (self.boot)().saturating_sub(self.start_boot)
    }

    /// In slices, because a timer of tokio does not see the sleep.
    pub(super) async fn sleep_until(self, at: Instant) {
        loop {
            let left = at.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(CLOCK_SLICE)).await;
        }
    }
}

/// The wall clock in seconds since 1970; before 1970 it is negative.
pub(super) fn wall() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}

/// How long the machine has slept since it was booted.
pub(super) fn slept() -> Duration {
    since_boot().saturating_sub(span(clock_gettime(ClockId::Monotonic)))
}

fn since_boot() -> Duration {
    span(clock_gettime(ClockId::Boottime))
}

fn span(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    static ASLEEP: AtomicU64 = AtomicU64::new(0);

    /// The real time since boot, and hours of sleep that a test can add.
    fn with_sleep() -> Duration {
        since_boot() + Duration::from_secs(3600 * ASLEEP.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn an_instant_counts_the_time_that_the_machine_slept() {
        let clock = Clock::over(with_sleep);
        let before = clock.now();
        ASLEEP.fetch_add(8, Ordering::SeqCst);
        let age = clock.now() - before;
        assert!(age >= Duration::from_secs(8 * 3600) && age < Duration::from_secs(8 * 3600 + 5));
        // A timer set from such an instant does not wait for the eight hours again.
        let asked = std::time::Instant::now();
        clock
            .sleep_until(clock.now() + Duration::from_millis(20))
            .await;
        let waited = asked.elapsed();
        assert!(waited >= Duration::from_millis(20) && waited < Duration::from_secs(5));
    }

    #[test]
    fn the_clock_never_goes_back() {
        let clock = Clock::new();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn the_wall_clock_is_the_systems() {
        let system = std::time::SystemTime::now();
        let since = system.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(wall().abs_diff(since.as_secs().cast_signed()) <= 1);
    }
}

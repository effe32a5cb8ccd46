//! What the link may cost: bytes per hour, day and month, hours of the day, and a pause. STAT
//! ignores all of it.
//!
//! Periods follow the wall clock, which may be unset or jump. A clock that goes back never gives a
//! period's bytes again; one that goes forward gives them at most once in nine tenths of the
//! period's length; while the clock is unset, periods follow the time since the start, and hours
//! of the day do not hold anything back.

use std::time::Duration;

use karez_protocol::wire::{WireError, decode, encode};

/// Clocks before 2020 are not set.
const SET: i64 = 1_577_836_800;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
/// The shortest and the usual month.
const MONTH: (u64, u64) = (28 * DAY, 30 * DAY);
/// Bytes that may be under way already when a limit is reached are kept free of it; at most this
/// part.
const UNDER_WAY_PART: u64 = 2;
/// The longest wait before the clock is looked at again.
const LOOK: Duration = Duration::from_secs(60);

/// What is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// IP bytes per hour, day and month, both ways together; zero for no limit.
    pub(crate) bytes: [u64; 3],
    /// Minutes of the local day, from and to, in which is sent; none for always.
    pub(crate) windows: Vec<(u32, u32)>,
    /// Seconds that local time is ahead of UTC.
    pub(crate) offset: i64,
}

/// Why nothing but STAT is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// By command.
    Paused,
    /// It is not the hour for it.
    Hours,
    /// The bytes of the period are spent: 0 hour, 1 day, 2 month.
    Spent(usize),
}

/// The two clocks: time since the start, and seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) running: Duration,
    pub(crate) wall: i64,
}

/// A budget and what is spent of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    limits: Limits,
    paused: bool,
    periods: [Period; 3],
    under_way: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Period {
    /// Which hour, day or month it is; 0 before the clock was ever set.
    index: i64,
    used: u64,
    /// When it was last begun, since the start.
    begun: Option<Duration>,
}

type Stored = (bool, [(i64, u64); 3]);

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Other limits from now on; what is spent stays spent.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// What is spent, and whether it is paused, as an earlier process wrote it down.
    ///
    /// # Errors
    /// The bytes are of another version; nothing has changed then.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let (paused, periods): Stored = decode(bytes)?;
        self.paused = paused;
        for (period, (index, used)) in self.periods.iter_mut().zip(periods) {
            (period.index, period.used) = (index, used);
        }
        Ok(())
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let stored: Stored = (self.paused, self.periods.map(|p| (p.index, p.used)));
        encode(&stored)
    }

    /// So many IP bytes were sent or came.
    pub(crate) fn spend(&mut self, now: Now, bytes: u64) {
        self.roll(now);
        for period in &mut self.periods {
            period.used = period.used.saturating_add(bytes);
        }
    }

    /// So many bytes may leave whatever is decided now.
    pub(crate) const fn set_under_way(&mut self, bytes: u64) {
        self.under_way = bytes;
    }

    pub(crate) const fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Why nothing but STAT may go, and when to ask again.
    pub(crate) fn hold(&mut self, now: Now) -> Option<(Hold, Duration)> {
        self.roll(now);
        if self.paused {
            return Some((Hold::Paused, LOOK));
        }
        let spent = self.periods.iter().zip(self.limits.bytes);
        let spent = spent.map(|(period, limit)| {
            let under_way = self.under_way.min(limit / UNDER_WAY_PART);
            limit > 0 && period.used.saturating_add(under_way) >= limit
        });
        // The longest period that is spent says most.
        if let Some(which) = spent.collect::<Vec<_>>().iter().rposition(|spent| *spent) {
            return Some((Hold::Spent(which), LOOK));
        }
        self.closed(now.wall).then_some((Hold::Hours, LOOK))
    }

    /// Bytes spent and allowed of the hour, the day and the month.
    pub(crate) fn spent(&mut self, now: Now) -> [(u64, u64); 3] {
        self.roll(now);
        let limits = self.limits.bytes;
        std::array::from_fn(|i| (self.periods[i].used, limits[i]))
    }

    /// Whether there is anything to keep count of.
    pub(crate) fn is_free(&self) -> bool {
        !self.paused && self.limits == Limits::default()
    }

    fn closed(&self, wall: i64) -> bool {
        if self.limits.windows.is_empty() || wall < SET {
            return false;
        }
        let local = wall.saturating_add(self.limits.offset);
        let minute = u32::try_from(local.rem_euclid(DAY as i64) / 60).unwrap_or(0);
        let inside = |(from, to): &(u32, u32)| match from < to {
            true => (*from..*to).contains(&minute),
            false => minute >= *from || minute < *to,
        };
        !self.limits.windows.iter().any(inside)
    }

    fn roll(&mut self, now: Now) {
        let local = now.wall.saturating_add(self.limits.offset);
        let indexes = [
            local.div_euclid(HOUR as i64),
            local.div_euclid(DAY as i64),
            month(local.div_euclid(DAY as i64)),
        ];
        let lengths = [(HOUR, HOUR), (DAY, DAY), MONTH];
        for ((period, index), length) in self.periods.iter_mut().zip(indexes).zip(lengths) {
            match now.wall < SET {
                true => period.roll_unset(now.running, length.1),
                false => period.roll(now.running, index, length.0),
            }
        }
    }
}

impl Period {
    fn roll(&mut self, running: Duration, index: i64, length: u64) {
        let least = Duration::from_secs(length) * 9 / 10;
        let soon = self
            .begun
            .is_some_and(|at| running.saturating_sub(at) < least);
        if index > self.index && !soon {
            (self.used, self.begun) = (0, Some(running));
        }
        self.index = index;
    }

    fn roll_unset(&mut self, running: Duration, length: u64) {
        let begun = *self.begun.get_or_insert(running);
        if running.saturating_sub(begun) >= Duration::from_secs(length) {
            (self.used, self.begun) = (0, Some(running));
        }
    }
}

/// The number of the month that a day since 1970 is in (by Howard Hinnant's `civil_from_days`).
fn month(day: i64) -> i64 {
    let z = day.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    (year + era * 400) * 12 + from_march
}

#[cfg(test)]
mod tests;

//! The bundle's meter: beyond the month's volume some tariffs slow the line down.

use std::time::Duration;

use crate::profile::schema::Bundle;
use crate::time::DAY;

#[derive(Debug)]
pub(super) struct Meter {
    /// Bytes a month, and the rate beyond, bit/s.
    limit: Option<(f64, f64)>,
    month: u128,
    used: f64,
}

impl Meter {
    pub(super) fn new(bundle: Option<&Bundle>) -> Self {
        let limit = bundle.and_then(|b| Some((b.month_gb.0 * 1e9, b.after_cap_kbit?.0 * 1e3)));
        Self {
            limit,
            month: 0,
            used: 0.0,
        }
    }

    /// The highest rate at that moment, bit/s. A month has 30 days.
    pub(super) fn allows(&mut self, now: Duration) -> f64 {
        let month = now.as_nanos() / (DAY * 30).as_nanos();
        if self.month != month {
            (self.month, self.used) = (month, 0.0);
        }
        self.limit
            .filter(|(volume, _)| self.used >= *volume)
            .map_or(f64::INFINITY, |(_, rate)| rate)
    }

    pub(super) fn count(&mut self, bytes: usize) {
        self.used += bytes as f64;
    }
}

//! What a month of bytes costs.

use std::time::Duration;

use super::schema::Bundle;
use crate::time::hour_of_day;

impl Bundle {
    /// True in the hours of the night volume.
    #[must_use]
    pub fn is_night(&self, at: Duration) -> bool {
        let hour = hour_of_day(at);
        self.night_h
            .is_some_and(|night| (night.0..night.1).contains(&hour))
    }

    /// Rupees for so many days and IP bytes, both directions counted: the months begun, and what
    /// lies beyond their volume. What the night used beyond its own part counts with the day.
    #[must_use]
    pub fn rupees(&self, days: f64, by_day: u64, by_night: u64) -> f64 {
        let months = (days / 30.0).ceil().max(1.0);
        let night = self.night_gb.0.min(self.month_gb.0) * 1e9 * months;
        let any_hour = self.month_gb.0 * 1e9 * months - night;
        let used = by_day as f64 + (by_night as f64 - night).max(0.0);
        let over_mb = (used - any_hour).max(0.0) / 1e6;
        self.pkr.0 * months + over_mb * self.over_pkr_mb.map_or(0.0, |price| price.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::Profile;
    use crate::time::hours;

    #[test]
    fn a_day_of_a_district_hospital_is_dear_only_beyond_the_bundle() {
        let bundle = Profile::load("dhq-4g-microwave").unwrap().bundle.unwrap();
        assert_eq!(bundle.rupees(30.0, 389_000_000, 0), 1000.0);
        assert_eq!(bundle.rupees(30.0, 20_000_000_000, 20_000_000_000), 1000.0);
        assert_eq!(bundle.rupees(31.0, 0, 0), 2000.0);
        let over = bundle.rupees(30.0, 20_389_000_000, 0) - 1000.0;
        assert!((over - 389.0 * 4.0).abs() < 1e-6, "{over}");
        assert!(bundle.is_night(hours(25.5)) && !bundle.is_night(hours(9.0)));
    }
}

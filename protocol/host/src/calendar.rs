//! Days and moments as people write them, in UTC (the proleptic Gregorian calendar).

/// The first second of a day, since 1970, from `YYYY-MM-DD`; `None` when it is no day of 1970 to
/// 9999.
#[must_use]
pub fn day(text: &str) -> Option<i64> {
    let parts: Vec<i64> = text
        .split('-')
        .map(|p| p.parse().ok())
        .collect::<Option<_>>()?;
    let &[year, month, day] = parts.as_slice() else {
        return None;
    };
    let valid = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !valid || !(1..=31).contains(&day) {
        return None;
    }
    // Days from the civil calendar, with March as the first month of a year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (y / 400, y % 400);
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400)
}

/// Seconds since 1970 as RFC 3339 has them, such as `2026-11-24T13:05:00Z`.
#[must_use]
pub fn utc(wall: i64) -> String {
    let (days, second) = (wall.div_euclid(86_400), wall.rem_euclid(86_400));
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        assert_eq!(day("1970-01-01"), Some(0));
        assert_eq!(day("2000-02-29"), Some(951_782_400));
        assert_eq!(day("2026-11-24"), Some(1_795_478_400));
        for bad in [
            "",
            "2026",
            "2026-13-01",
            "2026-01-32",
            "yesterday",
            "1969-01-01",
        ] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_before_1970_has_a_date_too() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(-1), "1969-12-31T23:59:59Z");
        assert_eq!(utc(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(utc(-2_177_452_800), "1901-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn a_day_is_read_back_from_what_is_written(days in 0_i64..2_900_000) {
            let wall = days * 86_400;
            prop_assert_eq!(day(&utc(wall + 3_600)[..10]), Some(wall));
        }
    }
}

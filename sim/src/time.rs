//! Simulated time: a `Duration` since the start, which is a Monday, 00:00 local time.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// One hour.
pub const HOUR: Duration = Duration::from_secs(3600);
/// One day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// Seconds to a `Duration`; negative and not-a-number become zero, the far future is cut at a
/// thousand years.
#[must_use]
pub fn seconds(s: f64) -> Duration {
    Duration::from_nanos((s.clamp(0.0, 3.2e9) * 1e9).round() as u64 * u64::from(!s.is_nan()))
}

/// Hours to a `Duration`, with the bounds of [`seconds`].
#[must_use]
pub fn hours(h: f64) -> Duration {
    seconds(h * 3600.0)
}

/// The local hour of the day, `0.0..24.0`.
#[must_use]
pub fn hour_of_day(at: Duration) -> f64 {
    (at.as_secs_f64() / 3600.0).rem_euclid(24.0)
}

/// The number of the day since the start.
#[must_use]
pub fn day(at: Duration) -> u64 {
    at.as_secs() / DAY.as_secs()
}

/// A moment or a length as people write it in a file: `12.5` (seconds), `"90s"`, `"5 min"`,
/// `"36h"`, `"26d"`, `"d2"`, `"d2 17:00"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct When(pub Duration);

impl When {
    /// Reads one of the forms above.
    ///
    /// # Errors
    /// A sentence that names the accepted forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let parsed = text
            .strip_prefix('d')
            .map_or_else(|| length(text), calendar_moment);
        parsed.map(Self).ok_or_else(|| format!("`{text}` is no time: write 90, \"90s\", \"5 min\", \"36h\", \"26d\" or \"d2 17:00\""))
    }
}

fn calendar_moment(text: &str) -> Option<Duration> {
    let (day, clock) = text.split_once(' ').unwrap_or((text, "00:00"));
    let (hour, minute) = clock.trim().split_once(':')?;
    let (day, hour, minute) = (
        day.parse::<u32>().ok()?,
        hour.parse::<u32>().ok()?,
        minute.parse::<u32>().ok()?,
    );
    (hour <= 24 && minute < 60).then(|| DAY * day + HOUR * hour + Duration::from_secs(60) * minute)
}

fn length(text: &str) -> Option<Duration> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().ok()?;
    let unit = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "min" | "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    (number >= 0.0).then(|| seconds(number * unit))
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WhenVisitor)
    }
}

struct WhenVisitor;

impl Visitor<'_> for WhenVisitor {
    type Value = When;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 90, \"5 min\" or \"d2 17:00\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<When, E> {
        When::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<When, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<When, E> {
        if value >= 0.0 {
            Ok(When(seconds(value)))
        } else {
            Err(E::custom(format!("a time cannot be {value}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, secs) in [
            ("90", 90.0),
            ("90s", 90.0),
            ("5 min", 300.0),
            ("1.5h", 5400.0),
            ("26d", 26.0 * 86_400.0),
        ] {
            assert_eq!(When::parse(text).unwrap().0, seconds(secs), "{text}");
        }
        assert_eq!(
            When::parse("d2 17:30").unwrap().0,
            DAY * 2 + HOUR * 17 + Duration::from_secs(1800)
        );
        assert_eq!(When::parse("d30").unwrap().0, DAY * 30);
        for text in ["", "d", "d2 25:00", "d2 17", "5 years", "-3"] {
            assert!(When::parse(text).is_err(), "{text}");
        }
    }
}

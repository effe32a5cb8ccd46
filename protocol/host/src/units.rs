//! Quantities with their units, as people write them in a configuration and read them in a status.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not the quantity it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// It has no number in front.
    #[error("\"{text}\" is not a {noun}: write a number and a unit, as in \"{example}\"")]
    NoNumber {
        /// What was written.
        text: String,
        /// What it should be.
        noun: &'static str,
        /// A right one.
        example: &'static str,
    },
    /// Its unit is missing or unknown.
    #[error("\"{text}\" is not a {noun}: its unit must be one of {known}, as in \"{example}\"")]
    NoUnit {
        /// What was written.
        text: String,
        /// What it should be.
        noun: &'static str,
        /// The units that are known.
        known: String,
        /// A right one.
        example: &'static str,
    },
    /// It is too large, or finer than the smallest unit.
    #[error("\"{text}\" is a {noun} that cannot be kept exactly: use a whole number of {smallest}")]
    Inexact {
        /// What was written.
        text: String,
        /// What it should be.
        noun: &'static str,
        /// The smallest unit.
        smallest: &'static str,
    },
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $noun:literal, $example:literal, [$(($unit:literal, $factor:expr)),*]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            const KIND: Kind = Kind {
                noun: $noun,
                example: $example,
                units: &[$(($unit, $factor)),*],
            };
        }

        impl FromStr for $name {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                Self::KIND.parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Self::KIND.print(self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Read(&Self::KIND)).map(Self)
            }
        }
    };
}

quantity!(
    /// Bytes, written as `"10 GiB"` or `"10 GB"`.
    Size, "size", "10 GiB",
    [("TiB", 1 << 40), ("TB", 1_000_000_000_000), ("GiB", 1 << 30), ("GB", 1_000_000_000),
     ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1_000), ("B", 1)]
);
quantity!(
    /// A length of time in milliseconds, written as `"15 s"`.
    Period, "length of time", "15 s",
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)]
);
quantity!(
    /// Bits per second, written as `"64 kbit/s"` (1 kbit/s is 1000 bit/s).
    Rate, "rate", "64 kbit/s",
    [("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1_000), ("bit/s", 1)]
);

impl Period {
    /// A whole number of seconds.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds as u64 * 1_000)
    }

    /// As the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// What all quantities share: their units from the largest to the smallest, whose factor is 1.
struct Kind {
    noun: &'static str,
    example: &'static str,
    units: &'static [(&'static str, u64)],
}

impl Kind {
    fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = (&trimmed[..end], trimmed[end..].trim_start());
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') {
            return Err(UnitError::NoNumber {
                text: text.into(),
                noun: self.noun,
                example: self.example,
            });
        }
        let factor = self.factor(unit).ok_or_else(|| UnitError::NoUnit {
            text: text.into(),
            noun: self.noun,
            known: self.known(),
            example: self.example,
        })?;
        exact(whole, fraction, factor).ok_or_else(|| UnitError::Inexact {
            text: text.into(),
            noun: self.noun,
            smallest: self.units.last().map_or("", |unit| unit.0),
        })
    }

    fn factor(&self, unit: &str) -> Option<u64> {
        self.units.iter().find(|u| u.0 == unit).map(|u| u.1)
    }

    fn known(&self) -> String {
        let names: Vec<&str> = self.units.iter().rev().map(|unit| unit.0).collect();
        names.join(", ")
    }

    /// The largest unit that leaves no remainder, so that what is printed reads back the same.
    fn print(&self, value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, u64)| value >= unit.1 && value.is_multiple_of(unit.1);
        let smallest = self.units.last().copied().unwrap_or(("", 1));
        let (unit, factor) = self.units.iter().find(fits).copied().unwrap_or(smallest);
        write!(f, "{} {unit}", value / factor)
    }
}

/// `whole.fraction` times `factor`, when that is a whole number of at most 64 bits.
fn exact(whole: &str, fraction: &str, factor: u64) -> Option<u64> {
    let fraction = fraction.trim_end_matches('0');
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = digits.checked_mul(u128::from(factor))?;
    let whole_number = scaled.is_multiple_of(scale).then_some(scaled / scale)?;
    u64::try_from(whole_number).ok()
}

struct Read(&'static Kind);

impl de::Visitor<'_> for Read {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} such as \"{}\"", self.0.noun, self.0.example)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        self.0.parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!("10 GiB".parse(), Ok(Size(10 << 30)));
        assert_eq!("1.5KiB".parse(), Ok(Size(1536)));
        assert_eq!("15 s".parse(), Ok(Period::seconds(15)));
        assert_eq!("2.5 min".parse(), Ok(Period(150_000)));
        assert_eq!(" 64 kbit/s ".parse(), Ok(Rate(64_000)));
    }

    #[test]
    fn what_is_not_a_quantity_is_refused_with_a_right_example() {
        let text = |result: Result<Size, UnitError>| result.unwrap_err().to_string();
        assert!(text("lots".parse()).contains("as in \"10 GiB\""));
        assert!(text("10".parse()).contains("one of B, kB, KiB"));
        assert!(text("10 gib".parse()).contains("GiB"));
        assert!(text("1.2.3 B".parse()).contains("write a number"));
        assert!(text("0.5 B".parse()).contains("whole number of B"));
        assert!(text("99999999 TiB".parse()).contains("cannot be kept exactly"));
        assert!(text("-1 B".parse()).contains("write a number"));
    }

    #[test]
    fn a_quantity_prints_in_its_largest_exact_unit() {
        assert_eq!(Size(10_000_000_000).to_string(), "10 GB");
        assert_eq!(Size(1 << 30).to_string(), "1 GiB");
        assert_eq!(Size(0).to_string(), "0 B");
        assert_eq!(Period(90_000).to_string(), "90 s");
        assert_eq!(Rate(64_000).to_string(), "64 kbit/s");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value: u64) {
            prop_assert_eq!(Size(value).to_string().parse(), Ok(Size(value)));
            prop_assert_eq!(Period(value).to_string().parse(), Ok(Period(value)));
            prop_assert_eq!(Rate(value).to_string().parse(), Ok(Rate(value)));
        }
    }
}

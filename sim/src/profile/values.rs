//! Numbers with their bounds, and values that may live in a file of their own.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, IntoDeserializer, SeqAccess, Visitor};

use crate::calendar::Spans;
use crate::time::When;

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $range:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Deserialize)]
        #[serde(try_from = "f64")]
        pub struct $name(pub f64);

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(value: f64) -> Result<Self, String> {
                if $range.contains(&value) { Ok(Self(value)) } else { Err(format!(concat!("{} is not ", $what), value)) }
            }
        }
    };
}

bounded!(
    /// A share or a probability.
    Share, 0.0..=1.0, "between 0 and 1"
);
bounded!(
    /// Zero or more, and sane (below 10¹²).
    Amount, 0.0..=1e12, "between 0 and 1e12"
);
bounded!(
    /// More than zero, and sane (10⁻⁶ to 10¹²).
    Positive, 1e-6..=1e12, "above 0 (and below 1e12)"
);
bounded!(
    /// The sigma of a lognormal: beyond 4 a link is noise.
    Sigma, 0.0..=4.0, "between 0 and 4"
);
bounded!(
    /// An hour of the day.
    Hour, 0.0..=24.0, "an hour between 0 and 24"
);

/// A low and a high bound; low must not exceed high.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "(f64, f64)")]
pub struct Range(pub f64, pub f64);

impl TryFrom<(f64, f64)> for Range {
    type Error = String;

    fn try_from((low, high): (f64, f64)) -> Result<Self, String> {
        if low <= high {
            Ok(Self(low, high))
        } else {
            Err(format!("[{low}, {high}] runs backwards"))
        }
    }
}

/// Gilbert-Elliott loss: `[p, r, loss in bad, loss in good]`, advanced once per packet.
/// `p` leads from good to bad, `r` back.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "(f64, f64, f64, f64)")]
pub struct GilbertElliott {
    /// Probability per packet of turning bad.
    pub p: f64,
    /// Probability per packet of turning good again.
    pub r: f64,
    /// Loss while bad.
    pub bad: f64,
    /// Loss while good.
    pub good: f64,
}

impl TryFrom<(f64, f64, f64, f64)> for GilbertElliott {
    type Error = String;

    fn try_from((p, r, bad, good): (f64, f64, f64, f64)) -> Result<Self, String> {
        if [p, r, bad, good].iter().any(|x| !(0.0..=1.0).contains(x)) {
            return Err(format!(
                "[{p}, {r}, {bad}, {good}] must be four probabilities [p, r, loss in bad, loss in good]"
            ));
        }
        if p > 0.0 && r == 0.0 {
            return Err("r is 0, so the link would turn bad for ever".into());
        }
        Ok(Self { p, r, bad, good })
    }
}

impl GilbertElliott {
    /// The long-run share of packets lost.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let bad = if self.p > 0.0 {
            self.p / (self.p + self.r)
        } else {
            0.0
        };
        bad * self.bad + (1.0 - bad) * self.good
    }
}

/// A list of `[from, to]` moments, as spans.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Vec<(When, When)>")]
pub struct SpanList(pub Spans);

impl TryFrom<Vec<(When, When)>> for SpanList {
    type Error = String;

    fn try_from(list: Vec<(When, When)>) -> Result<Self, String> {
        if let Some((from, to)) = list.iter().find(|(from, to)| from >= to) {
            return Err(format!(
                "an outage from {} s to {} s ends before it starts",
                from.0.as_secs_f64(),
                to.0.as_secs_f64()
            ));
        }
        Ok(Self(Spans::of(
            list.into_iter().map(|(from, to)| (from.0, to.0)).collect(),
        )))
    }
}

/// A rate over time: `[seconds, kbit/s]` points, each held until the next, repeated from the
/// start after the last (which holds as long as the one before it).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>")]
pub struct RateTrace(pub Vec<(f64, f64)>);

impl TryFrom<Vec<(f64, f64)>> for RateTrace {
    type Error = String;

    fn try_from(mut points: Vec<(f64, f64)>) -> Result<Self, String> {
        let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
            return Err("a rate trace needs at least one line `seconds kbit/s`".into());
        };
        if first.0 != 0.0 {
            return Err(format!("a rate trace starts at 0 s, not {} s", first.0));
        }
        if let Some(pair) = points.windows(2).find(|w| w[0].0 >= w[1].0) {
            return Err(format!(
                "times must rise, but {} s follows {} s",
                pair[1].0, pair[0].0
            ));
        }
        if points.iter().any(|point| !(0.0..=1e9).contains(&point.1))
            || points.iter().all(|point| point.1 == 0.0)
        {
            return Err("rates must be 0 to 1e9 kbit/s, and not all zero".into());
        }
        let step = points
            .len()
            .checked_sub(2)
            .and_then(|i| points.get(i))
            .map_or(1.0, |before| last.0 - before.0);
        points.push((last.0 + step, first.1));
        Ok(Self(points))
    }
}

/// A value written in place, or the path of a file that holds it (relative to the profile).
#[derive(Clone, Debug, PartialEq)]
pub enum Source<T> {
    /// In place.
    Inline(T),
    /// In a file of numbers: one row a line, blanks or commas between, `#` for remarks.
    File(String),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Source<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SourceVisitor(PhantomData))
    }
}

struct SourceVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SourceVisitor<T> {
    type Value = Source<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or the path of a file")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<Self::Value, E> {
        Ok(Source::File(path.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::deserialize(de::value::SeqAccessDeserializer::new(list)).map(Source::Inline)
    }
}

/// Reads a file of number rows into `T`, as if its rows had stood in the profile. A file with
/// one row is that row when `single` is set (Gilbert-Elliott), else a list of rows.
///
/// # Errors
/// The line (0 for the whole) and what is wrong with it.
pub fn rows<T: for<'de> Deserialize<'de>>(text: &str, single: bool) -> Result<T, (usize, String)> {
    let mut table: Vec<Vec<f64>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let cells = line
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|cell| !cell.is_empty());
        let row: Result<Vec<f64>, _> = cells
            .map(|cell| {
                cell.parse::<f64>()
                    .map_err(|_| (index + 1, format!("`{cell}` is no number")))
            })
            .collect();
        table.extend(Some(row?).filter(|row| !row.is_empty()));
    }
    let read = match table.as_slice() {
        [row] if single => T::deserialize(row.clone().into_deserializer()),
        _ => T::deserialize(table.into_deserializer()),
    };
    read.map_err(|e: de::value::Error| (0, e.to_string()))
}

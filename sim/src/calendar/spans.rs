//! Sets of time: what is up, and when. Every calendar is one.

use std::time::Duration;

use crate::seed::Dice;
use crate::time::{DAY, seconds};

/// Half-open spans `[from, to)`, sorted, not touching, none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<(Duration, Duration)>);

impl Spans {
    /// Never.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// From the start to `end`.
    #[must_use]
    pub fn until(end: Duration) -> Self {
        Self::of(vec![(Duration::ZERO, end)])
    }

    /// Always.
    #[must_use]
    pub fn always() -> Self {
        Self::until(Duration::MAX)
    }

    /// The union of any spans: unsorted, overlapping and empty ones are welcome.
    #[must_use]
    pub fn of(mut spans: Vec<(Duration, Duration)>) -> Self {
        spans.retain(|(from, to)| from < to);
        spans.sort_unstable();
        let mut out: Vec<(Duration, Duration)> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match out.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => out.push((from, to)),
            }
        }
        Self(out)
    }

    /// The spans in order.
    #[must_use]
    pub fn as_slice(&self) -> &[(Duration, Duration)] {
        &self.0
    }

    /// The span that holds `at`.
    #[must_use]
    pub fn at(&self, at: Duration) -> Option<(Duration, Duration)> {
        self.from(at)
            .first()
            .copied()
            .filter(|(from, _)| *from <= at)
    }

    /// True when `at` is inside.
    #[must_use]
    pub fn contains(&self, at: Duration) -> bool {
        self.at(at).is_some()
    }

    /// The first span start or end after `at`, with true for a start.
    #[must_use]
    pub fn next_change(&self, at: Duration) -> Option<(Duration, bool)> {
        let (from, to) = self.from(at).first().copied()?;
        if from > at {
            Some((from, true))
        } else {
            (to < Duration::MAX).then_some((to, false))
        }
    }

    /// In both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (mut i, mut j, mut out) = (0, 0, Vec::new());
        while let (Some(a), Some(b)) = (self.0.get(i), other.0.get(j)) {
            let (from, to) = (a.0.max(b.0), a.1.min(b.1));
            if from < to {
                out.push((from, to));
            }
            if a.1 <= b.1 { i += 1 } else { j += 1 }
        }
        Self(out)
    }

    /// In either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self::of([self.0.as_slice(), other.0.as_slice()].concat())
    }

    /// In neither.
    #[must_use]
    pub fn not(&self) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        let mut cursor = Duration::ZERO;
        for (from, to) in &self.0 {
            if cursor < *from {
                out.push((cursor, *from));
            }
            cursor = *to;
        }
        if cursor < Duration::MAX {
            out.push((cursor, Duration::MAX));
        }
        Self(out)
    }

    /// In the first and not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.and(&other.not())
    }

    /// The part between two moments.
    #[must_use]
    pub fn within(&self, from: Duration, to: Duration) -> Self {
        let spans = self.from(from).iter().take_while(|span| span.0 < to);
        Self::of(
            spans
                .map(|span| (span.0.max(from), span.1.min(to)))
                .collect(),
        )
    }

    /// Time inside, between two moments.
    #[must_use]
    pub fn total(&self, from: Duration, to: Duration) -> Duration {
        self.within(from, to)
            .0
            .iter()
            .map(|span| span.1 - span.0)
            .sum()
    }

    /// Share of the time inside, between the start and `end`.
    #[must_use]
    pub fn share(&self, end: Duration) -> f64 {
        self.total(Duration::ZERO, end).as_secs_f64() / end.as_secs_f64().max(1e-9)
    }

    /// Spans with every one shorter than `least` left out.
    #[must_use]
    pub fn longer_than(&self, least: Duration) -> Self {
        Self(
            self.0
                .iter()
                .copied()
                .filter(|span| span.1 - span.0 >= least)
                .collect(),
        )
    }

    /// Every start put off by `delay` (attach time, boot time).
    #[must_use]
    pub fn delayed(&self, delay: Duration) -> Self {
        let late = self.0.iter().map(|(from, to)| {
            (
                if from.is_zero() {
                    *from
                } else {
                    from.saturating_add(delay)
                },
                *to,
            )
        });
        Self::of(late.collect())
    }

    /// The spans that end after `at`.
    fn from(&self, at: Duration) -> &[(Duration, Duration)] {
        self.0
            .get(self.0.partition_point(|span| span.1 <= at)..)
            .unwrap_or_default()
    }
}

/// Daily windows given in hours (may run past 24), repeated until `end`.
#[must_use]
pub fn daily(windows: &[(f64, f64)], end: Duration) -> Spans {
    let days = u32::try_from(end.as_secs() / DAY.as_secs() + 2).unwrap_or(u32::MAX);
    let one = |day: u32| {
        windows.iter().map(move |(from, to)| {
            (
                DAY * day + seconds(from * 3600.0),
                DAY * day + seconds(to * 3600.0),
            )
        })
    };
    Spans::of((0..days).flat_map(one).collect()).within(Duration::ZERO, end)
}

/// A Poisson process of outages until `end`: starts at `per_day`, lengths from `length`.
pub fn poisson(
    dice: &mut Dice,
    per_day: f64,
    end: Duration,
    mut length: impl FnMut(&mut Dice) -> Duration,
) -> Spans {
    if per_day <= 0.0 {
        return Spans::none();
    }
    let mut out = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        at += seconds(dice.exponential(86_400.0 / per_day));
        if at >= end {
            return Spans::of(out);
        }
        out.push((at, at + length(dice)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(list: &[(u64, u64)]) -> Spans {
        Spans::of(
            list.iter()
                .map(|(a, b)| (Duration::from_secs(*a), Duration::from_secs(*b)))
                .collect(),
        )
    }

    #[test]
    fn set_algebra_agrees_with_a_bit_per_second() {
        let mut dice = crate::seed::Seed::new(3).dice();
        for _ in 0..200 {
            let mut draw = || {
                spans(
                    &(0..5)
                        .map(|_| {
                            let a = dice.below(50);
                            (a, a + dice.below(12))
                        })
                        .collect::<Vec<_>>(),
                )
            };
            let (a, b) = (draw(), draw());
            for s in 0..64 {
                let at = Duration::from_secs(s);
                let (x, y) = (a.contains(at), b.contains(at));
                assert_eq!(a.and(&b).contains(at), x && y);
                assert_eq!(a.or(&b).contains(at), x || y);
                assert_eq!(a.minus(&b).contains(at), x && !y);
            }
            let bits = (7..41)
                .filter(|s| a.contains(Duration::from_secs(*s)))
                .count() as u64;
            assert_eq!(
                a.total(Duration::from_secs(7), Duration::from_secs(41))
                    .as_secs(),
                bits
            );
        }
    }

    #[test]
    fn changes_are_found_in_order() {
        let s = spans(&[(5, 8), (10, 12)]);
        let after = |t| {
            s.next_change(Duration::from_secs(t))
                .map(|(at, up)| (at.as_secs(), up))
        };
        assert_eq!(
            [after(0), after(5), after(8), after(11), after(12)],
            [
                Some((5, true)),
                Some((8, false)),
                Some((10, true)),
                Some((12, false)),
                None
            ]
        );
        assert_eq!(Spans::always().next_change(Duration::ZERO), None);
    }

    #[test]
    fn daily_windows_repeat_and_run_past_midnight() {
        let s = daily(&[(23.0, 25.0)], DAY * 3);
        assert_eq!(s.total(Duration::ZERO, DAY * 3).as_secs(), 5 * 3600);
        assert!(s.contains(DAY + Duration::from_secs(1800)));
    }
}

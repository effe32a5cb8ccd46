//! Suspensions by order: listed, standing hours, drawn, and those of a scenario.

use std::time::Duration;

use super::spans::{daily, poisson};
use super::{Place, Spans};
use crate::profile::schema::Medium;
use crate::profile::{Event, EventKind, Profile};
use crate::seed::Dice;
use crate::time::{DAY, HOUR, hours, seconds};

/// Lengths of 15 reported suspensions of at most 60 days (G1 to G16): Weibull, days.
const LENGTH_D: (f64, f64) = (11.9, 0.80);
const LENGTH_BOUNDS_D: (f64, f64) = (0.5, 60.0);
/// Share that reaches fixed lines too (A after G6, G13).
const WITH_DSL: f64 = 0.15;
/// One operator of five comes back up to five days late (A after G11).
const LATE: (f64, f64) = (0.2, 5.0);
/// One return in ten is followed by another suspension within an hour to nine days (G9, G12).
const AGAIN: f64 = 0.1;
/// While a service comes back, each attempt of ten minutes fails with probability one half (A).
const RAMP: Duration = Duration::from_secs(2 * 3600);
const RAMP_SLOT: Duration = Duration::from_secs(600);

/// When an order keeps this line dark.
pub(super) fn off(profile: &Profile, place: &Place<'_>, line: u64) -> Spans {
    if place.exempt {
        return Spans::none();
    }
    let mut off = profile
        .order
        .off
        .as_ref()
        .map(|list| list.0.clone())
        .unwrap_or_default();
    if let Some(window) = profile.order.only_h {
        off = off
            .or(&Spans::until(place.horizon).minus(&daily(&[(window.0, window.1)], place.horizon)));
    }
    let mut dice = place.layer("ramp").nth(line).dice();
    for event in place.events.iter().filter(|event| {
        event.what == EventKind::Order && event.hits(place.site, place.operator, profile.medium)
    }) {
        off = off.or(&with_ramp(event, &mut dice));
    }
    off.or(&drawn(profile, place, &mut dice))
}

fn with_ramp(event: &Event, dice: &mut Dice) -> Spans {
    let (from, to) = (event.from.0, event.to.0);
    Spans::of(vec![(from, to)]).or(&half_open(to, hours(event.ramp_h.0), dice))
}

/// The failed slots of a return that takes `length`.
fn half_open(from: Duration, length: Duration, dice: &mut Dice) -> Spans {
    let slots = u32::try_from(length.as_secs() / RAMP_SLOT.as_secs()).unwrap_or(0);
    let failed = (0..slots)
        .filter(|_| dice.chance(0.5))
        .map(|slot| (from + RAMP_SLOT * slot, from + RAMP_SLOT * (slot + 1)));
    Spans::of(failed.collect())
}

/// Suspensions drawn for a high-risk district.
fn drawn(profile: &Profile, place: &Place<'_>, ramp: &mut Dice) -> Spans {
    let per_day = profile.order.suspensions_per_month.0 / 30.0;
    let mut kinds = place.shared("suspension kinds").dice();
    let mut out = Spans::none();
    let starts = poisson(
        &mut place.shared("suspensions").dice(),
        per_day,
        place.horizon,
        length,
    );
    for (from, to) in starts.as_slice() {
        let (with_dsl, late, lag, again) = (
            kinds.chance(WITH_DSL),
            kinds.chance(LATE.0),
            kinds.uniform() * LATE.1,
            kinds.chance(AGAIN),
        );
        let (pause, second) = (kinds.between(1.0, 9.0 * 24.0), length(&mut kinds));
        let hit = match profile.medium {
            Medium::Mobile => true,
            Medium::Dsl => with_dsl,
            Medium::Satellite => false,
        };
        if !hit {
            continue;
        }
        let late = if late && place.operator > 1 {
            DAY.mul_f64(lag)
        } else {
            Duration::ZERO
        };
        let to = *to + late;
        out = out
            .or(&Spans::of(vec![(*from, to)]))
            .or(&half_open(to, RAMP, ramp));
        if again {
            let start = to + HOUR.mul_f64(pause);
            out = out.or(&Spans::of(vec![(start, start + second)]));
        }
    }
    out
}

fn length(dice: &mut Dice) -> Duration {
    let (low, high) = LENGTH_BOUNDS_D;
    seconds(dice.weibull(LENGTH_D.0, LENGTH_D.1).clamp(low, high) * 86_400.0)
}

//! The sender box: what feeds it, when it dies, what its clock says when it wakes.

use std::time::Duration;

use super::spans::daily;
use super::{Place, Spans};
use crate::profile::schema::{BoxPower, Clock, Supply};
use crate::profile::values::Range;
use crate::seed::Dice;
use crate::time::seconds;

/// From power to a running program (A).
const BOOT: Duration = Duration::from_secs(90);
/// A UPS (A).
const UPS: Duration = Duration::from_secs(600);
/// The hospital's generator: hours, start time (E9: "a few minutes"), and how often the UPS does
/// not bridge it (A).
const GENERATOR_H: (f64, f64) = (8.0, 14.0);
const GENERATOR_START: Duration = Duration::from_secs(180);
const BRIDGE_FAILS: f64 = 0.3;
/// Panels and their battery (A).
const SUN_H: (f64, f64) = (7.5, 17.0);
const SOLAR_BATTERY: Duration = Duration::from_secs(4 * 3600);
/// An hour of charge is good for half an hour: 8 h fill the battery, as at the towers (A).
const SOLAR_CHARGE: u32 = 2;
/// How far a clock without a battery can be off.
const CLOCK_OFF_S: f64 = 30.0 * 86_400.0;

/// A start of the sender box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// When.
    pub at: Duration,
    /// What its clock says until it is set right.
    pub clock: BootClock,
}

/// What the clock of a booting box says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootClock {
    /// The truth.
    Right,
    /// The truth plus so many seconds.
    OffBy(i64),
    /// 1 January 1970.
    Epoch,
}

/// The calendars of a box.
pub(super) struct BoxCalendar {
    pub(super) on: Spans,
    pub(super) room: Spans,
    pub(super) kills: Vec<Duration>,
    pub(super) boots: Vec<Boot>,
    pub(super) disk_full: Spans,
}

/// Draws the calendars of a box on this grid.
pub(super) fn draw(power: &BoxPower, grid: &Spans, place: &Place<'_>) -> BoxCalendar {
    let generator = daily(&[GENERATOR_H], place.horizon);
    let room = if power.power == Supply::GenDay {
        grid.or(&generator)
    } else {
        grid.clone()
    };
    let fed = match power.power {
        Supply::Always => Spans::always(),
        Supply::Gridups => bridged(grid, UPS),
        Supply::GenDay => with_generator(grid, &generator, &mut place.layer("generator").dice()),
        Supply::Solar => with_battery(&grid.or(&daily(&[SUN_H], place.horizon)), place.horizon),
    };
    let cuts = sudden(power, place);
    let on = place.open_ended(&fed.delayed(BOOT).minus(&Spans::of(
        cuts.iter().map(|at| (*at, *at + BOOT)).collect(),
    )));
    let ends = on
        .as_slice()
        .iter()
        .map(|span| span.1)
        .filter(|end| *end < place.horizon);
    let disk_full = power.disk_full_h.map_or_else(Spans::none, |window| {
        daily(&[(window.0, window.1)], place.horizon)
    });
    BoxCalendar {
        kills: ends.collect(),
        boots: boots(power.clock, &on, place),
        on,
        room,
        disk_full,
    }
}

/// Kills that have nothing to do with the supply.
fn sudden(power: &BoxPower, place: &Place<'_>) -> Vec<Duration> {
    let mut out: Vec<Duration> = power.kills.iter().map(|when| when.0).collect();
    if let Some(Range(low, high)) = power.kill_every_min {
        let mut dice = place.layer("kills").dice();
        let mut at = Duration::ZERO;
        while at < place.horizon {
            at += seconds(dice.between(low, high) * 60.0);
            out.push(at);
        }
    }
    out
}

/// Every end of supply put off by `by`.
fn bridged(supply: &Spans, by: Duration) -> Spans {
    Spans::of(
        supply
            .as_slice()
            .iter()
            .map(|(from, to)| (*from, to.saturating_add(by)))
            .collect(),
    )
}

/// Grid, UPS, and a generator by day. Where the grid fails while the generator is manned, the UPS
/// bridges the start or does not.
fn with_generator(grid: &Spans, manned: &Spans, dice: &mut Dice) -> Spans {
    let mut gaps = Vec::new();
    let mut runs = Vec::new();
    for (from, to) in grid.not().and(manned).as_slice() {
        runs.push((*from + GENERATOR_START, *to));
        if dice.chance(BRIDGE_FAILS) {
            gaps.push((*from, (*from + GENERATOR_START).min(*to)));
        }
    }
    bridged(&grid.or(&Spans::of(runs)), UPS).minus(&Spans::of(gaps))
}

/// A source with the solar battery behind it.
fn with_battery(source: &Spans, end: Duration) -> Spans {
    let mut battery = SOLAR_BATTERY;
    let mut out = Vec::new();
    let mut at = Duration::ZERO;
    while at < end {
        let on = source.contains(at);
        let until = source
            .next_change(at)
            .map_or(end, |(change, _)| change)
            .min(end);
        if on {
            battery = (battery + (until - at) / SOLAR_CHARGE).min(SOLAR_BATTERY);
            out.push((at, until));
        } else {
            let used = battery.min(until - at);
            battery -= used;
            out.push((at, at + used));
        }
        at = until;
    }
    Spans::of(out)
}

fn boots(clock: Clock, on: &Spans, place: &Place<'_>) -> Vec<Boot> {
    let mut dice = place.layer("clock").dice();
    let starts = on
        .as_slice()
        .iter()
        .map(|span| span.0)
        .filter(|at| *at < place.horizon);
    starts
        .map(|at| Boot {
            at,
            clock: boot_clock(clock, &mut dice),
        })
        .collect()
}

fn boot_clock(clock: Clock, dice: &mut Dice) -> BootClock {
    let (first, off) = (dice.uniform(), dice.uniform() * CLOCK_OFF_S);
    match clock {
        Clock::Right => BootClock::Right,
        Clock::Lost if first < 0.5 => BootClock::Epoch,
        Clock::Jumps if first < 0.5 => BootClock::OffBy(off as i64),
        Clock::Lost | Clock::Jumps => BootClock::OffBy(-(off as i64)),
    }
}

//! Load-shedding calendars (facts E1 to E4; where the blocks lie is assumed), unscheduled trips,
//! area blackouts, and what a scenario takes away on top.

use std::time::Duration;

use super::spans::poisson;
use super::{Place, Spans};
use crate::profile::schema::Grid;
use crate::profile::{Event, EventKind};
use crate::time::{DAY, day, hours, seconds};

/// Blocks move later by half an hour a week and are back after four (A).
const WEEKLY_SHIFT_H: f64 = 0.5;
const WEEKS: u64 = 4;
/// Trips: lognormal, median 20 min, sigma 1 (A).
const TRIP_S: (f64, f64) = (1200.0, 1.0);
/// Area blackouts: two a year, lognormal, median 18 h, sigma 0.7 (A after E5, E6).
const BLACKOUTS_PER_DAY: f64 = 2.0 / 365.0;
const BLACKOUT_S: (f64, f64) = (18.0 * 3600.0, 0.7);

/// When the district has electricity.
pub(super) fn supply(grid: Grid, place: &Place<'_>) -> Spans {
    if grid == Grid::Perfect {
        return Spans::always();
    }
    let (blocks, blocks_are_supply) = blocks(grid);
    let listed = rotated(blocks, place.horizon);
    let scheduled = if blocks_are_supply {
        listed
    } else {
        listed.not()
    };
    let trips_per_day = if grid == Grid::Exempt { 0.4 } else { 1.2 };
    let lognormal = |(median, sigma): (f64, f64)| {
        move |dice: &mut crate::seed::Dice| seconds(dice.lognormal(median, sigma))
    };
    let trips = poisson(
        &mut place.shared("trips").dice(),
        trips_per_day,
        place.horizon,
        lognormal(TRIP_S),
    );
    let blackouts = poisson(
        &mut place.shared("blackouts").dice(),
        BLACKOUTS_PER_DAY,
        place.horizon,
        lognormal(BLACKOUT_S),
    );
    let mut supply = scheduled.minus(&trips).minus(&blackouts);
    for event in place
        .events
        .iter()
        .filter(|event| event.what == EventKind::GridCut && names(event, place.site))
    {
        supply = supply.minus(&taken(&supply, event));
    }
    place.open_ended(&supply)
}

fn names(event: &Event, site: &str) -> bool {
    event.sites.is_empty() || event.sites.iter().any(|name| name == site)
}

/// The blocks of week 0 in hours of the day, and whether they are hours of supply.
fn blocks(grid: Grid) -> (&'static [(f64, f64)], bool) {
    match grid {
        Grid::Perfect | Grid::Exempt => (&[], false),
        Grid::Urban => (&[(6.0, 8.0), (12.0, 13.5), (18.0, 19.5)], false),
        Grid::Dhq => (
            &[
                (0.0, 3.0),
                (5.0, 8.0),
                (10.0, 13.0),
                (15.0, 17.0),
                (19.0, 21.0),
            ],
            false,
        ),
        Grid::Makran => (&[(2.0, 5.0), (13.0, 15.5), (18.0, 19.5)], false),
        Grid::Rural => (&[(9.0, 12.0), (21.0, 24.0)], true),
        Grid::Village20h => (&[(0.0, 1.0), (5.0, 7.0), (23.0, 24.0)], true),
    }
}

/// The blocks of every day. A block that has moved past midnight is cut there.
fn rotated(blocks: &[(f64, f64)], end: Duration) -> Spans {
    let days = 0..=day(end);
    let one = |n: u64| {
        let shift = WEEKLY_SHIFT_H * ((n / 7) % WEEKS) as f64;
        let midnight = seconds(n as f64 * 86_400.0);
        blocks.iter().map(move |(from, to)| {
            (
                midnight + hours(from + shift),
                (midnight + hours(to + shift)).min(midnight + DAY),
            )
        })
    };
    Spans::of(days.flat_map(one).collect())
}

/// `event.hours` of each day's supply, from 9 h on, then from midnight.
fn taken(supply: &Spans, event: &Event) -> Spans {
    let mut out = Vec::new();
    for n in day(event.from.0)..=day(event.to.0) {
        let midnight = seconds(n as f64 * 86_400.0);
        let mut left = hours(event.hours.0);
        for window in [
            (midnight + hours(9.0), midnight + DAY),
            (midnight, midnight + hours(9.0)),
        ] {
            for (from, to) in supply.within(window.0, window.1).as_slice() {
                let cut = left.min(*to - *from);
                out.push((*from, *from + cut));
                left -= cut;
            }
        }
    }
    Spans::of(out).within(event.from.0, event.to.0)
}

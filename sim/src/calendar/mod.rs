//! What is up, and when: electricity, towers, backhaul, orders, the sender box.
//!
//! [`SiteCalendar::draw`] evaluates the layers top-down as sets of time ([`Spans`]). The grid
//! drives tower and box, so a dead line and a dead machine go together; grid, backhaul and orders
//! are drawn per district, so its sites share them. Every layer draws from a seed of its own.
//! Past the horizon everything is up.

mod grid;
mod line;
mod order;
mod power;
mod spans;
mod tower;

use std::time::Duration;

pub use line::{Dimmed, LineCalendar};
pub use power::{Boot, BootClock};
pub use spans::{Spans, daily, poisson};

use crate::profile::{Event, Profile};
use crate::seed::{Dice, Seed};
use crate::time::seconds;

/// Where and when a site is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The seed of the world.
    pub seed: Seed,
    /// The site's name.
    pub site: &'a str,
    /// The district; sites of one district share grid, backhaul and orders.
    pub district: &'a str,
    /// The mobile operator, from 1.
    pub operator: u8,
    /// On the white list: no order reaches it.
    pub exempt: bool,
    /// Calendars are drawn up to here.
    pub horizon: Duration,
    /// What a scenario adds.
    pub events: &'a [Event],
}

impl<'a> Place<'a> {
    /// A site alone in its district, outside any scenario.
    #[must_use]
    pub fn alone(seed: u64, site: &'a str, horizon: Duration) -> Self {
        Self {
            seed: Seed::new(seed),
            site,
            district: site,
            operator: 1,
            exempt: false,
            horizon,
            events: &[],
        }
    }

    /// The seed of one layer of this site.
    #[must_use]
    pub fn layer(&self, layer: &str) -> Seed {
        self.seed.child("site").child(self.site).child(layer)
    }

    /// The seed of one layer that the whole district shares.
    #[must_use]
    pub fn shared(&self, layer: &str) -> Seed {
        self.seed
            .child("district")
            .child(self.district)
            .child(layer)
    }

    /// Spans that are never down past the horizon.
    fn open_ended(&self, spans: &Spans) -> Spans {
        spans
            .within(Duration::ZERO, self.horizon)
            .or(&Spans::of(vec![(self.horizon, Duration::MAX)]))
    }
}

/// Everything about one site that depends on time alone.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteCalendar {
    /// Calendars are drawn up to here; past it everything is up.
    pub horizon: Duration,
    /// Electricity from the grid.
    pub grid: Spans,
    /// Electricity in the X-ray room: grid or generator.
    pub room_power: Spans,
    /// The sender box runs (booted).
    pub box_on: Spans,
    /// Moments when the box dies without warning, in order.
    pub kills: Vec<Duration>,
    /// Moments when it runs again, in order, the first start included.
    pub boots: Vec<Boot>,
    /// The box's disk is nearly full.
    pub disk_full: Spans,
    /// The lines: one, or two where there is a second.
    pub lines: Vec<LineCalendar>,
}

impl SiteCalendar {
    /// Draws all calendars of a site.
    #[must_use]
    pub fn draw(profile: &Profile, place: &Place<'_>) -> Self {
        let grid = grid::supply(profile.grid, place);
        let power = power::draw(&profile.power, &grid, place);
        let mut lines = vec![LineCalendar::draw(profile, &grid, &power.on, place, 0)];
        if let Some((second, switch_after)) = &profile.second {
            lines.push(LineCalendar::draw(second, &grid, &power.on, place, 1));
            line::share(&mut lines, *switch_after, place.horizon);
        }
        Self {
            horizon: place.horizon,
            grid,
            room_power: power.room,
            box_on: power.on,
            kills: power.kills,
            boots: power.boots,
            disk_full: power.disk_full,
            lines,
        }
    }

    /// Some line is up and the box runs: the time in which bytes can move.
    #[must_use]
    pub fn usable(&self) -> Spans {
        self.lines
            .iter()
            .fold(Spans::none(), |all, line| all.or(&line.carries))
    }
}

/// A renewal process that starts up: lengths in seconds from the two draws, until `end`.
fn renewal(
    dice: &mut Dice,
    end: Duration,
    up: impl Fn(&mut Dice) -> f64,
    down: impl Fn(&mut Dice) -> f64,
) -> Spans {
    /// No up or down time is shorter: bounds the list.
    const LEAST: f64 = 0.05;
    let mut out = Vec::new();
    let mut at = Duration::ZERO;
    while at < end {
        let until = at + seconds(up(dice).max(LEAST));
        out.push((at, until.min(end)));
        at = until + seconds(down(dice).max(LEAST));
    }
    Spans::of(out)
}

#[cfg(test)]
mod tests;

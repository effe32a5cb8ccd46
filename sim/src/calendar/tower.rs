//! Tower power: a battery, then perhaps a generator with eight hours of fuel (fact E7; battery
//! hours and start times are assumed).

use std::time::Duration;

use super::{Place, Spans};
use crate::profile::schema::Tower;
use crate::seed::Dice;
use crate::time::{DAY, day, hours, seconds};

/// Hours of supply that fill an empty battery.
const RECHARGE_H: f64 = 8.0;
/// Bounds of a battery, h.
const BATTERY_H: (f64, f64) = (0.25, 6.0);
/// A generator starts after 5 min and an exponential 8 min more.
const START_S: (f64, f64) = (300.0, 480.0);

/// When the tower has power. One tower serves the whole district for each operator.
pub(super) fn power(tower: &Tower, grid: &Spans, place: &Place<'_>, line: u64) -> Spans {
    let seed = place
        .shared("tower")
        .nth(line)
        .nth(u64::from(place.operator));
    let mut state = State::new(
        tower,
        &mut seed.child("make").dice(),
        seed.child("run").dice(),
        seed.child("fuel").dice(),
    );
    let mut up = vec![];
    let mut at = Duration::ZERO;
    while at < place.horizon {
        let on = grid.contains(at);
        let until = grid
            .next_change(at)
            .map_or(place.horizon, |(change, _)| change)
            .min(place.horizon);
        if on {
            state.charge(until - at);
            up.push((at, until));
        } else {
            state.bridge(at, until, &mut up);
        }
        at = until;
    }
    place.open_ended(&Spans::of(up))
}

struct State {
    battery_full: Duration,
    battery: Duration,
    generator: bool,
    tank: Duration,
    fuel: Duration,
    refuelled_to: u64,
    refuel_h: f64,
    refuel_p: f64,
    run: Dice,
    refuel: Dice,
}

impl State {
    fn new(tower: &Tower, make: &mut Dice, run: Dice, refuel: Dice) -> Self {
        let (low, high) = BATTERY_H;
        let battery = hours(
            make.lognormal(tower.battery_h_median.0, tower.battery_sigma.0)
                .clamp(low, high),
        );
        let tank = hours(tower.gen_fuel_h.0);
        Self {
            battery_full: battery,
            battery,
            generator: make.chance(tower.gen_p.0),
            tank,
            fuel: tank,
            refuelled_to: 0,
            refuel_h: tower.refuel_h.0,
            refuel_p: tower.refuel_p.0,
            run,
            refuel,
        }
    }

    fn charge(&mut self, on: Duration) {
        let gained = on.as_secs_f64() / 3600.0 / RECHARGE_H * self.battery_full.as_secs_f64();
        self.battery = (self.battery + seconds(gained)).min(self.battery_full);
    }

    /// The grid is off from `from` to `to`: battery, then generator while there is fuel.
    fn bridge(&mut self, from: Duration, to: Duration, up: &mut Vec<(Duration, Duration)>) {
        let on_battery = self.battery.min(to - from);
        self.battery -= on_battery;
        up.push((from, from + on_battery));
        let mut at = from + on_battery;
        while self.generator && at < to {
            self.fill_up(at);
            let next_visit = self.next_refuel(at);
            if self.fuel.is_zero() {
                at = next_visit;
                continue;
            }
            at += seconds(START_S.0 + self.run.exponential(START_S.1));
            at = self.run_generator(at, to, up);
        }
    }

    /// Runs until the grid is back or the tank is empty; a visit on the way fills it.
    fn run_generator(
        &mut self,
        mut at: Duration,
        to: Duration,
        up: &mut Vec<(Duration, Duration)>,
    ) -> Duration {
        while at < to && !self.fuel.is_zero() {
            let until = to.min(at + self.fuel).min(self.next_refuel(at));
            self.fuel = self.fuel.saturating_sub(until - at);
            up.push((at, until));
            at = until;
            self.fill_up(at);
        }
        at
    }

    /// Makes up for the daily visits since the last look; each comes with its probability.
    fn fill_up(&mut self, now: Duration) {
        while self.visit(self.refuelled_to) <= now {
            self.refuelled_to += 1;
            if self.refuel.chance(self.refuel_p) {
                self.fuel = self.tank;
            }
        }
    }

    fn next_refuel(&self, at: Duration) -> Duration {
        let today = self.visit(day(at));
        if today > at { today } else { today + DAY }
    }

    fn visit(&self, day: u64) -> Duration {
        seconds(day as f64 * 86_400.0 + self.refuel_h * 3600.0)
    }
}

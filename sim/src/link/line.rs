//! One line: its calendar, both directions, the idle wait, translation and middlebox.

use std::time::Duration;

use super::half::{Half, Trip};
use super::meter::Meter;
use super::nat::Nat;
use super::udp::Middlebox;
use super::{Direction, Endpoint, Fate, Flow, Way};
use crate::calendar::LineCalendar;
use crate::profile::Profile;
use crate::profile::schema::IdlePromotion;
use crate::seed::Seed;
use crate::time::seconds;

#[derive(Debug)]
pub(super) struct Line {
    pub(super) calendar: LineCalendar,
    up: Half,
    down: Half,
    idle: Option<IdlePromotion>,
    last_active: Option<Duration>,
    awake_at: Duration,
    meter: Meter,
    nat: Nat,
    middlebox: Middlebox,
}

/// What the line did to a packet.
pub(super) struct Passage {
    pub(super) fate: Fate,
    pub(super) flow: Flow,
    pub(super) outside: Endpoint,
    pub(super) queued: Option<Duration>,
    pub(super) again: Option<Duration>,
    pub(super) flip: Option<u64>,
}

impl Passage {
    pub(super) fn ended(fate: Fate) -> Self {
        Self {
            fate,
            flow: Flow::udp(0),
            outside: Endpoint { host: 0, port: 0 },
            queued: None,
            again: None,
            flip: None,
        }
    }

    fn of(trip: &Trip, flow: Flow, outside: Endpoint) -> Self {
        Self {
            fate: trip.fate,
            flow,
            outside,
            queued: trip.waited,
            again: trip.again,
            flip: trip.flip,
        }
    }
}

impl Line {
    pub(super) fn new(profile: &Profile, calendar: LineCalendar, index: u32, seed: Seed) -> Self {
        Self {
            up: Half::new(&profile.up, profile.fade, &calendar, seed.child("up")),
            down: Half::new(&profile.down, profile.fade, &calendar, seed.child("down")),
            idle: profile.idle_promotion,
            last_active: None,
            awake_at: Duration::ZERO,
            meter: Meter::new(profile.bundle.as_ref()),
            nat: Nat::new(profile.nat, &calendar, index, seed.child("nat")),
            middlebox: Middlebox::new(
                profile.udp,
                profile.attach.map_or(0, |attach| attach.fail_first),
                seed.child("udp"),
            ),
            calendar,
        }
    }

    pub(super) fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    pub(super) fn pass(&mut self, now: Duration, way: Way, bytes: usize) -> Passage {
        match way {
            Way::Up(flow) => self.pass_up(now, flow, bytes),
            Way::Down(outside, protocol) => match self.nat.inbound(outside, protocol, now) {
                None => Passage::ended(Fate::Unmapped),
                Some(_) if self.middlebox.swallows(outside, protocol, bytes, now) => {
                    Passage::ended(Fate::Blocked)
                }
                Some(flow) => {
                    let terms = (self.wake(now), self.meter.allows(now));
                    let trip = self.down.pass(&self.calendar, now, terms, bytes);
                    self.active(&trip, bytes);
                    Passage::of(&trip, flow, outside)
                }
            },
        }
    }

    fn pass_up(&mut self, now: Duration, flow: Flow, bytes: usize) -> Passage {
        let terms = (self.wake(now), self.meter.allows(now));
        let mut trip = self.up.pass(&self.calendar, now, terms, bytes);
        self.active(&trip, bytes);
        let mut outside = Endpoint { host: 0, port: 0 };
        if matches!(trip.fate, Fate::Arrives(_)) {
            outside = self.nat.outbound(flow, trip.left);
            let since = self.calendar.attached.at(now).map_or(now, |span| span.0);
            let refused = self.middlebox.refuses(flow, since, trip.left);
            if refused
                || self
                    .middlebox
                    .swallows(outside, flow.protocol, bytes, trip.left)
            {
                trip = Trip {
                    waited: trip.waited,
                    ..Trip::ended(Fate::Blocked, trip.left)
                };
            }
        }
        Passage::of(&trip, flow, outside)
    }

    /// When the radio can send: later than now after silence.
    fn wake(&mut self, now: Duration) -> Duration {
        if let Some(idle) = self.idle
            && self.calendar.carries.contains(now)
            && self
                .last_active
                .is_none_or(|last| now > last + seconds(idle.after_s.0))
        {
            self.awake_at = now + seconds(idle.add_ms.0 / 1e3);
            self.last_active = Some(self.awake_at);
        }
        self.awake_at
    }

    fn active(&mut self, trip: &Trip, bytes: usize) {
        if trip.waited.is_some() {
            self.last_active = self.last_active.max(Some(trip.left));
            self.meter.count(bytes);
        }
    }
}

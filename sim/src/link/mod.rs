//! The link of one site: a state machine without I/O, seeded, generic over the packet.
//!
//! Two verbs: [`Link::send`] takes a packet and says its fate, [`Link::poll`] hands out what has
//! arrived. The layers act top-down: calendars (drawn beforehand, see [`crate::calendar`]), rate
//! process, byte queue with tail drop, delay and jitter, loss, duplication, reordering,
//! corruption, then address translation and middlebox. Down is a silent black hole: what is
//! queued or in flight when a layer goes down is gone. Each layer draws from a seed of its own.
//!
//! ```
//! use std::time::Duration;
//! use karez_sim::calendar::{Place, SiteCalendar};
//! use karez_sim::link::{Fate, Flow, Link, Way};
//! use karez_sim::profile::Profile;
//!
//! let profile = Profile::from_spec("rate_kbit=80,rtt_ms=200").unwrap();
//! let place = Place::alone(1, "clinic", Duration::from_secs(3600));
//! let mut link = Link::new(&profile, &SiteCalendar::draw(&profile, &place), &place);
//! let fate = link.send(Duration::ZERO, Way::Up(Flow::udp(4433)), "hello", 1000);
//! assert_eq!(fate, Fate::Arrives(Duration::from_millis(200))); // 100 ms on the air, 100 ms of delay
//! assert_eq!(link.next_event(), Some(Duration::from_millis(200)));
//! assert_eq!(link.poll(Duration::from_millis(200)).unwrap().packet, "hello");
//! ```

mod chance;
mod count;
mod half;
mod line;
mod meter;
mod nat;
mod rate;
mod udp;

use std::collections::BTreeMap;
use std::time::Duration;

pub use count::{Counters, Delays, Tally};
pub use rate::RateProcess;

use crate::calendar::{Place, SiteCalendar};
use crate::profile::Profile;
use line::Line;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Site to hub.
    Up,
    /// Hub to site.
    Down,
}

/// UDP or TCP: middleboxes tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP, and all else that is not UDP.
    Tcp,
}

/// A flow at the site: its own port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// The local port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl Flow {
    /// A UDP flow from this local port.
    #[must_use]
    pub const fn udp(port: u16) -> Self {
        Self {
            port,
            protocol: Protocol::Udp,
        }
    }

    /// A TCP flow from this local port.
    #[must_use]
    pub const fn tcp(port: u16) -> Self {
        Self {
            port,
            protocol: Protocol::Tcp,
        }
    }
}

/// What the hub sees of a flow: an address (any number) and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The address.
    pub host: u32,
    /// The port.
    pub port: u16,
}

/// Where a packet comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the site, out of this flow.
    Up(Flow),
    /// From the hub, to what it saw as the sender's address, over this protocol.
    Down(Endpoint, Protocol),
}

impl Way {
    /// The direction.
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Self::Up(_) => Direction::Up,
            Self::Down(..) => Direction::Down,
        }
    }
}

/// What becomes of a packet, known when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It will arrive then.
    Arrives(Duration),
    /// Larger than the path carries; nobody is told.
    TooBig,
    /// A layer was down, or went down while it was queued or in flight.
    Outage,
    /// The queue was full.
    QueueFull,
    /// Lost on the way; its air time was used.
    Lost,
    /// No translation for that address any more.
    Unmapped,
    /// Swallowed by a middlebox, or by a network that does not let one in yet.
    Blocked,
}

/// A packet at its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<P> {
    /// When.
    pub at: Duration,
    /// Which way it went.
    pub direction: Direction,
    /// The site's flow.
    pub flow: Flow,
    /// What the hub sees of it.
    pub outside: Endpoint,
    /// The packet.
    pub packet: P,
    /// Its size in IP bytes.
    pub ip_bytes: usize,
    /// Damaged: turn this bit, modulo the number of bits.
    pub flip: Option<u64>,
}

/// The link of one site.
#[derive(Debug)]
pub struct Link<P> {
    lines: Vec<Line>,
    mtus: Vec<usize>,
    under_way: BTreeMap<(Duration, u64), Delivery<P>>,
    sequence: u64,
    counters: [Counters; 2],
    trace: blake3::Hasher,
}

impl<P: Clone> Link<P> {
    /// The link of a site on its calendar.
    #[must_use]
    pub fn new(profile: &Profile, calendar: &SiteCalendar, place: &Place<'_>) -> Self {
        let second = profile.second.iter().map(|(second, _)| second.as_ref());
        let profiles: Vec<&Profile> = std::iter::once(profile).chain(second).collect();
        let seed = place.layer("line");
        let lines = profiles.iter().zip(&calendar.lines).zip(0..);
        Self {
            lines: lines
                .map(|((profile, calendar), index)| {
                    Line::new(profile, calendar.clone(), index, seed.nth(u64::from(index)))
                })
                .collect(),
            mtus: profiles.iter().map(|profile| profile.mtu).collect(),
            under_way: BTreeMap::new(),
            sequence: 0,
            counters: [Counters::default(), Counters::default()],
            trace: blake3::Hasher::new(),
        }
    }

    /// Sends a packet of so many IP bytes. Calls must not go back in time.
    pub fn send(&mut self, now: Duration, way: Way, packet: P, ip_bytes: usize) -> Fate {
        let direction = way.direction();
        let index = self.line_for(now, way);
        let counters = &mut self.counters[direction as usize];
        let Some(line) = self.lines.get_mut(index) else {
            return Fate::Outage;
        };
        let too_big = self.mtus.get(index).is_some_and(|mtu| ip_bytes > *mtu);
        let passage = if too_big {
            line::Passage::ended(Fate::TooBig)
        } else {
            line.pass(now, way, ip_bytes)
        };
        counters.sent(&passage, ip_bytes);
        self.note(now, direction, ip_bytes, passage.fate);
        if let Fate::Arrives(at) = passage.fate {
            let delivery = Delivery {
                at,
                direction,
                flow: passage.flow,
                outside: passage.outside,
                packet,
                ip_bytes,
                flip: passage.flip,
            };
            if let Some(again) = passage.again {
                self.queue(Delivery {
                    at: again,
                    ..delivery.clone()
                });
            }
            self.queue(delivery);
        }
        passage.fate
    }

    /// The way to a flow for carriers that keep addresses as they are (a profile without `nat`):
    /// over the line that carries packets now.
    #[must_use]
    pub fn way_back(&self, now: Duration, flow: Flow) -> Way {
        let host = nat::own_host(self.line_for(now, Way::Up(flow)));
        Way::Down(
            Endpoint {
                host,
                port: flow.port,
            },
            flow.protocol,
        )
    }

    /// The next packet that has arrived by `now`.
    pub fn poll(&mut self, now: Duration) -> Option<Delivery<P>> {
        let first = self
            .under_way
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let delivery = first.remove();
        self.counters[delivery.direction as usize]
            .delivered
            .add(delivery.ip_bytes);
        Some(delivery)
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_event(&self) -> Option<Duration> {
        self.under_way.first_key_value().map(|(key, _)| key.0)
    }

    /// True while some line carries packets.
    #[must_use]
    pub fn is_up(&self, now: Duration) -> bool {
        self.lines
            .iter()
            .any(|line| line.calendar.carries.contains(now))
    }

    /// The next change that the site's machine can see after `now`, true for link-up.
    #[must_use]
    pub fn next_signal(&self, now: Duration) -> Option<(Duration, bool)> {
        self.lines
            .iter()
            .filter_map(|line| line.calendar.visible.next_change(now))
            .min()
    }

    /// Time between two moments in which the link carries packets.
    #[must_use]
    pub fn up_time(&self, from: Duration, to: Duration) -> Duration {
        self.lines
            .iter()
            .map(|line| line.calendar.carries.total(from, to))
            .sum()
    }

    /// IP bytes that the link could have carried between two moments, while up, after loss; what a
    /// used-up bundle slows down is not taken off.
    #[must_use]
    pub fn capacity(&self, direction: Direction, from: Duration, to: Duration) -> u64 {
        self.lines
            .iter()
            .map(|line| line.half(direction).capacity(&line.calendar, from, to))
            .sum::<f64>() as u64
    }

    /// What happened so far in one direction.
    #[must_use]
    pub fn counters(&self, direction: Direction) -> &Counters {
        &self.counters[direction as usize]
    }

    /// A hash over all packets so far: time, direction, size, fate.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    fn line_for(&self, now: Duration, way: Way) -> usize {
        match way {
            Way::Up(_) => self
                .lines
                .iter()
                .position(|line| line.calendar.carries.contains(now))
                .unwrap_or(0),
            Way::Down(outside, _) => nat::line_of(outside.host),
        }
    }

    fn queue(&mut self, delivery: Delivery<P>) {
        self.sequence += 1;
        self.under_way
            .insert((delivery.at, self.sequence), delivery);
    }

    fn note(&mut self, now: Duration, direction: Direction, ip_bytes: usize, fate: Fate) {
        let (code, at) = match fate {
            Fate::Arrives(at) => (0, at),
            Fate::TooBig => (1, now),
            Fate::Outage => (2, now),
            Fate::QueueFull => (3, now),
            Fate::Lost => (4, now),
            Fate::Unmapped => (5, now),
            Fate::Blocked => (6, now),
        };
        let mut record = [0_u8; 34];
        let (times, kind) = record.split_at_mut(32);
        times[..16].copy_from_slice(&now.as_nanos().to_le_bytes());
        times[16..].copy_from_slice(&at.as_nanos().to_le_bytes());
        kind.copy_from_slice(&[direction as u8, code]);
        self.trace.update(&record).update(&ip_bytes.to_le_bytes());
    }
}

#[cfg(test)]
mod tests;

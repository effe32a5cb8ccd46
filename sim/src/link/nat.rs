//! Address translation: mappings that expire, come back under new ports, and die with the address.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Endpoint, Flow, Protocol};
use crate::calendar::LineCalendar;
use crate::profile::schema::Nat as Config;
use crate::seed::{Dice, Seed};
use crate::time::seconds;

/// An outage this long means a new attachment (A).
const REATTACH: Duration = Duration::from_secs(30);
/// Mappings kept; the one silent for longest goes first.
const MOST: usize = 1024;
/// The line's number stands in the top bits of its addresses.
const LINE_SHIFT: u32 = 28;

/// The line that an address belongs to.
pub(super) fn line_of(host: u32) -> usize {
    (host >> LINE_SHIFT) as usize
}

/// The address of a site without translation, by line.
pub(super) fn own_host(line: usize) -> u32 {
    u32::try_from(line).map_or(0, |line| line << LINE_SHIFT)
}

#[derive(Debug)]
pub(super) struct Nat {
    config: Option<Config>,
    line: u32,
    seed: Seed,
    /// Moments at which the site gets a new address.
    moves: Vec<Duration>,
    ports: Dice,
    outward: BTreeMap<Flow, Mapping>,
    inward: BTreeMap<(Endpoint, Protocol), Flow>,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    outside: Endpoint,
    made: Duration,
    used: Duration,
}

impl Nat {
    pub(super) fn new(
        config: Option<Config>,
        calendar: &LineCalendar,
        line: u32,
        seed: Seed,
    ) -> Self {
        let chance = config.map_or(0.0, |config| config.new_ip_on_reattach.0);
        let mut dice = seed.child("moves").dice();
        let gaps = calendar.carries.not().longer_than(REATTACH);
        let moves = gaps
            .as_slice()
            .iter()
            .map(|gap| gap.1)
            .filter(|_| dice.chance(chance))
            .collect();
        Self {
            config,
            line,
            seed,
            moves,
            ports: seed.child("ports").dice(),
            outward: BTreeMap::new(),
            inward: BTreeMap::new(),
        }
    }

    /// What the hub sees of a packet that leaves then.
    pub(super) fn outbound(&mut self, flow: Flow, at: Duration) -> Endpoint {
        let Some(config) = self.config else {
            return Endpoint {
                host: self.line << LINE_SHIFT,
                port: flow.port,
            };
        };
        let host = self.host(&config, at);
        let known = self.outward.get(&flow).copied();
        let mapping = match known.filter(|mapping| alive(&config, mapping, flow.protocol, host, at))
        {
            Some(mapping) => Mapping {
                used: at,
                ..mapping
            },
            None => self.fresh(
                &config,
                flow,
                host,
                at,
                known.map(|mapping| mapping.outside),
            ),
        };
        self.outward.insert(flow, mapping);
        mapping.outside
    }

    /// The flow that a packet from the hub reaches, if its mapping lives.
    pub(super) fn inbound(
        &mut self,
        outside: Endpoint,
        protocol: Protocol,
        at: Duration,
    ) -> Option<Flow> {
        let Some(config) = self.config else {
            return Some(Flow {
                port: outside.port,
                protocol,
            });
        };
        let flow = self.inward.get(&(outside, protocol)).copied()?;
        let host = self.host(&config, at);
        let mapping = self.outward.get(&flow)?;
        (mapping.outside == outside && alive(&config, mapping, protocol, host, at)).then_some(flow)
    }

    fn fresh(
        &mut self,
        config: &Config,
        flow: Flow,
        host: u32,
        at: Duration,
        before: Option<Endpoint>,
    ) -> Mapping {
        if let Some(old) = before {
            self.inward.remove(&(old, flow.protocol));
        }
        self.make_room();
        let kept = before.map_or(flow.port, |old| old.port);
        let mut outside = Endpoint { host, port: kept };
        let forced = config.rebind_every_s.is_some();
        while (before.is_some() && (config.rebind_port || forced) && outside.port == kept)
            || self.inward.contains_key(&(outside, flow.protocol))
        {
            outside.port = 1024 + (self.ports.below(64_512) as u16);
        }
        self.inward.insert((outside, flow.protocol), flow);
        Mapping {
            outside,
            made: at,
            used: at,
        }
    }

    fn make_room(&mut self) {
        while self.outward.len() >= MOST {
            let Some(oldest) = self
                .outward
                .iter()
                .min_by_key(|(_, mapping)| mapping.used)
                .map(|(flow, _)| *flow)
            else {
                return;
            };
            if let Some(mapping) = self.outward.remove(&oldest) {
                self.inward.remove(&(mapping.outside, oldest.protocol));
            }
        }
    }

    /// The site's address at a moment: a function of time alone.
    fn host(&self, config: &Config, at: Duration) -> u32 {
        let attached = self.moves.partition_point(|moved| *moved <= at) as u64;
        let renewed = config
            .new_ip_every_s
            .map_or(0, |every| (at.as_secs_f64() / every.0) as u64);
        let random = self
            .seed
            .child("address")
            .nth(attached)
            .nth(renewed)
            .dice()
            .bits() as u32;
        (self.line << LINE_SHIFT) | (random >> (32 - LINE_SHIFT))
    }
}

fn alive(config: &Config, mapping: &Mapping, protocol: Protocol, host: u32, at: Duration) -> bool {
    let idle = protocol == Protocol::Udp && at > mapping.used + seconds(config.udp_idle_s.0);
    let worn = config
        .rebind_every_s
        .is_some_and(|every| at >= mapping.made + seconds(every.0));
    mapping.outside.host == host && !idle && !worn
}

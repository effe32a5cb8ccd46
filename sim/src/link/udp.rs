//! What a path does to UDP flows, and to those who knock before they are let in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Endpoint, Flow, Protocol};
use crate::profile::schema::UdpMix;
use crate::seed::Seed;

/// A flow that was silent for so long makes a new attempt (A).
const NEW_ATTEMPT: Duration = Duration::from_secs(10);
/// Flows remembered.
const MOST: usize = 1024;

#[derive(Debug)]
pub(super) struct Middlebox {
    mix: UdpMix,
    seed: Seed,
    flows: BTreeMap<Endpoint, Treatment>,
    fail_first: u32,
    door: Door,
}

#[derive(Debug, Default)]
struct Door {
    since: Option<Duration>,
    refused: u32,
    attempts: BTreeMap<Flow, (Duration, bool)>,
}

#[derive(Debug)]
enum Treatment {
    Open,
    Block,
    DropAfter { left: u32 },
    Police { tokens: f64, at: Duration },
}

impl Middlebox {
    pub(super) fn new(mix: UdpMix, fail_first: u32, seed: Seed) -> Self {
        Self {
            mix,
            seed,
            flows: BTreeMap::new(),
            fail_first,
            door: Door::default(),
        }
    }

    /// True for a packet that does not get past. Drawn per address and port, so a new address is
    /// a new draw.
    pub(super) fn swallows(
        &mut self,
        outside: Endpoint,
        protocol: Protocol,
        bytes: usize,
        at: Duration,
    ) -> bool {
        if protocol != Protocol::Udp || self.mix == UdpMix::default() {
            return false;
        }
        if self.flows.len() >= MOST && !self.flows.contains_key(&outside) {
            self.flows.pop_first();
        }
        let (mix, seed) = (self.mix, self.seed);
        let treatment = self
            .flows
            .entry(outside)
            .or_insert_with(|| Treatment::draw(&mix, seed, outside, at));
        match treatment {
            Treatment::Open => false,
            Treatment::Block => true,
            Treatment::DropAfter { left } => match left.checked_sub(1) {
                Some(rest) => {
                    *left = rest;
                    false
                }
                None => true,
            },
            Treatment::Police { tokens, at: last } => {
                let gained = at.saturating_sub(*last).as_secs_f64() * mix.police_kbit.0 * 125.0;
                *tokens = (*tokens + gained).min(mix.police_burst_bytes.0);
                *last = at.max(*last);
                let short = *tokens < bytes as f64;
                *tokens -= if short { 0.0 } else { bytes as f64 };
                short
            }
        }
    }

    /// True for packets of the first connection attempts after the link came back at `since`.
    pub(super) fn refuses(&mut self, flow: Flow, since: Duration, at: Duration) -> bool {
        if self.fail_first == 0 {
            return false;
        }
        if self.door.since != Some(since) {
            self.door = Door {
                since: Some(since),
                ..Door::default()
            };
        }
        let known = self
            .door
            .attempts
            .get(&flow)
            .filter(|(last, _)| at < *last + NEW_ATTEMPT);
        let refused = known.map_or(self.door.refused < self.fail_first, |(_, refused)| *refused);
        self.door.refused += u32::from(known.is_none() && refused);
        if self.door.attempts.len() >= MOST {
            self.door.attempts.pop_first();
        }
        self.door.attempts.insert(flow, (at, refused));
        refused
    }
}

impl Treatment {
    fn draw(mix: &UdpMix, seed: Seed, outside: Endpoint, at: Duration) -> Self {
        let share = seed
            .nth(u64::from(outside.host))
            .nth(u64::from(outside.port))
            .dice()
            .uniform();
        if share < mix.block.0 {
            Self::Block
        } else if share < mix.block.0 + mix.drop_after.0 {
            Self::DropAfter {
                left: mix.drop_after_packets,
            }
        } else if share < mix.block.0 + mix.drop_after.0 + mix.police.0 {
            Self::Police {
                tokens: mix.police_burst_bytes.0,
                at,
            }
        } else {
            Self::Open
        }
    }
}

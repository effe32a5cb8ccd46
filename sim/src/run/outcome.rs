//! The figures of a run: the last line of `run --json`.

use std::time::Duration;

use serde::Serialize;

use super::timeline::Timeline;
use crate::bench::{Latency, Queue};

/// What a run comes to. The names are a contract: added to, never changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// The profile, or the scenario.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// Sites.
    pub sites: usize,
    /// Simulated seconds.
    pub simulated_s: f64,
    /// Real seconds.
    pub wall_s: f64,
    /// Seconds in which a site's link was up, over all sites.
    pub link_up_s: f64,
    /// The same as a share of the time.
    pub link_up_share: f64,
    /// IP bytes that the links could have carried up while up, after loss.
    pub capacity_bytes: u64,
    /// Bytes of sealed chunks durably at the hub, each once.
    pub payload_bytes: u64,
    /// IP bytes sent towards the hub.
    pub wire_bytes_up: u64,
    /// IP bytes sent towards the clinics.
    pub wire_bytes_down: u64,
    /// Payload by capacity.
    pub goodput_share: f64,
    /// Bytes of chunks that came to the hub and were there already.
    pub resent_bytes: u64,
    /// Connections of a site after its first.
    pub disconnects: u64,
    /// From link-up to the first packet with payload at the hub, where something was owed.
    pub resume_idle_s: Latency,
    /// The wait in the queues towards the hub.
    pub queue_s: Queue,
    /// STAT studies, from arrival to the archive.
    pub stat_s: Waits,
    /// URGENT studies.
    pub urgent_s: Waits,
    /// ROUTINE studies.
    pub routine_s: Waits,
    /// BULK studies.
    pub bulk_s: Waits,
    /// Instances.
    pub instances: Instances,
    /// Hard kills of sender boxes.
    pub kills: u64,
    /// Over all packets of all sites (time, direction, size, fate) and all instances at the archive.
    pub trace_hash: String,
    /// What happened, for reports; left out of the JSON line.
    #[serde(skip)]
    pub timeline: Timeline,
}

/// From a study's arrival to the archive, seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Waits {
    /// Studies that are there.
    pub n: u64,
    /// Studies that are not.
    pub waiting: u64,
    /// As a clock on the wall counts.
    pub wall: Latency,
    /// Only while the link was up.
    pub link_up: Latency,
}

impl Waits {
    /// Of the studies at the archive (wall time, link-up time), and the number of the others.
    #[must_use]
    pub fn of(stored: Vec<(Duration, Duration)>, waiting: u64) -> Self {
        let (wall, link_up): (Vec<_>, Vec<_>) = stored.into_iter().unzip();
        Self {
            n: wall.len() as u64,
            waiting,
            wall: Latency::of(wall),
            link_up: Latency::of(link_up),
        }
    }
}

/// Instances, judged by a model beside the real system: what was accepted, and what the archive
/// holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Instances {
    /// Accepted by a sender.
    pub accepted: u64,
    /// Of these, proved at the hub, as far as the senders know.
    pub verified: u64,
    /// Of these, at the archive.
    pub stored: u64,
    /// Of these, waiting for a person.
    pub parked: u64,
    /// Of these, neither at the archive nor owed by the sender any more.
    pub lost: u64,
    /// Given to the archive again after it had taken them.
    pub doubled: u64,
    /// At the archive with other bytes than were handed in, or never handed in.
    pub altered: u64,
}

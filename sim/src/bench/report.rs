//! What a run comes to.

use std::time::Duration;

use serde::Serialize;

/// The figures of one run, or the mean of several.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The link.
    pub profile: String,
    /// The seed; of a mean, the first one.
    pub seed: u64,
    /// Simulated seconds measured.
    pub simulated_s: f64,
    /// Real seconds of the whole run.
    pub wall_s: f64,
    /// Seconds measured in which the link was up.
    pub link_up_s: f64,
    /// IP bytes that the link could have carried up while up, after loss.
    pub capacity_bytes: u64,
    /// Bytes of chunks at the hub, each counted once.
    pub payload_bytes: u64,
    /// IP bytes sent towards the hub.
    pub wire_bytes_up: u64,
    /// IP bytes sent towards the clinic.
    pub wire_bytes_down: u64,
    /// Payload by capacity.
    pub goodput_share: f64,
    /// Bytes of chunks that were at the hub already.
    pub resent_bytes: u64,
    /// Connections after the first.
    pub disconnects: u64,
    /// From link-up to the first data at the hub.
    pub resume_idle_s: Latency,
    /// The wait in the queue towards the hub.
    pub queue_s: Queue,
    /// From the making of a STAT frame to the hub.
    pub stat_s: Latency,
    /// What the outages took.
    pub outages: Outages,
    /// What the other flow on the link got, by capacity; 0 without one.
    pub rival_share: f64,
    /// A fingerprint of every packet's fate, the same for the same seed.
    pub trace_hash: String,
}

/// The waits in a queue, seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Queue {
    /// 95 % wait less.
    pub p95: f64,
    /// The longest.
    pub max: f64,
}

/// A distribution of seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// How many.
    pub n: u64,
    /// The middle one.
    pub p50: f64,
    /// 95 % are below.
    pub p95: f64,
    /// The longest.
    pub max: f64,
}

/// What fell into outages.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Outages {
    /// How many began.
    pub n: u64,
    /// IP bytes lost to them towards the hub, per outage.
    pub wasted_bytes: f64,
    /// IP bytes sent a minute, both ways, from the tenth minute of an outage on.
    pub dead_air_bytes_per_min: f64,
}

impl Latency {
    /// Of a list of lengths.
    #[must_use]
    pub fn of(mut lengths: Vec<Duration>) -> Self {
        lengths.sort_unstable();
        let at = |share: f64| {
            let index = (share * lengths.len() as f64).ceil() as usize;
            let length = lengths.get(index.saturating_sub(1));
            length.map_or(0.0, Duration::as_secs_f64)
        };
        Self {
            n: lengths.len() as u64,
            p50: at(0.5),
            p95: at(0.95),
            max: at(1.0),
        }
    }
}

impl Report {
    /// IP bytes sent up per byte of payload.
    #[must_use]
    pub fn up_per_payload(&self) -> f64 {
        self.wire_bytes_up as f64 / self.payload_bytes.max(1) as f64
    }

    /// IP bytes down per IP byte up.
    #[must_use]
    pub fn down_per_up(&self) -> f64 {
        self.wire_bytes_down as f64 / self.wire_bytes_up.max(1) as f64
    }
}

/// The mean of several runs, sums and figures alike; the longest of all for every `max`.
#[must_use]
pub fn mean(reports: &[Report]) -> Report {
    let n = reports.len().max(1) as f64;
    let avg = |get: fn(&Report) -> f64| reports.iter().map(get).sum::<f64>() / n;
    let count = |get: fn(&Report) -> u64| {
        let sum: u64 = reports.iter().map(get).sum();
        sum / (reports.len().max(1) as u64)
    };
    let most = |get: fn(&Report) -> f64| reports.iter().map(get).fold(0.0, f64::max);
    let latency = |get: fn(&Report) -> &Latency| {
        let all = reports.iter().map(get);
        Latency {
            n: all.clone().map(|l| l.n).sum(),
            p50: all.clone().map(|l| l.p50).sum::<f64>() / n,
            p95: all.clone().map(|l| l.p95).sum::<f64>() / n,
            max: all.map(|l| l.max).fold(0.0, f64::max),
        }
    };
    let first = reports.first().cloned().unwrap_or_default();
    Report {
        profile: first.profile,
        seed: first.seed,
        simulated_s: avg(|r| r.simulated_s),
        wall_s: avg(|r| r.wall_s),
        link_up_s: avg(|r| r.link_up_s),
        capacity_bytes: count(|r| r.capacity_bytes),
        payload_bytes: count(|r| r.payload_bytes),
        wire_bytes_up: count(|r| r.wire_bytes_up),
        wire_bytes_down: count(|r| r.wire_bytes_down),
        goodput_share: avg(|r| r.goodput_share),
        resent_bytes: count(|r| r.resent_bytes),
        disconnects: count(|r| r.disconnects),
        resume_idle_s: latency(|r| &r.resume_idle_s),
        queue_s: Queue {
            p95: avg(|r| r.queue_s.p95),
            max: most(|r| r.queue_s.max),
        },
        stat_s: latency(|r| &r.stat_s),
        outages: Outages {
            n: count(|r| r.outages.n),
            wasted_bytes: avg(|r| r.outages.wasted_bytes),
            dead_air_bytes_per_min: avg(|r| r.outages.dead_air_bytes_per_min),
        },
        rival_share: avg(|r| r.rival_share),
        trace_hash: first.trace_hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_lengths() {
        let lengths = (1..=100).rev().map(Duration::from_secs).collect();
        let latency = Latency::of(lengths);
        assert_eq!(
            (latency.n, latency.p50, latency.p95, latency.max),
            (100, 50.0, 95.0, 100.0)
        );
        assert_eq!(Latency::of(Vec::new()).max, 0.0);
    }

    #[test]
    fn a_mean_keeps_the_longest_wait() {
        let one = |share, max| Report {
            goodput_share: share,
            queue_s: Queue { p95: share, max },
            ..Report::default()
        };
        let both = mean(&[one(0.5, 3.0), one(1.0, 2.0)]);
        assert_eq!(
            (both.goodput_share, both.queue_s.p95, both.queue_s.max),
            (0.75, 0.75, 3.0)
        );
    }
}

//! What a link counts.

use std::time::Duration;

use super::Fate;
use super::line::Passage;

/// Packets and their IP bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// IP bytes.
    pub bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// What happened in one direction.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Handed to the link.
    pub offered: Tally,
    /// Handed out at the far end, copies included.
    pub delivered: Tally,
    /// Fell into an outage.
    pub outage: Tally,
    /// Found the queue full.
    pub queue_full: Tally,
    /// Lost on the way.
    pub lost: Tally,
    /// Larger than the path carries.
    pub too_big: Tally,
    /// Had no translation.
    pub unmapped: Tally,
    /// Swallowed by a middlebox.
    pub blocked: Tally,
    /// Arrive twice.
    pub duplicated: u64,
    /// Arrive damaged.
    pub corrupted: u64,
    /// Waits in the queue.
    pub queue_delay: Delays,
}

impl Counters {
    pub(super) fn sent(&mut self, passage: &Passage, bytes: usize) {
        self.offered.add(bytes);
        match passage.fate {
            Fate::Arrives(_) => {
                self.duplicated += u64::from(passage.again.is_some());
                self.corrupted += u64::from(passage.flip.is_some());
            }
            Fate::TooBig => self.too_big.add(bytes),
            Fate::Outage => self.outage.add(bytes),
            Fate::QueueFull => self.queue_full.add(bytes),
            Fate::Lost => self.lost.add(bytes),
            Fate::Unmapped => self.unmapped.add(bytes),
            Fate::Blocked => self.blocked.add(bytes),
        }
        if let Some(wait) = passage.queued {
            self.queue_delay.add(wait);
        }
    }
}

/// Sub-buckets per doubling: quantiles are right to 1.6 %.
const PER_OCTAVE: u64 = 64;

/// Durations, kept as a histogram of fixed size.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Delays {
    /// Adds one.
    pub fn add(&mut self, delay: Duration) {
        let index = bucket(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX));
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, 0);
        }
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(delay);
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Those added after `earlier`, a copy from then; the longest is that of all.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let old = |index: usize| earlier.buckets.get(index).copied().unwrap_or(0);
        let buckets = self.buckets.iter().enumerate();
        Self {
            buckets: buckets.map(|(i, n)| n.saturating_sub(old(i))).collect(),
            count: self.count.saturating_sub(earlier.count),
            max: self.max,
        }
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The value below which the share `q` lies; zero for none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        let mut left = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        for (index, count) in self.buckets.iter().enumerate() {
            if *count >= left {
                return Duration::from_micros(middle(index as u64)).min(self.max);
            }
            left -= count;
        }
        self.max
    }
}

fn bucket(micros: u64) -> usize {
    let octave = u64::from(
        (micros / PER_OCTAVE)
            .checked_ilog2()
            .map_or(0, |log| log + 1),
    );
    let within = if octave == 0 {
        micros
    } else {
        (micros >> (octave - 1)) - PER_OCTAVE
    };
    usize::try_from(octave * PER_OCTAVE + within).unwrap_or(usize::MAX)
}

fn middle(index: u64) -> u64 {
    let (octave, within) = (index / PER_OCTAVE, index % PER_OCTAVE);
    match octave {
        0 => within,
        _ => ((PER_OCTAVE + within) << (octave - 1)) + ((1 << (octave - 1)) / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_two_percent() {
        let mut delays = Delays::default();
        assert_eq!(delays.quantile(0.5), Duration::ZERO);
        for ms in 1..=1000 {
            delays.add(Duration::from_millis(ms));
        }
        for (q, ms) in [(0.05, 50.0), (0.5, 500.0), (0.95, 950.0), (1.0, 1000.0)] {
            let got = delays.quantile(q).as_secs_f64() * 1e3;
            assert!((got / ms - 1.0).abs() < 0.02, "q {q}: {got} ms");
        }
        assert_eq!(delays.max(), Duration::from_secs(1));
    }

    #[test]
    fn buckets_rise_without_gaps() {
        let indexes: Vec<usize> = (0..5000).map(bucket).collect();
        assert!(indexes.windows(2).all(|w| w[1] == w[0] || w[1] == w[0] + 1));
    }
}

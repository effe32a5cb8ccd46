//! What outlives a connection: worth 49 bytes of a journal at the clinic.

use std::time::Duration;

use super::Remembered;
use super::probe::ProbeKey;

const VERSION: u8 = 1;
/// Rates and round-trip times outside these bounds are not believed.
const RATE: (f64, f64) = (100.0, 1e10);
const RTT: (f64, f64) = (1e-5, 60.0);

/// What is known of one link to one hub.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkMemory {
    /// How it carried the last connection.
    pub carried: Option<Remembered>,
    /// For questions while it is down.
    pub probe: Option<ProbeKey>,
}

impl LinkMemory {
    /// `version 1 | rate 8 | round-trip time 8 | probe key 32`; zeros for what is not known.
    /// The key is a secret, of little worth to others: with it one can ask whether the hub is up.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let rate = self.carried.map_or(0.0, |carried| carried.rate);
        let rtt = self
            .carried
            .map_or(0.0, |carried| carried.rtt.as_secs_f64());
        let key = self.probe.as_ref().map_or([0; 32], |key| *key.as_bytes());
        [
            &[VERSION][..],
            &rate.to_le_bytes(),
            &rtt.to_le_bytes(),
            &key,
        ]
        .concat()
    }

    /// What [`LinkMemory::to_bytes`] gave; whatever is damaged or unlikely is forgotten.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (rate, rest) = rest.split_first_chunk()?;
        let (rtt, rest) = rest.split_first_chunk()?;
        let key: [u8; 32] = rest.try_into().ok()?;
        if *version != VERSION {
            return None;
        }
        let (rate, rtt) = (f64::from_le_bytes(*rate), f64::from_le_bytes(*rtt));
        let likely = (RATE.0..RATE.1).contains(&rate) && (RTT.0..RTT.1).contains(&rtt);
        Some(Self {
            carried: likely.then(|| Remembered {
                rate,
                rtt: Duration::from_secs_f64(rtt),
            }),
            probe: (key != [0; 32]).then(|| ProbeKey::from_bytes(key)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> LinkMemory {
        LinkMemory {
            carried: Some(Remembered {
                rate: 64_000.0,
                rtt: Duration::from_millis(650),
            }),
            probe: Some(ProbeKey::from_bytes([3; 32])),
        }
    }

    #[test]
    fn it_reads_back() {
        for memory in [some(), LinkMemory::default()] {
            assert_eq!(LinkMemory::from_bytes(&memory.to_bytes()), memory);
        }
    }

    #[test]
    fn nonsense_is_forgotten() {
        assert_eq!(LinkMemory::from_bytes(b"\x01short"), LinkMemory::default());
        let mut other = some().to_bytes();
        other[0] = 9;
        assert_eq!(LinkMemory::from_bytes(&other), LinkMemory::default());
        let mut wild = some();
        wild.carried = Some(Remembered {
            rate: f64::NAN,
            rtt: Duration::from_secs(1),
        });
        assert_eq!(LinkMemory::from_bytes(&wild.to_bytes()).carried, None);
    }
}

//! Waking a connection that an outage has put to sleep.
//!
//! quinn doubles its probe timer without a useful cap and sends nothing new while its window is
//! full of packets that an outage swallowed: after an hour of outage the first byte came twenty
//! minutes after the link did. A kick opens the window by a round trip's worth of packets past
//! what is in flight and sends something that asks for an acknowledgement; that acknowledgement
//! tells quinn what was lost, and it goes on by itself.

use bytes::Bytes;
use tokio::time::Instant;

use crate::steer::Steer;

/// The content of a kick's datagram.
pub(crate) const KICK: u8 = 0;

/// Lets some more packets out at once and asks for an acknowledgement.
pub(crate) fn kick(conn: &quinn::Connection, steer: &Steer) {
    steer.lift(Instant::now().into_std());
    // Fails only on a closed connection, which needs no kick.
    drop(conn.send_datagram(Bytes::from_static(&[KICK])));
}

/// The first number of a seed.
pub(crate) const fn number(seed: [u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = seed;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// A stream of numbers to spread timers with (xorshift64*); not random enough for anything else.
#[derive(Debug)]
pub(crate) struct Jitter(pub(crate) u64);

impl Jitter {
    /// From 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        let high = u32::try_from(self.bits() >> 32).unwrap_or(0);
        f64::from(high) / f64::from(u32::MAX)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        let mut x = self.0 | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_fills_the_unit_interval() {
        let mut jitter = Jitter(7);
        let all: Vec<f64> = (0..2000).map(|_| jitter.next()).collect();
        let mean = all.iter().sum::<f64>() / 2000.0;
        assert!((mean - 0.5).abs() < 0.03, "{mean}");
        assert!(all.iter().all(|x| (0.0..=1.0).contains(x)));
    }
}

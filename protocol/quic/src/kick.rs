//! Waking a connection that an outage has put to sleep.
//!
//! quinn doubles its probe timer without a useful cap and sends nothing new while its window is
//! full of packets that an outage swallowed: after an hour of outage the first byte came twenty
//! minutes after the link did. A kick opens the window by a few packets past what is in flight
//! and sends something that asks for an acknowledgement; that acknowledgement tells quinn what
//! was lost, and it goes on by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::steer::Steer;

/// No acknowledgement is missed before this long: the peer may delay one by 200 ms, and quinn's
/// own first probes come sooner.
const PATIENCE_MIN: Duration = Duration::from_millis(1500);
/// The only content of a datagram so far.
const KICK: &[u8] = &[0];

/// Lets a few more packets out at once and asks for an acknowledgement.
pub(crate) fn kick(conn: &quinn::Connection, steer: &Steer) {
    steer.lift(conn.rtt());
    // Fails only on a closed connection, which needs no kick.
    drop(conn.send_datagram(Bytes::from_static(KICK)));
}

/// The time between two probes of a silent link: 5 % of the silence, between half a second and 20
/// seconds, more or less by a quarter so that the clinics of a province do not all call at once.
pub(crate) fn probe_interval(silence: Duration, jitter: &mut Jitter) -> Duration {
    let even = (silence / 20).clamp(Duration::from_millis(500), Duration::from_secs(20));
    even.mul_f64(0.75 + jitter.next() / 2.0)
}

/// Decides when a driven connection is kicked.
pub(crate) struct Pulse {
    conn: quinn::Connection,
    steer: Arc<Steer>,
    jitter: Jitter,
    check_at: Option<tokio::time::Instant>,
}

impl Pulse {
    pub(crate) fn new(conn: &quinn::Connection, steer: &Arc<Steer>, seed: u64) -> Self {
        Self {
            steer: steer.clone(),
            conn: conn.clone(),
            jitter: Jitter(seed),
            check_at: None,
        }
    }

    /// Data was handed to QUIC.
    pub(crate) fn expect(&self, now: tokio::time::Instant) {
        self.steer.expect(now.into_std());
    }

    /// Kicks if that is due; when to ask again, if ever without new data.
    pub(crate) fn check(&mut self, now: tokio::time::Instant) -> Option<tokio::time::Instant> {
        if self.check_at.is_none_or(|at| at <= now) {
            self.check_at = self.wait(now).map(|wait| now + wait);
        }
        self.check_at
    }

    fn wait(&mut self, now: tokio::time::Instant) -> Option<Duration> {
        let silence = self.steer.silence(now.into_std())?;
        let patience = PATIENCE_MIN.max(self.conn.rtt() * 3);
        if silence < patience {
            return Some(patience - silence);
        }
        kick(&self.conn, &self.steer);
        Some(probe_interval(silence, &mut self.jitter))
    }
}

/// A stream of numbers to spread timers with (xorshift64*); not random enough for anything else.
pub(crate) struct Jitter(pub(crate) u64);

impl Jitter {
    /// From 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        let mut x = self.0 | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        let high = u32::try_from(x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or(0);
        f64::from(high) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_of_a_silent_link_grow_rare_but_never_rarer_than_25_seconds() {
        let mut jitter = Jitter(7);
        let mut between = |silence, low, high| {
            let all = (0..500).map(|_| probe_interval(Duration::from_secs(silence), &mut jitter));
            let millis: Vec<u128> = all.map(|d| d.as_millis()).collect();
            assert!(
                millis.iter().all(|ms| (low..=high).contains(ms)),
                "{silence}: {millis:?}"
            );
            assert!(millis.iter().max() > millis.iter().min());
        };
        between(0, 375, 625);
        between(100, 3_750, 6_250);
        between(1_000_000, 15_000, 25_000);
    }
}

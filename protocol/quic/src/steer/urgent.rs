//! What is urgent waits for nothing. A packet that quinn has made and that waits for its moment would
//! stand before it; on 64 kbit/s that costs a fifth of a second. Such a packet is taken back: quinn
//! sends what was in it again, as if it had been lost, and the link never carries it.

use std::time::{Duration, Instant};

use super::Steer;

/// What is urgent on one connection, and what was taken back for it.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    /// When something was last handed to QUIC.
    handed: Option<Instant>,
    /// It has not left yet.
    waits: bool,
    /// When all that was handed over has left, by the rate.
    gone: Option<Instant>,
    /// The socket sends for this connection alone: what it is given next is known.
    alone: bool,
    /// The packet that waits holds nothing urgent.
    plain: bool,
    /// The packet that the socket is given next does not leave.
    stops: bool,
    /// Bytes taken back that quinn has still to find lost.
    unsent: u64,
}

impl Steer {
    /// A frame of so many urgent bytes is handed to QUIC.
    pub(crate) fn expect_urgent(&self, now: Instant, bytes: usize) {
        let mut state = self.state();
        let time = bytes as f64 / state.rate().max(1.0);
        let time = Duration::try_from_secs_f64(time).unwrap_or_default();
        state.urgent.expect(now, time);
    }

    /// Something urgent is not acknowledged yet.
    pub(crate) fn owes_urgent(&self) -> bool {
        self.state().owes_urgent()
    }

    /// The socket sends for this connection alone.
    pub(crate) fn is_alone(&self) {
        self.state().urgent.alone = true;
    }

    /// Whether the packet that the socket was just given is not to leave after all.
    pub(crate) fn stops(&self) -> bool {
        std::mem::take(&mut self.state().urgent.stops)
    }
}

impl Urgent {
    fn expect(&mut self, now: Instant, time: Duration) {
        (self.handed, self.waits) = (Some(now), true);
        self.gone = Some(self.gone.map_or(now, |gone| gone.max(now)) + time);
    }

    /// Whether nothing was heard since something was handed over.
    pub(super) fn is_owed(&self, heard: Option<Instant>) -> bool {
        self.handed.is_some() && self.handed >= heard
    }

    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// A packet is made; after `patience` what was urgent has been sent a second time if it was
    /// lost.
    pub(super) fn made(&mut self, now: Instant, patience: Duration) {
        self.plain = self.gone.is_none_or(|gone| now > gone + patience);
    }

    /// Takes the waiting packet back, if something urgent waits behind it.
    pub(super) const fn takes_back(&mut self) -> bool {
        self.stops = self.waits && self.alone && self.plain;
        self.stops
    }

    /// The waiting packet, made at `stamp`, leaves; false when it was taken back.
    pub(super) fn leaves(&mut self, stamp: Instant, bytes: u64) -> bool {
        if self.stops {
            self.unsent += bytes;
            return false;
        }
        self.waits &= self.handed.is_some_and(|at| stamp < at);
        true
    }

    /// What of the bytes that quinn found lost the link has lost.
    pub(super) fn lost(&mut self, bytes: u64) -> u64 {
        let unsent = bytes.min(self.unsent);
        self.unsent -= unsent;
        bytes - unsent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_plain_packet_of_the_only_connection_is_taken_back_and_is_no_loss_of_the_links() {
        let (mut urgent, now) = (Urgent::default(), Instant::now());
        urgent.made(now, SECOND);
        urgent.expect(now + SECOND, SECOND);
        assert!(!urgent.takes_back(), "others send through the socket too");
        urgent.alone = true;
        assert!(urgent.takes_back() && !urgent.leaves(now, 1400));
        assert_eq!(urgent.lost(1000), 0);
        assert_eq!(urgent.lost(1000), 600);
        assert_eq!(urgent.lost(1000), 1000);
    }

    #[test]
    fn a_packet_that_may_hold_what_is_urgent_is_never_taken_back() {
        let (mut urgent, now) = (Urgent::default(), Instant::now());
        urgent.alone = true;
        urgent.expect(now, 5 * SECOND);
        urgent.made(now + 6 * SECOND, SECOND);
        assert!(!urgent.takes_back(), "it may be on its way a second time");
        assert!(urgent.leaves(now + 6 * SECOND, 1400) && !urgent.waits());
        urgent.expect(now + 8 * SECOND, SECOND);
        urgent.made(now + 10 * SECOND, SECOND);
        assert!(!urgent.takes_back());
        urgent.made(now + 11 * SECOND, SECOND);
        assert!(urgent.takes_back());
    }
}

//! What is seen of a site's packets where they arrive.

use std::time::Duration;

/// A packet of more bytes than this carries payload.
const DATA: usize = 600;
/// QUIC's long headers (RFC 9000, 17.2): handshakes.
const LONG: u8 = 0x80;
/// Of a long header's type bits, those of a handshake packet.
const HANDSHAKE: u8 = 0x20;

/// Counts a site's packets at the hub.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    waiting_since: Option<Duration>,
    resumes: Vec<Duration>,
    connections: u64,
    connection: Vec<u8>,
}

impl Meter {
    /// The link has come up, and something is owed: the first data from now on is waited for.
    pub fn link_up(&mut self, at: Duration) {
        self.waiting_since = Some(at);
    }

    /// From each link-up until the first data at the hub.
    #[must_use]
    pub fn resumes(&self) -> &[Duration] {
        &self.resumes
    }

    /// Connections whose handshake came through.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    pub(super) fn arrived(&mut self, at: Duration, packet: &[u8]) {
        let Some(first) = packet.first().copied() else {
            return;
        };
        if first & LONG != 0 {
            self.handshake(first, packet);
        } else if packet.len() > DATA
            && let Some(since) = self.waiting_since.take()
        {
            self.resumes.push(at.saturating_sub(since));
        }
    }

    /// Behind type and version stands the connection's name, its length first.
    fn handshake(&mut self, first: u8, packet: &[u8]) {
        let name = packet
            .get(5)
            .and_then(|length| packet.get(6..6 + usize::from(*length)));
        let Some(name) = name.filter(|_| first & 0x30 == HANDSHAKE) else {
            return;
        };
        if name != self.connection {
            self.connection = name.to_vec();
            self.connections += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_data_after_a_link_up_counts_once() {
        let mut meter = Meter::default();
        meter.link_up(SECOND);
        meter.arrived(SECOND * 2, &[0x40; 40]);
        meter.arrived(SECOND * 3, &[0x40; 1200]);
        meter.arrived(SECOND * 4, &[0x40; 1200]);
        assert_eq!(meter.resumes(), [SECOND * 2]);
    }

    #[test]
    fn a_connection_counts_once_and_its_handshake_is_no_data() {
        let mut meter = Meter::default();
        meter.link_up(SECOND);
        let mut packet = vec![0xe3, 0, 0, 0, 1, 4, 9, 9, 9, 9];
        packet.resize(1200, 0);
        meter.arrived(SECOND, &packet);
        meter.arrived(SECOND, &packet);
        packet[6] = 8;
        meter.arrived(SECOND, &packet);
        assert_eq!((meter.connections(), meter.resumes().len()), (2, 0));
    }
}

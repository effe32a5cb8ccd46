//! What is seen of a site's packets where they arrive.

use std::time::Duration;

/// A packet of more bytes than this carries payload.
const DATA: usize = 600;
/// QUIC's long headers (RFC 9000, 17.2): handshakes.
const LONG: u8 = 0x80;
/// A long header's type bits, and those of two types.
const KIND: u8 = 0x30;
const INITIAL: u8 = 0x00;
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
            self.handshake(packet);
        } else if packet.len() > DATA
            && let Some(since) = self.waiting_since.take()
        {
            self.resumes.push(at.saturating_sub(since));
        }
    }

    /// Looks for a handshake packet, which often rides behind another in one datagram.
    fn handshake(&mut self, mut datagram: &[u8]) {
        while let Some(long) = Long::read(datagram) {
            if long.kind == HANDSHAKE && long.to != self.connection {
                self.connection = long.to.to_vec();
                self.connections += 1;
            }
            datagram = long.behind;
        }
    }
}

/// A packet with a long header (RFC 9000, 17.2).
struct Long<'a> {
    kind: u8,
    /// The connection id that it goes to.
    to: &'a [u8],
    /// What follows it in the datagram.
    behind: &'a [u8],
}

impl<'a> Long<'a> {
    fn read(datagram: &'a [u8]) -> Option<Self> {
        let first = *datagram.first().filter(|first| **first & LONG != 0)?;
        let kind = first & KIND;
        let (to, rest) = sized(datagram.get(5..)?)?;
        let (_, rest) = sized(rest)?;
        let rest = match kind {
            INITIAL => {
                let (token, rest) = varint(rest)?;
                rest.get(token..)?
            }
            HANDSHAKE => rest,
            _ => return None,
        };
        let (length, rest) = varint(rest)?;
        let behind = rest.get(length..)?;
        Some(Self { kind, to, behind })
    }
}

/// A byte of length, and so many bytes.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// RFC 9000, 16.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let first = *bytes.first()?;
    let length = 1_usize << (first >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    let number = number.iter().skip(1);
    let value = number.fold(u64::from(first & 0x3f), |n, b| n << 8 | u64::from(*b));
    Some((usize::try_from(value).ok()?, rest))
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
        // An initial packet of 3 bytes without a token, and a handshake packet behind it.
        let mut packet = vec![0xc3, 0, 0, 0, 1, 1, 5, 0, 0, 3, 7, 7, 7];
        packet.extend([0xe3, 0, 0, 0, 1, 4, 9, 9, 9, 9, 0, 0x44, 0x00]);
        packet.resize(packet.len() + 0x400, 0);
        meter.arrived(SECOND, &packet);
        meter.arrived(SECOND, &packet);
        packet[19] = 8;
        meter.arrived(SECOND, &packet);
        assert_eq!((meter.connections(), meter.resumes().len()), (2, 0));
    }
}

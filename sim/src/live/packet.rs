//! The little that the link needs to know of an IP packet.

use crate::link::{Direction, Flow};

/// The site's flow of an IPv4 packet; none for anything else.
pub(super) fn flow(packet: &[u8], direction: Direction) -> Option<Flow> {
    let first = *packet.first()?;
    if first >> 4 != 4 {
        return None;
    }
    let header = usize::from(first & 0x0f) * 4;
    let port_at = |offset: usize| {
        let bytes = packet.get(header + offset..header + offset + 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let offset = match direction {
        Direction::Up => 0,
        Direction::Down => 2,
    };
    Some(match packet.get(9)? {
        17 => Flow::udp(port_at(offset)?),
        6 => Flow::tcp(port_at(offset)?),
        _ => Flow::tcp(0),
    })
}

/// Turns one bit behind the IP header, where checksums of the transport will find it.
pub(super) fn damage(packet: &mut [u8], flip: u64) {
    let header = usize::from(packet.first().copied().unwrap_or_default() & 0x0f) * 4;
    let Some(body) = packet.get_mut(header..).filter(|body| !body.is_empty()) else {
        return;
    };
    let bit = flip % (body.len() as u64 * 8);
    if let Some(byte) = usize::try_from(bit / 8)
        .ok()
        .and_then(|index| body.get_mut(index))
    {
        *byte ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(from: u16, to: u16) -> Vec<u8> {
        let mut packet = vec![0; 30];
        (packet[0], packet[9]) = (0x45, 17);
        packet[20..22].copy_from_slice(&from.to_be_bytes());
        packet[22..24].copy_from_slice(&to.to_be_bytes());
        packet
    }

    #[test]
    fn the_clinics_port_is_the_source_upward_and_the_target_downward() {
        assert_eq!(flow(&udp(7, 9), Direction::Up), Some(Flow::udp(7)));
        assert_eq!(flow(&udp(7, 9), Direction::Down), Some(Flow::udp(9)));
        assert_eq!(flow(&[0x60; 40], Direction::Up), None);
        assert_eq!(flow(&[0x45, 0], Direction::Up), None);
    }

    #[test]
    fn damage_turns_one_bit_of_the_body_only() {
        let mut packet = udp(7, 9);
        damage(&mut packet, 85);
        let before = udp(7, 9);
        let bits: u32 = packet
            .iter()
            .zip(&before)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert!(bits == 1 && packet[..20] == before[..20]);
        damage(&mut [], 3);
    }
}

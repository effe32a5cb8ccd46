//! Numbers in stream headers: seven bits a byte, low ones first, the top bit says that more follow.
use super::Corrupt;

pub(crate) fn put(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

pub(crate) fn take(from: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut n = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = from.split_first().ok_or(Corrupt)?;
        *from = rest;
        n |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(n);
        }
    }
    Err(Corrupt)
}

pub(crate) fn take_u32(from: &mut &[u8], max: u32) -> Result<u32, Corrupt> {
    u32::try_from(take(from)?)
        .ok()
        .filter(|&n| n <= max)
        .ok_or(Corrupt)
}

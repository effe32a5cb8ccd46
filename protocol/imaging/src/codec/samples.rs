//! Raw bytes to unsigned samples whose order is that of the values, and back.
use crate::plan::Pixels;

/// How samples lie in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    wide: bool,
    signed: bool,
    /// Big endian; for 8-bit samples, two to a swapped word.
    swapped: bool,
}

impl Form {
    /// By the head, and for 8 bits by which order of bytes is the smoother one.
    pub(crate) fn guess(pixels: &Pixels, raw: &[u8]) -> Self {
        let wide = pixels.bytes == 2;
        let swapped = pixels.big && (wide || is_smoother_swapped(raw));
        Self {
            wide,
            signed: pixels.signed,
            swapped,
        }
    }

    pub(crate) fn bytes(self) -> usize {
        1 + usize::from(self.wide)
    }

    pub(crate) fn to_byte(self) -> u8 {
        u8::from(self.wide) | u8::from(self.signed) << 1 | u8::from(self.swapped) << 2
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self {
            wide: byte & 1 != 0,
            signed: byte & 2 != 0,
            swapped: byte & 4 != 0,
        }
    }

    fn offset(self) -> u16 {
        match (self.signed, self.wide) {
            (false, _) => 0,
            (true, false) => 0x80,
            (true, true) => 0x8000,
        }
    }
}

fn is_smoother_swapped(raw: &[u8]) -> bool {
    let step = |a: u8, b: u8| u64::from(a.abs_diff(b));
    let (mut plain, mut swapped) = (0, 0);
    for four in raw.chunks_exact(4) {
        plain += step(four[1], four[2]);
        swapped += step(four[0], four[3]);
    }
    swapped < plain
}

/// Bytes beyond the last whole sample are left out.
pub(crate) fn from_bytes(raw: &[u8], form: Form) -> Vec<u16> {
    let offset = form.offset();
    if form.wide {
        let read = if form.swapped {
            u16::from_be_bytes
        } else {
            u16::from_le_bytes
        };
        return raw
            .chunks_exact(2)
            .map(|b| read([b[0], b[1]]) ^ offset)
            .collect();
    }
    let mut samples: Vec<u16> = raw.iter().map(|&b| u16::from(b) ^ offset).collect();
    swap_pairs(&mut samples, form);
    samples
}

pub(crate) fn to_bytes(samples: &[u16], form: Form) -> Vec<u8> {
    let offset = form.offset();
    if form.wide {
        let write = if form.swapped {
            u16::to_be_bytes
        } else {
            u16::to_le_bytes
        };
        return samples.iter().flat_map(|&s| write(s ^ offset)).collect();
    }
    let mut bytes: Vec<u8> = samples.iter().map(|&s| (s ^ offset) as u8).collect();
    swap_pairs(&mut bytes, form);
    bytes
}

fn swap_pairs<T>(items: &mut [T], form: Form) {
    if form.swapped {
        items.chunks_exact_mut(2).for_each(<[T]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_reversible() {
        for byte in 0..8 {
            let form = Form::from_byte(byte);
            assert_eq!(form.to_byte(), byte);
            let raw: Vec<u8> = (0..66u8).map(|n| n.wrapping_mul(37)).collect();
            assert_eq!(to_bytes(&from_bytes(&raw, form), form), raw);
        }
    }
}

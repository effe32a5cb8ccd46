//! Bits in and out, high ones first, and Golomb codes of them.
use crate::codec::{Corrupt, varint};

/// Zeros before the 1 that starts a Golomb code: more of them announce a plain number.
const ZEROS_MAX: u32 = 22;
const PLAIN: u32 = 18;

/// Both directions, so that the model is written once.
pub(super) trait Bits {
    const DECODES: bool;

    /// The low `count` (at most 24) bits of `value`.
    fn bits(&mut self, count: u32, value: u32) -> u32;

    /// `value` (below 2^18) as `value >> shift` zeros, a 1, and the low `shift` bits.
    fn golomb(&mut self, shift: u32, value: u32) -> u32;
}

pub(super) struct Writer {
    bits: u64,
    count: u32,
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            bits: 0,
            count: 0,
            out: Vec::new(),
        }
    }

    /// Appends the bits, filled up with zeros to whole bytes.
    pub(super) fn finish(mut self, to: &mut Vec<u8>) {
        while self.count > 0 {
            let byte = if self.count >= 8 {
                self.bits >> (self.count - 8)
            } else {
                self.bits << (8 - self.count)
            };
            self.out.push(byte as u8);
            self.count = self.count.saturating_sub(8);
        }
        varint::put(to, self.out.len() as u64);
        to.extend_from_slice(&self.out);
    }

    #[inline(always)]
    fn put(&mut self, count: u32, value: u32) {
        self.bits = self.bits << count | u64::from(value);
        self.count = self.count.wrapping_add(count);
        if self.count >= 32 {
            self.count = self.count.wrapping_sub(32);
            let word = (self.bits >> self.count) as u32;
            self.out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

impl Bits for Writer {
    const DECODES: bool = false;

    #[inline(always)]
    fn bits(&mut self, count: u32, value: u32) -> u32 {
        self.put(count, value);
        value
    }

    #[inline(always)]
    fn golomb(&mut self, shift: u32, value: u32) -> u32 {
        let zeros = value >> shift;
        if zeros < ZEROS_MAX {
            self.put(zeros.wrapping_add(1), 1);
            self.put(shift, value & (1u32 << shift).wrapping_sub(1));
        } else {
            self.put(ZEROS_MAX + 1, 1);
            self.put(PLAIN, value);
        }
        value
    }
}

/// Reads zeros beyond the end.
pub(super) struct Reader<'a> {
    bits: u64,
    count: u32,
    from: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(mut stream: &'a [u8]) -> Result<Self, Corrupt> {
        let len = varint::take(&mut stream)?;
        if len != stream.len() as u64 {
            return Err(Corrupt);
        }
        Ok(Self {
            bits: 0,
            count: 0,
            from: stream,
            at: 0,
        })
    }

    /// At least 32 bits in the upper end of `bits`.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count <= 32 {
            let word = match self.from.get(self.at..self.at.wrapping_add(4)) {
                Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
                _ => self.last_word(),
            };
            self.at = self.at.wrapping_add(4);
            self.bits |= u64::from(word) << 32u32.wrapping_sub(self.count);
            self.count = self.count.wrapping_add(32);
        }
    }

    #[cold]
    fn last_word(&self) -> u32 {
        let byte = |n: usize| u32::from(self.from.get(self.at + n).copied().unwrap_or(0));
        (0..4).fold(0, |word, n| word << 8 | byte(n))
    }

    #[inline(always)]
    fn take(&mut self, count: u32) -> u32 {
        self.fill();
        let value = ((self.bits >> 32) as u32)
            .checked_shr(32u32.wrapping_sub(count))
            .unwrap_or(0);
        self.bits <<= count;
        self.count = self.count.wrapping_sub(count);
        value
    }
}

impl Bits for Reader<'_> {
    const DECODES: bool = true;

    #[inline(always)]
    fn bits(&mut self, count: u32, _: u32) -> u32 {
        self.take(count)
    }

    #[inline(always)]
    fn golomb(&mut self, shift: u32, _: u32) -> u32 {
        self.fill();
        let zeros = self.bits.leading_zeros().min(ZEROS_MAX);
        self.bits <<= zeros.wrapping_add(1);
        self.count = self.count.wrapping_sub(zeros.wrapping_add(1));
        if zeros < ZEROS_MAX {
            zeros << shift | self.take(shift)
        } else {
            self.take(PLAIN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_in_order() {
        let mut seed = 9u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        let script: Vec<(u32, u32, u32)> = (0..9000)
            .map(|_| {
                let count = next() % 25;
                (next() % 17, next() & ((1 << (next() % 19)) - 1), count)
            })
            .collect();
        let mut writer = Writer::new();
        for &(shift, value, count) in &script {
            writer.golomb(shift, value);
            writer.bits(count, value & ((1 << count) - 1));
        }
        let mut stream = Vec::new();
        writer.finish(&mut stream);
        let mut reader = Reader::new(&stream).unwrap();
        for &(shift, value, count) in &script {
            assert_eq!(reader.golomb(shift, 0), value);
            assert_eq!(reader.bits(count, 0), value & ((1 << count) - 1));
        }
    }
}

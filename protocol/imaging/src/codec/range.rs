//! A binary range coder: 32-bit range, carry by counting, 16-bit probabilities; bits that no model
//! can help go to a stream of their own.
use super::Corrupt;
use super::varint;

/// Both directions of a coder, so that a model is written once.
pub(crate) trait Coder {
    const DECODES: bool;

    /// Codes `bit`, whose chance of being set is `chance / 65536` (1..=65535). Returns the bit.
    fn bit(&mut self, chance: u32, bit: bool) -> bool;

    /// Codes the low `count` (at most 24) bits of `value`. Returns them.
    fn raw(&mut self, count: u32, value: u32) -> u32;
}

pub(crate) struct Encoder {
    low: u64,
    range: u32,
    cache: u8,
    pending: u64,
    out: Vec<u8>,
    raw: Vec<u8>,
    raw_bits: u64,
    raw_count: u32,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            low: 0,
            range: u32::MAX,
            cache: 0,
            pending: 1,
            out: Vec::new(),
            raw: Vec::new(),
            raw_bits: 0,
            raw_count: 0,
        }
    }

    /// Appends `varint length of the coded bytes | coded bytes | raw bits`.
    pub(crate) fn finish(mut self, to: &mut Vec<u8>) {
        for _ in 0..5 {
            self.shift();
        }
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        while self.raw_count > 0 {
            self.raw.push(self.raw_bits as u8);
            self.raw_bits >>= 8;
            self.raw_count = self.raw_count.saturating_sub(8);
        }
        // The first byte is always 0: the coded number is below 1.
        let coded = self.out.get(1..).unwrap_or(&[]);
        varint::put(to, coded.len() as u64);
        to.extend_from_slice(coded);
        to.extend_from_slice(&self.raw);
    }

    #[inline]
    fn shift(&mut self) {
        if (self.low as u32) < 0xFF00_0000 || self.low >> 32 != 0 {
            let carry = (self.low >> 32) as u8;
            let mut byte = self.cache;
            while self.pending > 0 {
                self.out.push(byte.wrapping_add(carry));
                byte = 0xFF;
                self.pending -= 1;
            }
            self.cache = (self.low >> 24) as u8;
        }
        self.pending += 1;
        self.low = (self.low & 0x00FF_FFFF) << 8;
    }
}

impl Coder for Encoder {
    const DECODES: bool = false;

    #[inline(always)]
    fn bit(&mut self, chance: u32, bit: bool) -> bool {
        let bound = (self.range >> 16).wrapping_mul(chance);
        if bit {
            self.range = bound;
        } else {
            self.low = self.low.wrapping_add(u64::from(bound));
            self.range = self.range.wrapping_sub(bound);
        }
        while self.range < 1 << 24 {
            self.range <<= 8;
            self.shift();
        }
        bit
    }

    #[inline(always)]
    fn raw(&mut self, count: u32, value: u32) -> u32 {
        self.raw_bits |= u64::from(value) << self.raw_count;
        self.raw_count = self.raw_count.wrapping_add(count);
        if self.raw_count >= 32 {
            self.raw
                .extend_from_slice(&(self.raw_bits as u32).to_le_bytes());
            self.raw_bits >>= 32;
            self.raw_count = self.raw_count.wrapping_sub(32);
        }
        value
    }
}

/// Reads zeros beyond the end: a short stream gives wrong samples, never more of them.
pub(crate) struct Decoder<'a> {
    range: u32,
    code: u32,
    coded: &'a [u8],
    at: usize,
    raw: &'a [u8],
    raw_at: usize,
    raw_bits: u64,
    raw_count: u32,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(mut stream: &'a [u8]) -> Result<Self, Corrupt> {
        let len = usize::try_from(varint::take(&mut stream)?).map_err(|_| Corrupt)?;
        let (coded, raw) = stream.split_at_checked(len).ok_or(Corrupt)?;
        let mut decoder = Self {
            range: u32::MAX,
            code: 0,
            coded,
            at: 0,
            raw,
            raw_at: 0,
            raw_bits: 0,
            raw_count: 0,
        };
        for _ in 0..4 {
            decoder.code = decoder.code << 8 | decoder.next();
        }
        Ok(decoder)
    }

    #[inline(always)]
    fn next(&mut self) -> u32 {
        let byte = self.coded.get(self.at).copied().unwrap_or(0);
        self.at = self.at.wrapping_add(1);
        u32::from(byte)
    }
}

impl Coder for Decoder<'_> {
    const DECODES: bool = true;

    #[inline(always)]
    fn bit(&mut self, chance: u32, _: bool) -> bool {
        let bound = (self.range >> 16).wrapping_mul(chance);
        let bit = self.code < bound;
        if bit {
            self.range = bound;
        } else {
            self.code = self.code.wrapping_sub(bound);
            self.range = self.range.wrapping_sub(bound);
        }
        while self.range < 1 << 24 {
            self.range <<= 8;
            self.code = self.code << 8 | self.next();
        }
        bit
    }

    #[inline(always)]
    fn raw(&mut self, count: u32, _: u32) -> u32 {
        while self.raw_count < count {
            let byte = self.raw.get(self.raw_at).copied().unwrap_or(0);
            self.raw_at = self.raw_at.wrapping_add(1);
            self.raw_bits |= u64::from(byte) << self.raw_count;
            self.raw_count = self.raw_count.wrapping_add(8);
        }
        let value = (self.raw_bits & ((1 << count) - 1)) as u32;
        self.raw_bits >>= count;
        self.raw_count = self.raw_count.wrapping_sub(count);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_raw_bits_come_back_in_order() {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        let script: Vec<(u32, bool, u32, u32)> = (0..20_000)
            .map(|_| {
                let chance = if next() % 3 == 0 {
                    65_535
                } else {
                    1 + next() % 65_535
                };
                let count = next() % 25;
                (
                    chance,
                    next() % 65_536 < chance,
                    count,
                    next() & ((1 << count) - 1),
                )
            })
            .collect();
        let mut encoder = Encoder::new();
        for &(chance, bit, count, value) in &script {
            encoder.bit(chance, bit);
            encoder.raw(count, value);
        }
        let mut stream = Vec::new();
        encoder.finish(&mut stream);
        let mut decoder = Decoder::new(&stream).unwrap();
        for &(chance, bit, count, value) in &script {
            assert_eq!(decoder.bit(chance, !bit), bit);
            assert_eq!(decoder.raw(count, 0), value);
        }
    }
}

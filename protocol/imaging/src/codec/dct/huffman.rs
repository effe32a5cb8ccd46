//! Huffman codes of coefficients (T.81 annex F), read and written.
use super::jpeg::{Block, VALUE_MAX, ZIGZAG};

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Codes {
    /// Code and length by symbol.
    codes: Vec<(u32, u32)>,
    /// By length: the first code, how many, the place of its first symbol.
    lengths: [(u32, u32, usize); 17],
    symbols: Vec<u8>,
}

impl Codes {
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let counts = bytes.get(..16)?;
        let total = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
        let symbols = bytes.get(16..16 + total)?.to_vec();
        let mut table = Self {
            codes: vec![(0, 0); 256],
            lengths: [(0, 0, 0); 17],
            symbols,
        };
        let (mut code, mut place) = (0u32, 0);
        for (len, &count) in (1..).zip(counts) {
            table.lengths[len] = (code, u32::from(count), place);
            for _ in 0..count {
                let symbol = usize::from(*table.symbols.get(place)?);
                table.codes[symbol] = (code, len as u32);
                code += 1;
                place += 1;
            }
            if code > 1 << len {
                return None;
            }
            code <<= 1;
        }
        Some((table, 16 + total))
    }
}

pub(super) struct Reader<'a> {
    from: &'a [u8],
    at: usize,
    bits: u32,
    count: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(from: &'a [u8]) -> Self {
        Self {
            from,
            at: 0,
            bits: 0,
            count: 0,
        }
    }

    /// Bytes read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    fn bit(&mut self) -> Option<u32> {
        if self.count == 0 {
            let byte = *self.from.get(self.at)?;
            self.at += 1;
            if byte == 0xFF {
                if *self.from.get(self.at)? != 0 {
                    return None;
                }
                self.at += 1;
            }
            self.bits = u32::from(byte);
            self.count = 8;
        }
        self.count -= 1;
        Some(self.bits >> self.count & 1)
    }

    #[inline]
    fn symbol(&mut self, table: &Codes) -> Option<u8> {
        let mut code = 0;
        for &(first, count, place) in &table.lengths[1..] {
            code = code << 1 | self.bit()?;
            if code >= first && code - first < count {
                return table.symbols.get(place + (code - first) as usize).copied();
            }
        }
        None
    }

    /// A value of so many bits (T.81 F.1.2.1.1).
    fn value(&mut self, size: u8) -> Option<i32> {
        if size == 0 {
            return Some(0);
        }
        if size > 12 {
            return None;
        }
        let mut value = 0;
        for _ in 0..size {
            value = value << 1 | self.bit()? as i32;
        }
        let negative = value < 1 << (size - 1);
        Some(if negative {
            value - (1 << size) + 1
        } else {
            value
        })
    }

    pub(super) fn block(
        &mut self,
        codes: &[Codes; 2],
        last: &mut i32,
        block: &mut Block,
    ) -> Option<()> {
        let size = self.symbol(&codes[0])?;
        *last += self.value(size)?;
        if last.abs() > VALUE_MAX {
            return None;
        }
        block[0] = *last as i16;
        let mut k = 1;
        while k < 64 {
            let symbol = self.symbol(&codes[1])?;
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            match (run, size) {
                (0, 0) => return Some(()),
                (15, 0) => k += 16,
                (_, 0) => return None,
                _ => {
                    k += run;
                    let value = self.value(size)?;
                    *block.get_mut(*ZIGZAG.get(k)?)? = value as i16;
                    k += 1;
                }
            }
        }
        Some(())
    }

    pub(super) fn restart(&mut self, marker: u8) -> Option<()> {
        self.count = 0;
        let found = self.from.get(self.at..self.at + 2)?;
        self.at += 2;
        (*found == [0xFF, 0xD0 + marker]).then_some(())
    }
}

#[derive(Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    bits: u64,
    count: u32,
}

impl Writer {
    fn put(&mut self, value: u32, count: u32) {
        self.bits = self.bits << count | u64::from(value);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.bits >> self.count) as u8;
            self.out.push(byte);
            if byte == 0xFF {
                self.out.push(0);
            }
        }
    }

    fn coded(&mut self, table: &Codes, run: u32, value: i32) -> Option<()> {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, len) = *table.codes.get((run << 4 | size) as usize)?;
        if len == 0 || size > 12 {
            return None;
        }
        self.put(code, len);
        let value = if value < 0 { value - 1 } else { value };
        self.put(value as u32 & ((1 << size) - 1), size);
        Some(())
    }

    pub(super) fn block(
        &mut self,
        codes: &[Codes; 2],
        last: &mut i32,
        block: &Block,
    ) -> Option<()> {
        let first = i32::from(block[0]);
        self.coded(&codes[0], 0, first - *last)?;
        *last = first;
        let mut run = 0;
        for at in &ZIGZAG[1..] {
            let value = i32::from(block[*at]);
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                self.coded(&codes[1], 15, 0)?;
                run -= 16;
            }
            self.coded(&codes[1], run, value)?;
            run = 0;
        }
        if run > 0 {
            self.coded(&codes[1], 0, 0)?;
        }
        Some(())
    }

    pub(super) fn restart(&mut self, marker: u8) {
        self.align();
        self.out.extend_from_slice(&[0xFF, 0xD0 + marker]);
    }

    /// The bytes, filled up with ones.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.align();
        self.out
    }

    fn align(&mut self) {
        let fill = (8 - self.count % 8) % 8;
        self.put((1 << fill) - 1, fill);
    }
}

//! What the entropy-coded bytes of both JPEG codecs are made of: Huffman tables, bits with stuffed
//! zeros, restart markers (T.81 annexes B, C and F).

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Codes {
    /// Code and length by symbol.
    codes: Vec<(u32, u32)>,
    /// By length: the first code, how many, the place of its first symbol.
    lengths: [(u32, u32, usize); 17],
    pub(super) symbols: Vec<u8>,
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

    /// The code of a symbol and its length, when it has one.
    pub(super) fn code(&self, symbol: usize) -> Option<(u32, u32)> {
        self.codes.get(symbol).copied().filter(|(_, len)| *len > 0)
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
    pub(super) fn symbol(&mut self, table: &Codes) -> Option<u8> {
        let mut code = 0;
        for &(first, count, place) in &table.lengths[1..] {
            code = code << 1 | self.bit()?;
            if code >= first && code - first < count {
                return table.symbols.get(place + (code - first) as usize).copied();
            }
        }
        None
    }

    /// A value of 1 to 31 bits (T.81 F.1.2.1.1).
    pub(super) fn signed(&mut self, size: u32) -> Option<i32> {
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

    pub(super) fn align(&mut self) {
        self.count = 0;
    }

    pub(super) fn restart(&mut self, marker: u8) -> Option<()> {
        self.align();
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
    pub(super) fn put(&mut self, value: u32, count: u32) {
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

/// Goes through a JPEG file's marker segments up to its scan: `take` is given each marker and its
/// body. Where the scan starts.
pub(super) fn segments(
    jpeg: &[u8],
    mut take: impl FnMut(u8, &[u8]) -> Option<()>,
) -> Option<usize> {
    if jpeg.get(..2)? != [0xFF, 0xD8] {
        return None;
    }
    let mut at = 2;
    loop {
        let &[0xFF, marker, high, low] = jpeg.get(at..at + 4)? else {
            return None;
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let body = jpeg.get(at + 4..at + 2 + len)?;
        at += 2 + len;
        match marker {
            // Application data and comments.
            0xE0..=0xEF | 0xFE => {}
            _ => take(marker, body)?,
        }
        if marker == 0xDA {
            return Some(at);
        }
    }
}

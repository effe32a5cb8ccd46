//! JPEG lossless, Huffman coded (ITU-T T.81 process 14, annex H): one scan, components 1 x 1, no
//! point transform. Decoded to samples, and encoded again with the same tables.

const PIXELS_MAX: usize = 1 << 24;

/// All that the scan's bytes depend on beside the samples.
pub(super) struct Header {
    /// Where the entropy-coded bytes start.
    pub(super) scan: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) components: usize,
    pub(super) precision: u32,
    predictor: u8,
    /// Rows per restart interval; 0 for none.
    restart: usize,
    tables: Vec<Table>,
}

/// A Huffman table of difference categories.
#[derive(Clone)]
struct Table {
    /// Code and length by category.
    codes: [(u32, u32); 17],
    /// By length: the first code, how many, the place of its first category.
    lengths: [(u32, u32, usize); 17],
    categories: Vec<u8>,
}

impl Table {
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let counts = bytes.get(..16)?;
        let total = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
        let categories = bytes.get(16..16 + total)?.to_vec();
        let mut table = Self {
            codes: [(0, 0); 17],
            lengths: [(0, 0, 0); 17],
            categories,
        };
        let (mut code, mut place) = (0u32, 0);
        for (len, &count) in (1..).zip(counts) {
            table.lengths[len] = (code, u32::from(count), place);
            for _ in 0..count {
                let category = usize::from(*table.categories.get(place)?);
                *table.codes.get_mut(category)? = (code, len as u32);
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

impl Header {
    /// Of the JPEG file at the start of `jpeg`, when it is one of these.
    pub(super) fn parse(jpeg: &[u8]) -> Option<Self> {
        if jpeg.get(..2)? != [0xFF, 0xD8] {
            return None;
        }
        let mut header = Self {
            scan: 0,
            height: 0,
            width: 0,
            components: 0,
            precision: 0,
            predictor: 0,
            restart: 0,
            tables: Vec::new(),
        };
        let mut tables: [Option<Table>; 4] = [const { None }; 4];
        let mut interval = 0;
        let mut at = 2;
        loop {
            let head = jpeg.get(at..at + 4)?;
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let body = jpeg.get(at + 4..at + 2 + len)?;
            at += 2 + len;
            match head[..2] {
                [0xFF, 0xC3] => header.frame(body)?,
                [0xFF, 0xC4] => read_tables(body, &mut tables)?,
                [0xFF, 0xDD] => interval = usize::from(u16::from_be_bytes(body.try_into().ok()?)),
                [0xFF, 0xDA] => {
                    header.scan = at;
                    header.start(body, &tables, interval)?;
                    return Some(header);
                }
                [0xFF, 0xE0..=0xEF | 0xFE] => {}
                _ => return None,
            }
        }
    }

    fn frame(&mut self, body: &[u8]) -> Option<()> {
        let &[precision, h1, h0, w1, w0, components, ref sampling @ ..] = body else {
            return None;
        };
        self.precision = u32::from(precision);
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        self.components = usize::from(components);
        let whole = sampling.len() == self.components * 3;
        let plain = self.components == 1 || sampling.chunks_exact(3).all(|c| c[1] == 0x11);
        let fits = (2..=16).contains(&precision)
            && matches!(components, 1 | 3)
            && (1..=PIXELS_MAX).contains(&(self.height * self.width));
        (whole && plain && fits).then_some(())
    }

    fn start(&mut self, body: &[u8], tables: &[Option<Table>; 4], interval: usize) -> Option<()> {
        let n = self.components;
        if n == 0 || body.len() != 4 + 2 * n || usize::from(body[0]) != n {
            return None;
        }
        for component in body[1..=2 * n].chunks_exact(2) {
            self.tables
                .push(tables.get(usize::from(component[1] >> 4))?.clone()?);
        }
        self.predictor = body[2 * n + 1];
        self.restart = interval / self.width;
        let plain = body[2 * n + 2..] == [0, 0] && interval.is_multiple_of(self.width);
        (plain && (1..=7).contains(&self.predictor)).then_some(())
    }

    /// The prediction of one sample from its own component's samples so far.
    #[inline]
    fn predict(&self, samples: &[u16], pixel: usize, component: usize) -> i32 {
        let (x, y) = (pixel % self.width, pixel / self.width);
        let first_row = y == 0 || (self.restart > 0 && y.is_multiple_of(self.restart));
        let at = |back: usize| i32::from(samples[(pixel - back) * self.components + component]);
        match (x, first_row) {
            (0, true) => 1 << (self.precision - 1),
            (0, false) => at(self.width),
            (_, true) => at(1),
            _ => {
                let (a, b) = (at(1), at(self.width));
                let c = || at(self.width + 1);
                match self.predictor {
                    1 => a,
                    2 => b,
                    3 => c(),
                    4 => a + b - c(),
                    5 => a + ((b - c()) >> 1),
                    6 => b + ((a - c()) >> 1),
                    _ => (a + b) >> 1,
                }
            }
        }
    }

    fn restarts_before(&self, pixel: usize) -> bool {
        self.restart > 0 && pixel > 0 && pixel.is_multiple_of(self.restart * self.width)
    }

    /// The samples, interleaved, and the length of the scan.
    pub(super) fn decode(&self, jpeg: &[u8]) -> Option<(Vec<u16>, usize)> {
        let mut bits = Reader {
            from: jpeg.get(self.scan..)?,
            at: 0,
            bits: 0,
            count: 0,
        };
        let pixels = self.height * self.width;
        // A sample takes at least one bit.
        if pixels * self.components > bits.from.len() * 8 {
            return None;
        }
        let mut samples = vec![0u16; pixels * self.components];
        let mut marker = 0;
        for pixel in 0..pixels {
            if self.restarts_before(pixel) {
                bits.restart(marker)?;
                marker = (marker + 1) & 7;
            }
            for (component, table) in self.tables.iter().enumerate() {
                let difference = bits.difference(table)?;
                let value = self.predict(&samples, pixel, component) + difference;
                samples[pixel * self.components + component] = value as u16;
            }
        }
        bits.align();
        Some((samples, bits.at))
    }

    /// The scan's bytes for these samples, filled up with ones.
    pub(super) fn encode(&self, samples: &[u16]) -> Option<Vec<u8>> {
        let mut bits = Writer {
            out: Vec::new(),
            bits: 0,
            count: 0,
        };
        let mut marker = 0;
        for pixel in 0..self.height * self.width {
            if self.restarts_before(pixel) {
                bits.align();
                bits.out.extend_from_slice(&[0xFF, 0xD0 + marker]);
                marker = (marker + 1) & 7;
            }
            for (component, table) in self.tables.iter().enumerate() {
                let value = i32::from(samples[pixel * self.components + component]);
                let difference = value - self.predict(samples, pixel, component);
                bits.difference(table, difference as i16)?;
            }
        }
        bits.align();
        Some(bits.out)
    }
}

fn read_tables(mut body: &[u8], tables: &mut [Option<Table>; 4]) -> Option<()> {
    while let Some((&place, rest)) = body.split_first() {
        let (table, len) = Table::parse(rest)?;
        *tables.get_mut(usize::from(place))? = Some(table);
        body = &rest[len..];
    }
    Some(())
}

struct Reader<'a> {
    from: &'a [u8],
    at: usize,
    bits: u32,
    count: u32,
}

impl Reader<'_> {
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

    /// T.81 F.2.2.1 and H.1.2.2.
    fn difference(&mut self, table: &Table) -> Option<i32> {
        let mut code = 0;
        for &(first, count, place) in &table.lengths[1..] {
            code = code << 1 | self.bit()?;
            if code >= first && code - first < count {
                let category = u32::from(table.categories[place + (code - first) as usize]);
                return self.extra(category);
            }
        }
        None
    }

    fn extra(&mut self, category: u32) -> Option<i32> {
        match category {
            0 => Some(0),
            1..=15 => {
                let mut value = 0;
                for _ in 0..category {
                    value = value << 1 | self.bit()? as i32;
                }
                let negative = value < 1 << (category - 1);
                Some(if negative {
                    value - (1 << category) + 1
                } else {
                    value
                })
            }
            16 => Some(32768),
            _ => None,
        }
    }

    fn align(&mut self) {
        self.count = 0;
    }

    fn restart(&mut self, marker: u8) -> Option<()> {
        self.align();
        let found = self.from.get(self.at..self.at + 2)?;
        self.at += 2;
        (*found == [0xFF, 0xD0 + marker]).then_some(())
    }
}

struct Writer {
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

    fn difference(&mut self, table: &Table, difference: i16) -> Option<()> {
        let size = difference.unsigned_abs();
        let category = 16 - size.leading_zeros();
        let (code, len) = table.codes[category as usize];
        if len == 0 {
            return None;
        }
        self.put(code, len);
        if (1..16).contains(&category) {
            let value = if difference < 0 {
                difference.wrapping_sub(1)
            } else {
                difference
            };
            self.put(u32::from(value as u16) & ((1 << category) - 1), category);
        }
        Some(())
    }

    fn align(&mut self) {
        let fill = (8 - self.count % 8) % 8;
        self.put((1 << fill) - 1, fill);
    }
}

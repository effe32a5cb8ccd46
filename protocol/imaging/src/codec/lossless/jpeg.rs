//! JPEG lossless, Huffman coded (ITU-T T.81 process 14, annex H): one scan, components 1 x 1, no
//! point transform. Decoded to samples, and encoded again with the same tables.

use super::super::scan::{Codes, Reader, Writer, segments};

const PIXELS_MAX: usize = 1 << 24;
/// Categories of differences (T.81 H.1.2.2).
const CATEGORY_MAX: u8 = 16;

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
    /// By component: the codes of difference categories.
    tables: Vec<Codes>,
}

impl Header {
    /// Of the JPEG file at the start of `jpeg`, when it is one of these.
    pub(super) fn parse(jpeg: &[u8]) -> Option<Self> {
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
        let mut tables: [Option<Codes>; 4] = [const { None }; 4];
        let mut interval = 0;
        header.scan = segments(jpeg, |marker, body| {
            match marker {
                0xC3 => header.frame(body)?,
                0xC4 => read_tables(body, &mut tables)?,
                0xDD => interval = usize::from(u16::from_be_bytes(body.try_into().ok()?)),
                0xDA => header.start(body, &tables, interval)?,
                _ => return None,
            }
            Some(())
        })?;
        Some(header)
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

    fn start(&mut self, body: &[u8], tables: &[Option<Codes>; 4], interval: usize) -> Option<()> {
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
        let scan = jpeg.get(self.scan..)?;
        let mut bits = Reader::new(scan);
        let pixels = self.height * self.width;
        // A sample takes at least one bit.
        if pixels * self.components > scan.len() * 8 {
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
        Some((samples, bits.at()))
    }

    /// The scan's bytes for these samples, filled up with ones.
    pub(super) fn encode(&self, samples: &[u16]) -> Option<Vec<u8>> {
        let mut bits = Writer::default();
        let mut marker = 0;
        for pixel in 0..self.height * self.width {
            if self.restarts_before(pixel) {
                bits.restart(marker);
                marker = (marker + 1) & 7;
            }
            for (component, table) in self.tables.iter().enumerate() {
                let value = i32::from(samples[pixel * self.components + component]);
                let difference = value - self.predict(samples, pixel, component);
                bits.difference(table, difference as i16)?;
            }
        }
        Some(bits.finish())
    }
}

fn read_tables(mut body: &[u8], tables: &mut [Option<Codes>; 4]) -> Option<()> {
    while let Some((&place, rest)) = body.split_first() {
        let (table, len) = Codes::parse(rest)?;
        if table
            .symbols
            .iter()
            .any(|category| *category > CATEGORY_MAX)
        {
            return None;
        }
        *tables.get_mut(usize::from(place))? = Some(table);
        body = &rest[len..];
    }
    Some(())
}

impl Reader<'_> {
    /// T.81 F.2.2.1 and H.1.2.2.
    fn difference(&mut self, table: &Codes) -> Option<i32> {
        match u32::from(self.symbol(table)?) {
            0 => Some(0),
            category @ 1..=15 => self.signed(category),
            16 => Some(32768),
            _ => None,
        }
    }
}

impl Writer {
    fn difference(&mut self, table: &Codes, difference: i16) -> Option<()> {
        let size = difference.unsigned_abs();
        let category = 16 - size.leading_zeros();
        let (code, len) = table.code(category as usize)?;
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
}

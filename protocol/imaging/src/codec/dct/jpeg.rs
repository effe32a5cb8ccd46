//! Sequential Huffman-coded DCT frames (ITU-T T.81, annexes B and F) of 8 bits and one scan:
//! decoded to quantised coefficients, and encoded again with the same tables.

use super::super::scan::{Codes, Reader, Writer, segments};

/// One component's coefficients of a block, `u + 8 v` for frequencies across and down.
pub(super) type Block = [i16; 64];

/// Blocks of one frame: their coefficients are held twice over.
const BLOCKS_MAX: usize = 3 << 16;
/// Coefficients lie within this, and differences of two of them as well.
pub(super) const VALUE_MAX: i32 = 4095;

/// Place in a block of the n-th coefficient of a scan (T.81 figure A.6).
pub(super) const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// All that the scan's bytes depend on beside the coefficients.
pub(super) struct Header {
    /// Where the entropy-coded bytes start.
    pub(super) scan: usize,
    pub(super) components: Vec<Component>,
    /// Blocks of 8 x 8 x (sampling), across and down.
    units: (usize, usize),
    /// Units per restart interval; 0 for none.
    restart: usize,
}

/// One component of the frame.
pub(super) struct Component {
    id: u8,
    /// Blocks per unit, across and down.
    sampling: (usize, usize),
    table: usize,
    /// Blocks of the component, across and down.
    pub(super) size: (usize, usize),
    /// Steps by place in the block.
    pub(super) steps: [i64; 64],
    codes: Option<[Codes; 2]>,
}

impl Header {
    /// Of the JPEG file at the start of `jpeg`, when it is one of these.
    pub(super) fn parse(jpeg: &[u8]) -> Option<Self> {
        let mut header = Self {
            scan: 0,
            components: Vec::new(),
            units: (0, 0),
            restart: 0,
        };
        let mut codes: [[Option<Codes>; 4]; 2] = [const { [const { None }; 4] }; 2];
        let mut steps = [[1i64; 64]; 4];
        header.scan = segments(jpeg, |marker, body| {
            match marker {
                0xC0 | 0xC1 => header.frame(body)?,
                0xC4 => read_codes(body, &mut codes)?,
                0xDB => read_steps(body, &mut steps)?,
                0xDD => header.restart = usize::from(u16::from_be_bytes(body.try_into().ok()?)),
                0xDA => header.start(body, &codes, &steps)?,
                _ => return None,
            }
            Some(())
        })?;
        Some(header)
    }

    fn frame(&mut self, body: &[u8]) -> Option<()> {
        let &[8, h1, h0, w1, w0, count, ref list @ ..] = body else {
            return None;
        };
        if !self.components.is_empty() || list.len() != usize::from(count) * 3 {
            return None;
        }
        let height = usize::from(u16::from_be_bytes([h1, h0]));
        let width = usize::from(u16::from_be_bytes([w1, w0]));
        for component in list.chunks_exact(3) {
            let sampling = (
                usize::from(component[1] >> 4),
                usize::from(component[1] & 15),
            );
            // A scan of one component has no units of several blocks (T.81 A.2.2).
            let sampling = if count == 1 { (1, 1) } else { sampling };
            self.components.push(Component {
                id: component[0],
                sampling,
                table: usize::from(component[2]),
                size: (0, 0),
                steps: [1; 64],
                codes: None,
            });
        }
        let side = |n: usize, of: fn(&Component) -> usize| {
            let most = self.components.iter().map(of).max().unwrap_or(1);
            n.div_ceil(8 * most.max(1))
        };
        self.units = (
            side(width, |c| c.sampling.0),
            side(height, |c| c.sampling.1),
        );
        let mut blocks = 0;
        for component in &mut self.components {
            let (across, down) = component.sampling;
            component.size = (self.units.0 * across, self.units.1 * down);
            blocks += component.size.0 * component.size.1;
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return None;
            }
        }
        let fits = matches!(count, 1 | 3) && (1..=BLOCKS_MAX).contains(&blocks);
        fits.then_some(())
    }

    fn start(
        &mut self,
        body: &[u8],
        codes: &[[Option<Codes>; 4]; 2],
        steps: &[[i64; 64]; 4],
    ) -> Option<()> {
        let n = self.components.len();
        if n == 0 || body.len() != 4 + 2 * n || usize::from(body[0]) != n {
            return None;
        }
        for (component, chosen) in self.components.iter_mut().zip(body[1..].chunks_exact(2)) {
            let of = |class: usize, n: u8| codes[class].get(usize::from(n))?.clone();
            component.codes = Some([of(0, chosen[1] >> 4)?, of(1, chosen[1] & 15)?]);
            component.steps = *steps.get(component.table)?;
            if component.id != chosen[0] {
                return None;
            }
        }
        (body[2 * n + 1..] == [0, 63, 0]).then_some(())
    }

    /// Blocks of all components.
    pub(super) fn blocks(&self) -> usize {
        self.components.iter().map(|c| c.size.0 * c.size.1).sum()
    }

    /// Each component's blocks, all zero.
    pub(super) fn empty(&self) -> Vec<Vec<Block>> {
        let empty = |c: &Component| vec![[0i16; 64]; c.size.0 * c.size.1];
        self.components.iter().map(empty).collect()
    }

    /// Each component's blocks, row by row, and the length of the scan.
    pub(super) fn decode(&self, jpeg: &[u8]) -> Option<(Vec<Vec<Block>>, usize)> {
        let mut bits = Reader::new(jpeg.get(self.scan..)?);
        // A block takes at least two bits.
        if self.blocks() > (jpeg.len() - self.scan) * 4 {
            return None;
        }
        let mut planes = self.empty();
        let mut last = [0i32; 3];
        self.walk(|step| {
            let (n, place) = match step {
                Step::Restart(marker) => {
                    last = [0; 3];
                    return bits.restart(marker);
                }
                Step::Block(n, place) => (n, place),
            };
            let codes = self.components[n].codes.as_ref()?;
            bits.block(codes, &mut last[n], planes.get_mut(n)?.get_mut(place)?)
        })?;
        Some((planes, bits.at()))
    }

    /// The scan's bytes for these blocks, filled up with ones.
    pub(super) fn encode(&self, planes: &[Vec<Block>]) -> Option<Vec<u8>> {
        let mut bits = Writer::default();
        let mut last = [0i32; 3];
        self.walk(|step| {
            let (n, place) = match step {
                Step::Restart(marker) => {
                    last = [0; 3];
                    bits.restart(marker);
                    return Some(());
                }
                Step::Block(n, place) => (n, place),
            };
            let codes = self.components[n].codes.as_ref()?;
            bits.block(codes, &mut last[n], planes.get(n)?.get(place)?)
        })?;
        Some(bits.finish())
    }

    /// Goes through the scan in its order.
    fn walk(&self, mut take: impl FnMut(Step) -> Option<()>) -> Option<()> {
        let mut marker = 0;
        for unit in 0..self.units.0 * self.units.1 {
            if self.restart > 0 && unit > 0 && unit.is_multiple_of(self.restart) {
                take(Step::Restart(marker))?;
                marker = (marker + 1) & 7;
            }
            let (x, y) = (unit % self.units.0, unit / self.units.0);
            for (n, component) in self.components.iter().enumerate() {
                let (across, down) = component.sampling;
                for v in 0..down {
                    for u in 0..across {
                        let row = y * down + v;
                        take(Step::Block(n, row * component.size.0 + x * across + u))?;
                    }
                }
            }
        }
        Some(())
    }
}

enum Step {
    Restart(u8),
    /// Component and place.
    Block(usize, usize),
}

fn read_codes(mut body: &[u8], tables: &mut [[Option<Codes>; 4]; 2]) -> Option<()> {
    while let Some((&place, rest)) = body.split_first() {
        let (table, len) = Codes::parse(rest)?;
        let class = tables.get_mut(usize::from(place >> 4))?;
        *class.get_mut(usize::from(place & 15))? = Some(table);
        body = &rest[len..];
    }
    Some(())
}

fn read_steps(mut body: &[u8], tables: &mut [[i64; 64]; 4]) -> Option<()> {
    while let Some((&place, rest)) = body.split_first() {
        let wide = usize::from(place >> 4);
        let table = tables.get_mut(usize::from(place & 15))?;
        let len = 64 * (wide + 1);
        let values = rest.get(..len).filter(|_| wide < 2)?;
        for (value, at) in values.chunks_exact(wide + 1).zip(ZIGZAG) {
            let step = value.iter().fold(0, |sum, &b| sum << 8 | i64::from(b));
            table[at] = step.max(1);
        }
        body = &rest[len..];
    }
    Some(())
}

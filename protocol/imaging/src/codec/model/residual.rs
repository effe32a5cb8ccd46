//! A residual as binary decisions: sign, unary exponent, low bits.
use super::context::Context;
use super::window::{BEFORE, CURRENT, Window};
use crate::codec::logistic::{Cell, Simple, Tables};
use crate::codec::range::Coder;

/// Decisions per context: zero, sign, then the unary ones.
const NODES: usize = 16;
const UNARY: usize = 2;
const UNARY_MAX: u32 = 13;
const SLOTS: usize = 1 << 16;
/// How fast mixing weights follow.
const MIX_RATE: f32 = 0.006 / 65536.0;

#[derive(Clone)]
pub(crate) struct Residuals<const C: usize> {
    tables: &'static Tables,
    cells: Vec<Vec<Cell>>,
    mix: Vec<[f32; C]>,
    masks: Vec<Simple>,
    low: Vec<Simple>,
    escape: Vec<Simple>,
}

/// Which contexts a model of few sets uses.
const PICK: [usize; 8] = [0, 2, 4, 5, 1, 7, 3, 6];

impl<const C: usize> Residuals<C> {
    pub(crate) fn new() -> Self {
        Self {
            tables: Tables::get(),
            cells: vec![vec![Cell::NEW; SLOTS]; C],
            mix: vec![[1.6 / C as f32; C]; 64 * NODES],
            masks: vec![Simple::NEW; 1 << 13],
            low: vec![Simple::NEW; 64 * 64],
            escape: vec![Simple::NEW; 32],
        }
    }

    /// Whether the sample is the padding value 0.
    #[inline(always)]
    pub(crate) fn mask<K: Coder>(
        &mut self,
        coder: &mut K,
        window: &Window,
        i: usize,
        context: &Context,
        frames: bool,
        sample: &mut u16,
    ) -> bool {
        let (m, s) = (&window.masked, window.stride);
        let near = [
            m[i - 1],
            m[i - s],
            m[i - s - 1],
            m[i - s + 1],
            m[i - 2],
            m[i - 2 * s],
        ];
        let mut index = near
            .iter()
            .enumerate()
            .fold(0, |sum, (n, &bit)| sum | usize::from(bit) << n);
        if frames {
            let j = i + (BEFORE - CURRENT) * s;
            let before = [m[j], m[j + 1], m[j + s], 1];
            for (n, &bit) in (6..).zip(&before) {
                index |= usize::from(bit) << n;
            }
        }
        let height = match context.centre {
            ..1 => 0,
            1..3 => 1,
            3..8 => 2,
            8..20 => 3,
            20..60 => 4,
            _ => 5,
        };
        let masked = self.masks[index * 8 + height].code(coder, *sample == 0, 6);
        if masked {
            *sample = 0;
        }
        masked
    }

    /// Codes the sample around the context's centre.
    #[inline(always)]
    pub(crate) fn code<K: Coder>(&mut self, coder: &mut K, context: &Context, sample: &mut u16) {
        let shift = context.shift;
        let mut at = [0usize; C];
        for (n, at) in at.iter_mut().enumerate() {
            let set = if C < 7 { PICK[n] } else { n };
            *at = ((context.sets[set] * 13 + shift as usize) * NODES) & (SLOTS - 1);
        }
        let error = i32::from(*sample).wrapping_sub(context.centre);
        let mut error = if context.flip {
            error.wrapping_neg()
        } else {
            error
        };
        let level = context.level;
        let below;
        let mut magnitude;
        if shift == 0 {
            if self.decide(coder, &at, 0, level, error == 0) {
                *sample = context.centre as u16;
                return;
            }
            below = self.decide(coder, &at, 1, level, error < 0);
            magnitude = error.wrapping_abs().wrapping_sub(1);
        } else {
            below = self.decide(coder, &at, 1, level, error < 0);
            magnitude = if below { -1 - error } else { error };
        }
        magnitude = self.magnitude(coder, &at, context, magnitude as u32) as i32;
        error = magnitude.wrapping_add(i32::from(shift == 0));
        if below {
            error = if shift == 0 {
                error.wrapping_neg()
            } else {
                -1 - error
            };
        }
        if K::DECODES {
            let error = if context.flip {
                error.wrapping_neg()
            } else {
                error
            };
            *sample = context.centre.wrapping_add(error).clamp(0, 65535) as u16;
        }
    }

    #[inline(always)]
    fn magnitude<K: Coder>(
        &mut self,
        coder: &mut K,
        at: &[usize; C],
        context: &Context,
        magnitude: u32,
    ) -> u32 {
        let shift = context.shift;
        let high = magnitude >> shift;
        let mut unary = 0;
        while unary < UNARY_MAX {
            let node = UNARY + unary as usize;
            if !self.decide(coder, at, node, context.level, high > unary) {
                break;
            }
            unary += 1;
        }
        let coded_high = if unary == UNARY_MAX {
            self.escape(coder, high.wrapping_sub(UNARY_MAX).wrapping_add(1))
        } else {
            unary
        };
        let low = self.low(coder, context, unary, magnitude & ((1 << shift) - 1));
        coded_high << shift | low
    }

    /// The first two low bits are learned, the others are noise.
    #[inline(always)]
    fn low<K: Coder>(&mut self, coder: &mut K, context: &Context, unary: u32, low: u32) -> u32 {
        let shift = context.shift;
        if shift == 0 {
            return 0;
        }
        let place = context.level * 64 + unary.min(7) as usize * 8;
        let first = self.low[place].code(coder, low >> (shift - 1) & 1 == 1, 7);
        let mut value = u32::from(first);
        if shift > 1 {
            let cell = &mut self.low[place + 1 + usize::from(first)];
            let second = cell.code(coder, low >> (shift - 2) & 1 == 1, 7);
            value = value << 1 | u32::from(second);
        }
        if shift > 2 {
            let count = shift - 2;
            value = value << count | coder.raw(count, low & ((1 << count) - 1));
        }
        value
    }

    /// Elias gamma of `over`, at least 1.
    #[cold]
    fn escape<K: Coder>(&mut self, coder: &mut K, over: u32) -> u32 {
        let bits = 31 - over.max(1).leading_zeros();
        let mut count = 0;
        while count <= 20 && self.escape[count as usize].code(coder, bits > count, 4) {
            count += 1;
        }
        let rest = coder.raw(count, over & ((1 << count) - 1));
        (UNARY_MAX - 1).wrapping_add(1 << count | rest)
    }

    /// One mixed decision.
    #[inline(always)]
    fn decide<K: Coder>(
        &mut self,
        coder: &mut K,
        at: &[usize; C],
        node: usize,
        level: usize,
        bit: bool,
    ) -> bool {
        let tables = self.tables;
        if C == 1 {
            let cell = &mut self.cells[0][at[0] + node];
            let bit = coder.bit(cell.chance(), bit);
            cell.learn(tables, bit, 255);
            return bit;
        }
        let mut stretched = [0.0f32; C];
        for ((to, cells), at) in stretched.iter_mut().zip(&self.cells).zip(at) {
            *to = tables.stretch(cells[at + node]);
        }
        let weights = &mut self.mix[level * NODES + node];
        let mut sums = [0.0f32; 4];
        for n in 0..C {
            sums[n & 3] += weights[n] * stretched[n];
        }
        let chance = tables.squash((sums[0] + sums[1]) + (sums[2] + sums[3]));
        let bit = coder.bit(chance, bit);
        let target = if bit { 65536.0 } else { 0.0 };
        let error = (target - chance as f32) * MIX_RATE;
        for (weight, stretched) in weights.iter_mut().zip(&stretched) {
            *weight += error * stretched;
        }
        for (n, (cells, at)) in self.cells.iter_mut().zip(at).enumerate() {
            cells[at + node].learn(tables, bit, if n & 1 == 1 { 255 } else { 1000 });
        }
        bit
    }
}

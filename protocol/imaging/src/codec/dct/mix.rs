//! One decision under several hashed contexts, mixed in the logistic domain.
use crate::codec::logistic::{Cell, Simple, Tables};
use crate::codec::range::Coder;

pub(super) const INPUTS: usize = 7;
const SLOTS: usize = 1 << 18;
/// Nodes of decisions that share their contexts: they lie side by side.
pub(super) const NODES: usize = 16;
const MIXES: usize = 256;
const MIX_RATE: f32 = 0.004 / 65536.0;

#[derive(Clone)]
pub(super) struct Mix {
    tables: &'static Tables,
    cells: Vec<Vec<Cell>>,
    weights: Vec<[f32; INPUTS]>,
    escape: Vec<Simple>,
}

impl Mix {
    pub(super) fn new() -> Self {
        Self {
            tables: Tables::get(),
            cells: vec![vec![Cell::NEW; SLOTS]; INPUTS],
            weights: vec![[0.35; INPUTS]; MIXES],
            escape: vec![Simple::NEW; 16],
        }
    }

    /// One decision at `node` of the places that [`places`] gave. `mix` picks the weights.
    #[inline(always)]
    pub(super) fn code<K: Coder>(
        &mut self,
        coder: &mut K,
        places: &[usize; INPUTS],
        node: usize,
        mix: usize,
        bit: bool,
    ) -> bool {
        let mut at = [0usize; INPUTS];
        let mut stretched = [0.0f32; INPUTS];
        for n in 0..INPUTS {
            at[n] = places[n] | node & (NODES - 1);
            stretched[n] = self.tables.stretch(self.cells[n][at[n]]);
        }
        let weights = &mut self.weights[mix & (MIXES - 1)];
        let mut sums = [0.0f32; 4];
        for n in 0..INPUTS {
            sums[n & 3] += weights[n] * stretched[n];
        }
        let chance = self
            .tables
            .squash((sums[0] + sums[1]) + (sums[2] + sums[3]));
        let bit = coder.bit(chance, bit);
        let target = if bit { 65536.0 } else { 0.0 };
        let error = (target - chance as f32) * MIX_RATE;
        for (weight, stretched) in weights.iter_mut().zip(&stretched) {
            *weight += error * stretched;
        }
        for (n, (cells, at)) in self.cells.iter_mut().zip(at).enumerate() {
            let limit = if n & 1 == 1 { 255 } else { 1000 };
            cells[at].learn(self.tables, bit, limit);
        }
        bit
    }

    /// A step of a number beyond all contexts.
    pub(super) fn escape<K: Coder>(&mut self, coder: &mut K, step: usize, bit: bool) -> bool {
        self.escape[step & 15].code(coder, bit, 4)
    }
}

/// Where the decisions of a kind have their chances, by context.
#[inline(always)]
pub(super) fn places(kind: usize, contexts: &[usize; INPUTS]) -> [usize; INPUTS] {
    contexts.map(|context| {
        let sum = (kind as u64) << 32 | context as u64;
        let sum = (sum.wrapping_mul(0x9E37_79B9_7F4A_7C15)).rotate_left(29);
        (sum.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 46) as usize & (SLOTS - NODES)
    })
}

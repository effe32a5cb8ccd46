//! Adaptive chances and their mixing in the logistic domain, the same on every machine: tables are
//! made with + - * / alone, sums have one order.
use std::sync::OnceLock;

use super::range::Coder;

const STEPS: usize = 4096;
/// The logistic domain reaches from -12 to 12.
const REACH: f64 = 12.0;

/// Tables that all models share.
pub(crate) struct Tables {
    /// ln(p / (1 - p)) of a chance in 4096 steps.
    stretch: Vec<f32>,
    /// Its inverse, from 4096 steps of the domain to 16 bits.
    squash: Vec<u16>,
    /// 65536 / (n + 1.6): how far the n-th event moves a chance.
    rate: Vec<u32>,
}

static TABLES: OnceLock<Tables> = OnceLock::new();

impl Tables {
    pub(crate) fn get() -> &'static Self {
        TABLES.get_or_init(Self::new)
    }

    fn new() -> Self {
        let steps = STEPS as f64;
        let chance = |i: usize| (i as f64 + 0.5) / steps;
        let domain = |i: usize| (i as f64 - (steps - 1.0) / 2.0) / (steps / 2.0) * REACH;
        let squash = |x: f64| (65536.0 / (1.0 + exp(-x))) as u16;
        Self {
            stretch: (0..STEPS)
                .map(|i| ln(chance(i) / (1.0 - chance(i))) as f32)
                .collect(),
            squash: (0..STEPS)
                .map(|i| squash(domain(i)).clamp(24, u16::MAX - 23))
                .collect(),
            rate: (0..1024)
                .map(|n| (65536.0 / (f64::from(n) + 1.6)) as u32)
                .collect(),
        }
    }

    #[inline(always)]
    pub(crate) fn squash(&self, x: f32) -> u32 {
        let step = (x * (STEPS as f32 / 2.0 / REACH as f32) + STEPS as f32 / 2.0) as i32;
        u32::from(self.squash[step.clamp(0, STEPS as i32 - 1) as usize])
    }

    #[inline(always)]
    pub(crate) fn stretch(&self, cell: Cell) -> f32 {
        self.stretch[(cell.0 >> 20) as usize & (STEPS - 1)]
    }
}

/// e^x by squaring a short series.
fn exp(x: f64) -> f64 {
    let y = x / 1024.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..12 {
        term = term * y / f64::from(n);
        sum += term;
    }
    for _ in 0..10 {
        sum *= sum;
    }
    sum
}

/// ln x by Newton's method on [`exp`].
fn ln(x: f64) -> f64 {
    let mut y = 0.0;
    for _ in 0..60 {
        let e = exp(y);
        y += 2.0 * (x - e) / (x + e);
    }
    y
}

/// A chance of 22 bits above a count of 10 bits: fast at first, steady later.
#[derive(Clone, Copy)]
pub(crate) struct Cell(u32);

impl Cell {
    pub(crate) const NEW: Self = Self(1 << 31);

    #[inline(always)]
    pub(crate) fn chance(self) -> u32 {
        (self.0 >> 16).clamp(24, 65536 - 24)
    }

    #[inline(always)]
    pub(crate) fn learn(&mut self, tables: &Tables, bit: bool, limit: u32) {
        let count = self.0 & 1023;
        let chance = i64::from(self.0 >> 10);
        let target = if bit { (1 << 22) - 1 } else { 0 };
        let rate = i64::from(tables.rate[count as usize]);
        let step = (target - chance).wrapping_mul(rate) >> 16;
        let chance = chance.wrapping_add(step) as u32;
        self.0 = chance << 10
            | if count < limit {
                count.wrapping_add(1)
            } else {
                count
            };
    }
}

/// A chance of 16 bits that moves by a fixed share.
#[derive(Clone, Copy)]
pub(crate) struct Simple(u16);

impl Simple {
    pub(crate) const NEW: Self = Self(1 << 15);

    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, bit: bool, shift: u32) -> bool {
        let bit = coder.bit(u32::from(self.0).clamp(64, 65536 - 64), bit);
        if bit {
            self.0 = self.0.wrapping_add((u16::MAX - self.0) >> shift);
        } else {
            self.0 = self.0.wrapping_sub(self.0 >> shift);
        }
        bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_are_inverse() {
        for i in -80..80 {
            let x = f64::from(i) / 10.0;
            assert!((ln(exp(x)) - x).abs() < 1e-9, "{x}");
        }
        assert!((exp(1.0) - std::f64::consts::E).abs() < 1e-9);
    }

    #[test]
    fn a_cell_learns_its_chance() {
        let tables = Tables::new();
        let mut cell = Cell::NEW;
        for i in 0..4000 {
            cell.learn(&tables, i % 4 == 0, 1000);
        }
        assert!(
            (15_000..18_000).contains(&cell.chance()),
            "{}",
            cell.chance()
        );
    }
}

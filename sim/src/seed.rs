//! Randomness: one seed per world, split by name into one stream per site and layer.
//!
//! Streams are split by BLAKE3, so that neighbouring seeds share nothing and a layer can be
//! swapped, added or removed without moving the draws of any other.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A point in the tree of seeds; children are made by label or by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root seed of a world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(blake3::derive_key(
            "karez-sim 2026 world seed",
            &seed.to_le_bytes(),
        ))
    }

    /// The seed of a named part: a site, a layer.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self(*blake3::keyed_hash(&self.0, label.as_bytes()).as_bytes())
    }

    /// The seed of a numbered part: a block of time, a connection.
    #[must_use]
    pub fn nth(&self, number: u64) -> Self {
        Self(*blake3::keyed_hash(&self.0, &number.to_le_bytes()).as_bytes())
    }

    /// The seed itself, for a generator of another kind.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// A stream of draws. Calling it again starts the same stream again.
    #[must_use]
    pub fn dice(&self) -> Dice {
        Dice {
            rng: ChaCha8Rng::from_seed(self.0),
            spare: None,
        }
    }
}

/// A stream of draws from the distributions that the layers use.
#[derive(Clone, Debug)]
pub struct Dice {
    rng: ChaCha8Rng,
    spare: Option<f64>,
}

impl Dice {
    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Uniform between two bounds.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A whole number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits().checked_rem(n).unwrap_or(0)
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal (Box-Muller, both values used).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Exponential with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Lognormal: `median` × exp(`sigma` × normal).
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Weibull with scale and shape `k`.
    pub fn weibull(&mut self, scale: f64, k: f64) -> f64 {
        scale * (-(1.0 - self.uniform()).ln()).powf(1.0 / k)
    }

    /// Picks an index with probability proportional to its weight; 0 for no weights.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.uniform() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        weights.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_seeds_and_labels_share_nothing() {
        let firsts: Vec<u64> = (0..64)
            .map(|n| Seed::new(n).child("loss").dice().bits())
            .collect();
        let agree = firsts
            .windows(2)
            .map(|w| (w[0] ^ w[1]).count_ones())
            .sum::<u32>();
        assert!(
            (28 * 63..36 * 63).contains(&agree),
            "{agree} differing bits over 63 pairs"
        );
        let seed = Seed::new(1);
        assert_ne!(
            seed.child("loss").dice().bits(),
            seed.child("rate").dice().bits()
        );
        assert_eq!(
            seed.child("loss").dice().bits(),
            seed.child("loss").dice().bits()
        );
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut dice = Seed::new(5).dice();
        let n = 200_000;
        let normals: Vec<f64> = (0..n).map(|_| dice.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let var = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(
            mean.abs() < 0.01 && (var - 1.0).abs() < 0.02,
            "{mean} {var}"
        );
        let weibull = (0..n).map(|_| dice.weibull(120.0, 0.6)).sum::<f64>() / f64::from(n);
        assert!(
            (weibull / (120.0 * 1.504_6) - 1.0).abs() < 0.02,
            "{weibull}"
        );
        let picks = (0..n).filter(|_| dice.weighted(&[1.0, 3.0]) == 1).count();
        assert!((picks as f64 / f64::from(n) - 0.75).abs() < 0.01, "{picks}");
    }
}

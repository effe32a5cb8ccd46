//! Ellipses of tissue, smooth gradients, and noise whose neighbours are alike, as after a CT's
//! reconstruction filter.

use crate::seed::{Dice, Seed};

/// Rows and columns of a made CT image.
pub(super) const HEAD: usize = 512;
/// Rows and columns of a made radiograph.
pub(super) const CHEST: usize = 1024;

/// Centre, half axes, value added inside; in shares of the image's half width.
struct Ellipse(f64, f64, f64, f64, f64);

impl Ellipse {
    fn inside(&self, x: f64, y: f64) -> bool {
        let (dx, dy) = ((x - self.0) / self.2, (y - self.1) / self.3);
        dx * dx + dy * dy <= 1.0
    }
}

/// An axial slice of a head at `depth` from 0 (vertex) to 1 (base), values offset by 1024.
pub(super) fn axial_head(seed: Seed, depth: f64) -> Vec<u16> {
    let size = 0.35 + 0.4 * (depth * 2.2).sin().abs();
    let parts = [
        Ellipse(0.0, 0.0, size, size * 1.2, 1950.0),
        Ellipse(0.0, 0.0, size * 0.93, size * 1.13, -910.0),
        Ellipse(-0.22 * size, 0.1, 0.16 * size, 0.38 * size, -30.0),
        Ellipse(0.22 * size, 0.1, 0.16 * size, 0.38 * size, -30.0),
        Ellipse(0.3 * size, -0.4 * size, 0.1, 0.07 + 0.05 * depth, 35.0),
        Ellipse(0.0, 0.75 * size, 0.2 * size, 0.1, 700.0 * depth),
    ];
    image(seed, HEAD, 12.0, |x, y| {
        let body: f64 = parts.iter().filter(|p| p.inside(x, y)).map(|p| p.4).sum();
        let shading = 6.0 * (x * 1.7 + depth * 3.0).sin() + 4.0 * y;
        // The scanner's field of view is round: outside there is padding.
        if x * x + y * y > 1.0 {
            None
        } else {
            Some(24.0 + body + shading)
        }
    })
}

/// A chest: lungs, heart, ribs, over an exposure gradient.
pub(super) fn chest(seed: Seed) -> Vec<u16> {
    let lungs = [
        Ellipse(-0.42, 0.0, 0.3, 0.62, -900.0),
        Ellipse(0.42, 0.0, 0.3, 0.62, -850.0),
    ];
    let heart = Ellipse(0.12, 0.3, 0.3, 0.28, 500.0);
    image(seed, CHEST, 14.0, |x, y| {
        let inner: f64 = lungs.iter().filter(|l| l.inside(x, y)).map(|l| l.4).sum();
        let heart = if heart.inside(x, y) { heart.4 } else { 0.0 };
        let ribs = 90.0 * (24.0 * (y + 0.25 * x * x)).sin().max(0.0);
        let spine = 400.0 * (-(x * x) / 0.004).exp();
        Some(2400.0 + 180.0 * y - 90.0 * x * x + inner + heart + ribs + spine)
    })
}

/// Draws `shape` over `-1..1` in both directions with correlated noise of this deviation; where
/// it says nothing, the pixel is padding.
fn image(seed: Seed, size: usize, sigma: f64, shape: impl Fn(f64, f64) -> Option<f64>) -> Vec<u16> {
    let mut dice = seed.child("noise").dice();
    let mut above = vec![0.0; size];
    let mut pixels = Vec::with_capacity(size * size);
    let half = size as f64 / 2.0;
    for row in 0..size {
        let mut left = 0.0;
        for (column, above) in above.iter_mut().enumerate() {
            let fresh = bell(&mut dice) * sigma;
            left = 0.45 * left + 0.35 * *above + 0.7 * fresh;
            *above = left;
            let (x, y) = (column as f64 / half - 1.0, row as f64 / half - 1.0);
            let value = shape(x, y).map_or(0.0, |v| v + left);
            pixels.push(value.clamp(0.0, 4095.0) as u16);
        }
    }
    pixels
}

/// Nearly a normal deviate: the sum of four uniforms, scaled to a variance of 1.
fn bell(dice: &mut Dice) -> f64 {
    let bits = dice.bits();
    let sum: f64 = (0..4)
        .map(|i| f64::from((bits >> (16 * i)) as u16) / 65536.0)
        .sum();
    (sum - 2.0) * 1.732
}

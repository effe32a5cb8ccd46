//! Weighted least squares by normal equations, in f32 with one order of sums.
//!
//! Everything lies in groups of four lanes. A system of `4 G` unknowns is the upper triangle of an
//! array of `G` x 4 rows of `H = G + 1` groups: lane 0 of the last group is the right-hand side,
//! the other three stay 0. Work starts at the group of the diagonal.

use wide::f32x4;

pub(crate) type Four = f32x4;

#[derive(Clone)]
pub(crate) struct Normal<const G: usize, const H: usize>([[[Four; H]; 4]; G]);

impl<const G: usize, const H: usize> Normal<G, H> {
    pub(crate) fn new() -> Self {
        Self([[[Four::ZERO; H]; 4]; G])
    }

    /// Becomes `own + left * a + right * b`.
    #[inline(always)]
    pub(crate) fn merge(&mut self, own: &Self, left: &Self, a: f32, right: &Self, b: f32) {
        let (a, b) = (Four::splat(a), Four::splat(b));
        for g in 0..G {
            for r in 0..4 {
                for h in g..H {
                    let sum = own.0[g][r][h] + left.0[g][r][h] * a;
                    self.0[g][r][h] = sum + right.0[g][r][h] * b;
                }
            }
        }
    }

    /// Forgets a share of the past and adds weighted observations: `self * keep + sum(w x x')`,
    /// and the same for a second system. `seen` are features and target, `weighted` the features
    /// times their weight.
    #[inline(always)]
    pub(crate) fn learn(
        &mut self,
        seen: &[[Four; H]],
        weighted: &[[Four; G]],
        keep: f32,
        mut second: Option<(&mut Self, f32)>,
    ) {
        for g in 0..G {
            let mut h = g;
            while h < H {
                let pair = h + 1 < H;
                let sums = tile(g, h, if pair { h + 1 } else { h }, seen, weighted);
                self.add_tile(g, h, &sums, keep, pair);
                if let Some((second, keep)) = &mut second {
                    second.add_tile(g, h, &sums, *keep, pair);
                }
                h += 2;
            }
        }
    }

    #[inline(always)]
    fn add_tile(&mut self, g: usize, h: usize, sums: &[[Four; 2]; 4], keep: f32, pair: bool) {
        let keep = Four::splat(keep);
        for (row, sums) in self.0[g].iter_mut().zip(sums) {
            row[h] = row[h] * keep + sums[0];
            if pair {
                row[h + 1] = row[h + 1] * keep + sums[1];
            }
        }
    }

    /// Gaussian elimination without pivoting (the matrix is positive, the ridge keeps it so), four
    /// pivots at a time. What is left of the system is of no use.
    #[inline(always)]
    pub(crate) fn solve(&mut self, ridge: f32) -> [Four; G] {
        let a = &mut self.0;
        let mut inverse = [[0.0f32; 4]; G];
        for (g, rows) in a.iter_mut().enumerate() {
            for (r, row) in rows.iter_mut().enumerate() {
                let diagonal = &mut row[g].as_mut_array()[r];
                *diagonal = *diagonal * 1.0005 + ridge;
            }
        }
        for g in 0..G {
            let (done, rest) = a.split_at_mut(g + 1);
            let pivots = &mut done[g];
            inverse[g] = factor(pivots, g);
            for (j, rows) in (g + 1..).zip(rest.iter_mut()) {
                eliminate(pivots, &inverse[g], j, rows);
            }
        }
        substitute(a, &inverse)
    }
}

/// Four rows by eight columns, summed in registers.
#[inline(always)]
fn tile<const G: usize, const H: usize>(
    g: usize,
    h: usize,
    h2: usize,
    seen: &[[Four; H]],
    weighted: &[[Four; G]],
) -> [[Four; 2]; 4] {
    let mut sums = [[Four::ZERO; 2]; 4];
    for (x, w) in seen.iter().zip(weighted) {
        let (columns, columns2, rows) = (x[h], x[h2], w[g].to_array());
        for r in 0..4 {
            let factor = Four::splat(rows[r]);
            sums[r][0] += columns * factor;
            sums[r][1] += columns2 * factor;
        }
    }
    sums
}

/// Makes the four pivot rows triangular; the inverses of their diagonal.
#[inline(always)]
fn factor<const H: usize>(pivots: &mut [[Four; H]; 4], g: usize) -> [f32; 4] {
    let mut inverse = [0.0f32; 4];
    for p in 0..4 {
        let (above, below) = pivots.split_at_mut(p + 1);
        let pivot = &above[p];
        let first = pivot[g].to_array();
        inverse[p] = if first[p] > 1e-6 { 1.0 / first[p] } else { 0.0 };
        for (r, row) in (p + 1..).zip(below) {
            let factor = Four::splat(-(first[r] * inverse[p]));
            for h in g..H {
                row[h] += pivot[h] * factor;
            }
        }
    }
    inverse
}

/// Subtracts the four pivot rows from four others.
#[inline(always)]
fn eliminate<const H: usize>(
    pivots: &[[Four; H]; 4],
    inverse: &[f32; 4],
    j: usize,
    rows: &mut [[Four; H]; 4],
) {
    let mut factors = [[Four::ZERO; 4]; 4];
    for p in 0..4 {
        let first = pivots[p][j].to_array();
        for r in 0..4 {
            factors[r][p] = Four::splat(-(first[r] * inverse[p]));
        }
    }
    for h in j..H {
        let [a, b, c, d] = [pivots[0][h], pivots[1][h], pivots[2][h], pivots[3][h]];
        for (row, f) in rows.iter_mut().zip(&factors) {
            row[h] = (((row[h] + a * f[0]) + b * f[1]) + c * f[2]) + d * f[3];
        }
    }
}

/// Back substitution, the last group first. Each group's solution goes at once into the sums of
/// all rows above, so that no long chain of additions holds the next one up.
#[inline(always)]
fn substitute<const G: usize, const H: usize>(
    a: &[[[Four; H]; 4]; G],
    inverse: &[[f32; 4]; G],
) -> [Four; G] {
    let mut sums = [[Four::ZERO; 4]; G];
    let mut solution = [Four::ZERO; G];
    for g in (0..G).rev() {
        let mut x = [0.0f32; 4];
        for r in (0..4).rev() {
            let (row, own) = (&a[g][r], a[g][r][g].to_array());
            let mut right = row[G].to_array()[0] - joined(sums[g][r]);
            for l in r + 1..4 {
                right -= own[l] * x[l];
            }
            x[r] = right * inverse[g][r];
        }
        solution[g] = Four::new(x);
        for (rows, sums) in a.iter().zip(&mut sums).take(g) {
            for (row, sum) in rows.iter().zip(sums) {
                *sum += row[g] * solution[g];
            }
        }
    }
    solution
}

#[inline(always)]
fn joined(sums: Four) -> f32 {
    let [a, b, c, d] = sums.to_array();
    (a + b) + (c + d)
}

/// Four sums side by side, then joined: the order is part of the format.
#[inline(always)]
pub(crate) fn dot<const G: usize>(a: &[Four; G], b: &[Four; G]) -> f32 {
    let mut sums = Four::ZERO;
    for (a, b) in a.iter().zip(b) {
        sums += *a * *b;
    }
    joined(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_rule_is_found() {
        let mut normal = Normal::<2, 3>::new();
        let rule = [[0.5, -0.25, 0.125, 1.0], [0.0, -1.0, 0.75, 0.3]].map(Four::new);
        let mut seed = 7u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as f32 / 65536.0 - 0.5
        };
        let mut seen = [[Four::ZERO; 3]; 64];
        let mut weighted = [[Four::ZERO; 2]; 64];
        for (x, w) in seen.iter_mut().zip(&mut weighted) {
            x[..2].fill_with(|| Four::new([(); 4].map(|()| next())));
            w.copy_from_slice(&x[..2]);
            x[2] = Four::new([dot(&rule, w), 0.0, 0.0, 0.0]);
        }
        normal.learn(&seen, &weighted, 0.0, None);
        let found = normal.solve(1e-4);
        let flat = |fours: [Four; 2]| fours.map(Four::to_array).concat();
        let pairs = flat(found).into_iter().zip(flat(rule));
        assert!(
            pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.01),
            "{found:?}"
        );
    }
}

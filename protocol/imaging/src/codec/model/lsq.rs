//! Weighted least squares by normal equations, in f32 with one order of sums.
//!
//! Everything lies in groups of four lanes. A system of `4 G` unknowns is the upper triangle of an
//! array of `G` x 4 rows of `H = G + 1` groups: lane 0 of the last group is the right-hand side,
//! the other three stay 0. Work starts at the group of the diagonal.

pub(crate) type Four = [f32; 4];

#[derive(Clone)]
pub(crate) struct Normal<const G: usize, const H: usize>([[[Four; H]; 4]; G]);

impl<const G: usize, const H: usize> Normal<G, H> {
    pub(crate) fn new() -> Self {
        Self([[[[0.0; 4]; H]; 4]; G])
    }

    /// `self + left * a + right * b`.
    #[inline(always)]
    pub(crate) fn merged(&self, left: &Self, a: f32, right: &Self, b: f32) -> Self {
        let mut sum = self.clone();
        for (g, rows) in sum.0.iter_mut().enumerate() {
            for (r, row) in rows.iter_mut().enumerate() {
                let sides = left.0[g][r][g..].iter().zip(&right.0[g][r][g..]);
                for (to, (left, right)) in row[g..].iter_mut().zip(sides) {
                    add(to, left, a);
                    add(to, right, b);
                }
            }
        }
        sum
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
        for (row, sums) in self.0[g].iter_mut().zip(sums) {
            keep_and_add(&mut row[h], keep, &sums[0]);
            if pair {
                keep_and_add(&mut row[h + 1], keep, &sums[1]);
            }
        }
    }

    /// Gaussian elimination without pivoting (the matrix is positive, the ridge keeps it so), four
    /// pivots at a time.
    #[inline(always)]
    pub(crate) fn solve(mut self, ridge: f32) -> [Four; G] {
        let a = &mut self.0;
        let mut inverse = [[0.0f32; 4]; G];
        for (g, rows) in a.iter_mut().enumerate() {
            for (r, row) in rows.iter_mut().enumerate() {
                row[g][r] = row[g][r] * 1.0005 + ridge;
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

#[inline(always)]
fn add(to: &mut Four, from: &Four, factor: f32) {
    for l in 0..4 {
        to[l] += factor * from[l];
    }
}

#[inline(always)]
fn keep_and_add(to: &mut Four, keep: f32, sums: &Four) {
    for l in 0..4 {
        to[l] = to[l] * keep + sums[l];
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
    let mut sums = [[[0.0f32; 4]; 2]; 4];
    for (x, w) in seen.iter().zip(weighted) {
        let (columns, columns2, rows) = (x[h], x[h2], w[g]);
        for r in 0..4 {
            add(&mut sums[r][0], &columns, rows[r]);
            add(&mut sums[r][1], &columns2, rows[r]);
        }
    }
    sums
}

/// Makes the four pivot rows triangular; the inverses of their diagonal.
#[inline(always)]
fn factor<const H: usize>(pivots: &mut [[Four; H]; 4], g: usize) -> Four {
    let mut inverse = [0.0f32; 4];
    for p in 0..4 {
        let pivot = pivots[p];
        let diagonal = pivot[g][p];
        inverse[p] = if diagonal > 1e-6 { 1.0 / diagonal } else { 0.0 };
        for (r, row) in pivots.iter_mut().enumerate().skip(p + 1) {
            let factor = -(pivot[g][r] * inverse[p]);
            for h in g..H {
                add(&mut row[h], &pivot[h], factor);
            }
        }
    }
    inverse
}

/// Subtracts the four pivot rows from four others.
#[inline(always)]
fn eliminate<const H: usize>(
    pivots: &[[Four; H]; 4],
    inverse: &Four,
    j: usize,
    rows: &mut [[Four; H]; 4],
) {
    for (r, row) in rows.iter_mut().enumerate() {
        let mut factors = [0.0f32; 4];
        for p in 0..4 {
            factors[p] = -(pivots[p][j][r] * inverse[p]);
        }
        for h in j..H {
            for p in 0..4 {
                add(&mut row[h], &pivots[p][h], factors[p]);
            }
        }
    }
}

/// Back substitution, the last group first. Each group's solution goes at once into the sums of
/// all rows above, so that no long chain of additions holds the next one up.
#[inline(always)]
fn substitute<const G: usize, const H: usize>(
    a: &[[[Four; H]; 4]; G],
    inverse: &[Four; G],
) -> [Four; G] {
    let mut sums = [[[0.0f32; 4]; 4]; G];
    let mut solution = [[0.0f32; 4]; G];
    for g in (0..G).rev() {
        let mut x = [0.0f32; 4];
        for r in (0..4).rev() {
            let row = &a[g][r];
            let mut right = row[G][0] - joined(&sums[g][r]);
            for l in r + 1..4 {
                right -= row[g][l] * x[l];
            }
            x[r] = right * inverse[g][r];
        }
        solution[g] = x;
        for (rows, sums) in a.iter().zip(&mut sums).take(g) {
            for (row, sum) in rows.iter().zip(sums) {
                for l in 0..4 {
                    sum[l] += row[g][l] * x[l];
                }
            }
        }
    }
    solution
}

#[inline(always)]
fn joined(sums: &Four) -> f32 {
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Four sums side by side, then joined: the order is part of the format.
#[inline(always)]
pub(crate) fn dot<const G: usize>(a: &[Four; G], b: &[Four; G]) -> f32 {
    let mut sums = [0.0f32; 4];
    for (a, b) in a.iter().zip(b) {
        for l in 0..4 {
            sums[l] += a[l] * b[l];
        }
    }
    joined(&sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_rule_is_found() {
        let mut normal = Normal::<2, 3>::new();
        let rule = [[0.5, -0.25, 0.125, 1.0], [0.0, -1.0, 0.75, 0.3]];
        let mut seed = 7u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as f32 / 65536.0 - 0.5
        };
        let mut seen = [[[0.0; 4]; 3]; 64];
        let mut weighted = [[[0.0; 4]; 2]; 64];
        for (x, w) in seen.iter_mut().zip(&mut weighted) {
            x[..2].as_flattened_mut().fill_with(&mut next);
            w.copy_from_slice(&x[..2]);
            x[2][0] = dot(&rule, w);
        }
        normal.learn(&seen, &weighted, 0.0, None);
        let found = normal.solve(1e-4);
        let pairs = found.as_flattened().iter().zip(rule.as_flattened());
        assert!(
            pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.01),
            "{found:?}"
        );
    }
}

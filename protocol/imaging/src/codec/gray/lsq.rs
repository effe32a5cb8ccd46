//! Weighted least squares by normal equations, in f32 with one order of sums.
//!
//! A system of `N` unknowns is the upper triangle of an `N` x `R` array, `R = N + 4`: column `N` is
//! the right-hand side, the rest keeps rows a multiple of four lanes long. Work starts at the
//! diagonal rounded down to four.

#[derive(Clone)]
pub(super) struct Normal<const N: usize, const R: usize>([[f32; R]; N]);

/// One observation: features, target, padding.
pub(super) type Seen<const R: usize> = [f32; R];

#[inline(always)]
fn add_scaled(to: &mut [f32], x: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += x * from;
    }
}

impl<const N: usize, const R: usize> Normal<N, R> {
    pub(super) fn new() -> Self {
        Self([[0.0; R]; N])
    }

    /// `self + left * a + right * b`.
    #[inline(always)]
    pub(super) fn merged(&self, left: &Self, a: f32, right: &Self, b: f32) -> Self {
        let mut sum = self.0;
        for (i, row) in sum.iter_mut().enumerate() {
            let from = i & !3;
            let sides = left.0[i][from..].iter().zip(&right.0[i][from..]);
            for (to, (left, right)) in row[from..].iter_mut().zip(sides) {
                *to += a * left + b * right;
            }
        }
        Self(sum)
    }

    /// Forgets a share of the past and adds weighted observations: `self * keep + sum(w x x')`,
    /// and the same for a second system. `weighted` are the features times their weight.
    #[inline(always)]
    pub(super) fn learn(
        &mut self,
        seen: &[Seen<R>],
        weighted: &[[f32; N]],
        keep: f32,
        mut second: Option<(&mut Self, f32)>,
    ) {
        for i in (0..N).step_by(4) {
            let mut k = i;
            while k < R {
                if k + 8 <= R {
                    let sums = tile::<N, R, 8>(i, k, seen, weighted);
                    self.add_tile(i, k, &sums, keep);
                    if let Some((second, keep)) = &mut second {
                        second.add_tile(i, k, &sums, *keep);
                    }
                    k += 8;
                } else {
                    let sums = tile::<N, R, 4>(i, k, seen, weighted);
                    self.add_tile(i, k, &sums, keep);
                    if let Some((second, keep)) = &mut second {
                        second.add_tile(i, k, &sums, *keep);
                    }
                    k += 4;
                }
            }
        }
    }

    #[inline(always)]
    fn add_tile<const L: usize>(&mut self, i: usize, k: usize, sums: &[[f32; L]; 4], keep: f32) {
        for (row, sums) in self.0[i..i + 4].iter_mut().zip(sums) {
            for (to, sum) in row[k..k + L].iter_mut().zip(sums) {
                *to = *to * keep + sum;
            }
        }
    }

    /// Gaussian elimination without pivoting (the matrix is positive, the ridge keeps it so).
    #[inline(always)]
    pub(super) fn solve(mut self, ridge: f32) -> [f32; N] {
        let a = &mut self.0;
        let mut inverse = [0.0f32; N];
        for (i, row) in a.iter_mut().enumerate() {
            row[i] = row[i] * 1.0005 + ridge;
        }
        for i in 0..N {
            let pivot = a[i];
            let d = if pivot[i] > 1e-6 { 1.0 / pivot[i] } else { 0.0 };
            inverse[i] = d;
            for (j, row) in a.iter_mut().enumerate().skip(i + 1) {
                let from = j & !3;
                add_scaled(&mut row[from..], -(pivot[j] * d), &pivot[from..]);
            }
        }
        let mut solution = [0.0f32; N];
        for i in (0..N).rev() {
            let sum = dot_from(&a[i], &solution, i & !3);
            solution[i] = (a[i][N] - sum) * inverse[i];
        }
        solution
    }
}

/// Four rows by `L` columns, summed in registers.
#[inline(always)]
fn tile<const N: usize, const R: usize, const L: usize>(
    i: usize,
    k: usize,
    seen: &[Seen<R>],
    weighted: &[[f32; N]],
) -> [[f32; L]; 4] {
    let mut sums = [[0.0f32; L]; 4];
    for (x, w) in seen.iter().zip(weighted) {
        let mut columns = [0.0; L];
        columns.copy_from_slice(&x[k..k + L]);
        for (sums, w) in sums.iter_mut().zip(&w[i..i + 4]) {
            add_scaled(sums, *w, &columns);
        }
    }
    sums
}

/// Four sums side by side, then joined: the order is part of the format.
#[inline(always)]
fn dot_from<const N: usize>(a: &[f32], b: &[f32; N], from: usize) -> f32 {
    let mut sums = [0.0f32; 4];
    let mut k = from;
    while k < N {
        for l in 0..4 {
            sums[l] += a[k + l] * b[k + l];
        }
        k += 4;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

#[inline(always)]
pub(super) fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    dot_from(a, b, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_rule_is_found() {
        let mut normal = Normal::<8, 12>::new();
        let rule = [0.5, -0.25, 0.125, 1.0, 0.0, -1.0, 0.75, 0.3];
        let mut seed = 7u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as f32 / 65536.0 - 0.5
        };
        let mut seen = [[0.0; 12]; 64];
        let mut weighted = [[0.0; 8]; 64];
        for (x, w) in seen.iter_mut().zip(&mut weighted) {
            x[..8].fill_with(&mut next);
            w.copy_from_slice(&x[..8]);
            x[8] = dot(&rule, w);
        }
        normal.learn(&seen, &weighted, 0.0, None);
        let found = normal.solve(1e-4);
        assert!(
            found.iter().zip(&rule).all(|(a, b)| (a - b).abs() < 0.01),
            "{found:?}"
        );
    }
}

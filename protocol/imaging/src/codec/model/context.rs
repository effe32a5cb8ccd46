//! What is known about a sample before it is coded: neighbours, recent errors, quantised.
use super::window::{BEFORE, CURRENT, PAD, Window};

/// The closest neighbours.
#[derive(Clone, Copy)]
pub(crate) struct Near {
    pub(crate) w: f32,
    pub(crate) n: f32,
    pub(crate) nw: f32,
    pub(crate) ne: f32,
    /// A smooth mean, the origin of the features.
    pub(crate) mean: f32,
    /// The same in the previous frame.
    pub(crate) mean_before: f32,
    /// The median of W, N and W + N - NW.
    pub(crate) median: f32,
    /// A simple second opinion.
    pub(crate) slope: f32,
    /// The sample at the same place in the previous frame, or the mean.
    pub(crate) before: f32,
}

#[inline(always)]
fn mean(w: f32, n: f32, nw: f32, ne: f32) -> f32 {
    (2.0 * (w + n) + (ne + nw)) * (1.0 / 6.0)
}

#[inline(always)]
fn median(w: f32, n: f32, nw: f32) -> f32 {
    let (low, high) = if w < n { (w, n) } else { (n, w) };
    if nw >= high {
        low
    } else if nw <= low {
        high
    } else {
        w + n - nw
    }
}

impl Near {
    #[inline(always)]
    pub(crate) fn read(window: &Window, i: usize, frames: bool) -> Self {
        let (v, stride) = (&window.v, window.stride);
        let (w, nw, n, ne) = (
            v[i - 1],
            v[i - stride - 1],
            v[i - stride],
            v[i - stride + 1],
        );
        let here = mean(w, n, nw, ne);
        let mut near = Self {
            w,
            n,
            nw,
            ne,
            mean: here,
            mean_before: here,
            median: median(w, n, nw),
            slope: w * 0.5 + n * 0.5 + (ne - nw) * 0.25,
            before: here,
        };
        if frames {
            let j = i + (BEFORE - CURRENT) * stride;
            let (qw, qnw, qn, qne) = (
                v[j - 1],
                v[j - stride - 1],
                v[j - stride],
                v[j - stride + 1],
            );
            near.before = v[j];
            near.mean_before = mean(qw, qn, qnw, qne);
            let (dw, dn, dnw) = (w - qw, n - qn, nw - qnw);
            near.slope = v[j] + (dw + dn) * 0.25 + median(dw, dn, dnw) * 0.5;
        }
        near
    }

    #[inline(always)]
    pub(crate) fn is_flat(&self) -> bool {
        let m = self.mean;
        (self.w - m).abs() + (self.n - m).abs() + (self.nw - m).abs() <= 0.0
    }
}

/// Absolute errors of this row and the ones above.
#[derive(Clone)]
pub(crate) struct Errors {
    stride: usize,
    /// Rows of the final guess: the current one last.
    last: Vec<f32>,
    /// Rows of each guess: the current one last.
    each: Vec<[f32; 2]>,
}

impl Errors {
    pub(crate) fn new(width: usize) -> Self {
        let stride = width + 2 * PAD;
        Self {
            stride,
            last: vec![1.0; stride * 3],
            each: vec![[1.0; 2]; stride * 2],
        }
    }

    /// The current row's errors, without padding.
    pub(crate) fn row(&self, width: usize) -> &[f32] {
        let at = self.stride * 2 + PAD;
        &self.last[at..at + width]
    }

    pub(crate) fn start_row(&mut self) {
        let at = self.stride * 2 + PAD;
        let above = self.last[at - self.stride];
        self.last[at - PAD..at].fill(above);
        let at = self.stride + PAD;
        let above = self.each[at - self.stride];
        self.each[at - PAD..at].fill(above);
    }

    pub(crate) fn end_row(&mut self, width: usize) {
        let at = self.stride * 2 + PAD + width;
        let end = self.last[at - 1];
        self.last[at..].fill(end);
        let at = self.stride + PAD + width;
        let end = self.each[at - 1];
        self.each[at..].fill(end);
    }

    /// Moves the rows up: after the caller has read [`row`](Self::row).
    pub(crate) fn next_row(&mut self) {
        self.last.copy_within(self.stride.., 0);
        self.each.copy_within(self.stride.., 0);
    }

    /// The guesses weighted by how well each did around here.
    #[inline(always)]
    pub(crate) fn blend(&self, x: usize, guesses: &[f32; 2], mean: f32) -> f32 {
        let (here, above) = (
            &self.each[self.stride + PAD + x - 2..],
            &self.each[PAD + x - 1..],
        );
        let (w, ww) = (&here[1], &here[0]);
        let (nw, n, ne, nee) = (&above[0], &above[1], &above[2], &above[3]);
        let (mut total, mut sum) = (1e-30f32, 0.0f32);
        for j in 0..2 {
            let e = 2.0 * (w[j] + n[j]) + (nw[j] + ne[j]) + (ww[j] + 0.5 * nee[j]);
            let t = 1.0 / (e * e + 0.2);
            total += t * t;
            sum += t * t * (guesses[j] - mean);
        }
        mean + sum / total
    }

    #[inline(always)]
    pub(crate) fn note(&mut self, x: usize, value: f32, guesses: &[f32; 2], last: f32) {
        self.last[self.stride * 2 + PAD + x] = (value - last).abs();
        self.each[self.stride + PAD + x] = guesses.map(|guess| (value - guess).abs());
    }

    /// How large errors are around `x`: 0..32.
    #[inline(always)]
    pub(crate) fn around(&self, x: usize) -> usize {
        let at = self.stride * 2 + PAD + x;
        let (e, s) = (&self.last, self.stride);
        coarse((e[at - 1] + e[at - s] + (e[at - s - 1] + e[at - s + 1]) * 0.5) * (1.0 / 3.0))
    }

    /// A hit halves the errors around it.
    #[inline(always)]
    pub(crate) fn calm(&mut self, x: usize) {
        let i = self.stride * 2 + PAD + x;
        self.last[i] = (self.last[i - 1] + self.last[i - self.stride]) * 0.25;
        let i = self.stride + PAD + x;
        let (w, n) = (self.each[i - 1], self.each[i - self.stride]);
        self.each[i] = [(w[0] + n[0]) * 0.25, (w[1] + n[1]) * 0.25];
    }

    /// A masked sample has its neighbours' errors.
    #[inline(always)]
    pub(crate) fn skip(&mut self, x: usize) {
        let i = self.stride * 2 + PAD + x;
        self.last[i] = (self.last[i - 1] + self.last[i - self.stride]) * 0.5;
        let i = self.stride + PAD + x;
        let (w, n) = (self.each[i - 1], self.each[i - self.stride]);
        self.each[i] = [(w[0] + n[0]) * 0.5, (w[1] + n[1]) * 0.5];
    }
}

/// Four steps an octave from 0.25 up: 64 values.
#[inline(always)]
fn fine(v: f32) -> usize {
    (((v + 0.25).to_bits() >> 21) as i32 - 500).clamp(0, 63) as usize
}

/// Two steps an octave: 32 values.
#[inline(always)]
fn coarse(v: f32) -> usize {
    (((v + 0.25).to_bits() >> 22) as i32 - 250).clamp(0, 31) as usize
}

/// The quantised contexts of one sample.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    /// Expected absolute error.
    pub(crate) activity: f32,
    /// Its logarithm in steps, 0..64.
    pub(crate) level: usize,
    /// Context of the bias, 0..1024.
    pub(crate) bias: usize,
    /// Bits of a residual below its unary part.
    pub(crate) shift: u32,
    /// The prediction as a whole number.
    pub(crate) centre: i32,
    /// The prediction's rest is below the centre: signs swap sides.
    pub(crate) flip: bool,
    /// Mixed contexts, each below 1024.
    pub(crate) sets: [usize; 8],
}

impl Context {
    #[inline(always)]
    pub(crate) fn new(
        errors: &Errors,
        x: usize,
        near: &Near,
        guesses: &[f32; 2],
        blended: f32,
        before: Option<(&[u16], &[u16])>,
    ) -> Self {
        let at = errors.stride * 2 + PAD + x;
        let (e, s) = (&errors.last, errors.stride);
        let (w, ww, n, nw, ne, nn) = (
            e[at - 1],
            e[at - 2],
            e[at - s],
            e[at - s - 1],
            e[at - s + 1],
            e[at - 2 * s],
        );
        let local = (2.0 * (w + n) + (nw + ne) + 0.7 * (ww + nn)) * (1.0 / 7.4);
        let (activity, same, around) = match before {
            Some((here, below)) => {
                let error = |row: &[u16], x: usize| f32::from(row[x]) * (1.0 / 16.0);
                let (same, s) = (error(here, x), error(below, x));
                let e = if x + 1 < here.len() {
                    error(here, x + 1)
                } else {
                    same
                };
                let activity = (local * 3.0 + (same * 2.0 + s + e) * 0.25) * 0.25;
                (activity, same, (s + e + same) * (1.0 / 3.0))
            }
            None => (local, w, (w + n) * 0.5),
        };
        let octave = coarse(activity);
        let sides = usize::from(guesses[0] > blended)
            | usize::from(near.median > blended) << 1
            | usize::from(
                if before.is_some() {
                    near.before
                } else {
                    guesses[1]
                } > blended,
            ) << 2
            | usize::from(near.w > blended) << 3
            | usize::from(near.n > blended) << 4;
        let gradient =
            (near.w - near.nw).abs() + (near.n - near.nw).abs() + (near.n - near.ne).abs();
        let spread = (guesses[0] - near.median).abs()
            + (guesses[1] - near.median).abs()
            + (guesses[0] - near.slope).abs();
        Self {
            activity,
            level: fine(activity),
            bias: octave * 32 + sides,
            shift: ((activity.to_bits() >> 23) as i32 - 127).clamp(0, 12) as u32,
            centre: 0,
            flip: false,
            sets: [
                0,
                coarse(local) * 32 + coarse(same),
                coarse(w) * 32 + coarse(n),
                coarse(gradient * 0.25) * 32 + octave,
                coarse(spread * 0.5) * 32 + octave,
                sides * 32 + octave,
                0,
                coarse(around) * 32 + coarse((ne + nw + n) * (1.0 / 3.0)),
            ],
        }
    }

    /// Fixes the prediction.
    #[inline(always)]
    pub(crate) fn aim(&mut self, corrected: f32, near: &Near, max: f32) {
        self.centre = (corrected + 0.5) as i32;
        let rest = corrected - self.centre as f32;
        self.flip = rest < 0.0;
        let quarter = ((rest.abs() * 8.0) as usize).min(3);
        self.sets[0] = self.level * 4 + quarter;
        if max < NARROW {
            let centre = self.centre as f32;
            let sign = if self.flip { -1.0 } else { 1.0 };
            let close = |v: f32| ((v - centre) * sign).clamp(-15.0, 16.0) as i32 + 15;
            self.sets[6] = ((self.centre as usize) << 1 | usize::from(self.flip)) & 1023;
            self.sets[7] = (close(near.w) * 32 + close(near.n)) as usize;
        } else {
            self.sets[6] = (self.centre as usize >> 4) & 1023;
        }
    }
}

/// Samples below this are few enough for contexts of their own.
const NARROW: f32 = 512.0;

//! The rows that a pixel's neighbourhood is taken from, as floats, padded left and right.

/// Padding left and right of each row.
pub(crate) const PAD: usize = 8;
/// Row number of the row being coded; the five above it come before.
pub(crate) const CURRENT: usize = 5;
/// Row number of the same row in the previous frame; the row above and below lie around it.
pub(crate) const BEFORE: usize = 7;
/// Row number of the same row two frames back, then the one below it.
pub(crate) const BEFORE2: usize = 9;
const ROWS: usize = 11;

#[derive(Clone)]
pub(crate) struct Window {
    pub(crate) v: Vec<f32>,
    /// 1 where the sample is the padding value; the same places as `v`.
    pub(crate) masked: Vec<u8>,
    pub(crate) stride: usize,
    width: usize,
}

/// Samples below this, between masked ones, count as background.
const BACKGROUND: f32 = 40.0;

impl Window {
    pub(crate) fn new(width: usize) -> Self {
        let stride = width + 2 * PAD;
        Self {
            v: vec![0.0; stride * ROWS],
            masked: vec![1; stride * ROWS],
            stride,
            width,
        }
    }

    /// Place of column 0 of a row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> usize {
        row * self.stride + PAD
    }

    /// Fills the rows above the first one, from the previous frame if there is one.
    pub(crate) fn start_frame(&mut self, with_before: bool) {
        let stride = self.stride;
        let first = if with_before {
            self.v[BEFORE * stride..(BEFORE + 1) * stride].to_vec()
        } else {
            vec![0.0; stride]
        };
        for row in 0..CURRENT {
            self.v[row * stride..(row + 1) * stride].copy_from_slice(&first);
        }
        self.masked[..CURRENT * stride].fill(1);
    }

    /// Forgets the rows of earlier frames.
    pub(crate) fn clear_before(&mut self) {
        let from = (CURRENT + 1) * self.stride;
        self.v[from..].fill(0.0);
        self.masked[from..].fill(1);
    }

    /// Left padding of the current row: the first sample of the row above.
    pub(crate) fn start_row(&mut self) {
        let at = self.row(CURRENT);
        let above = self.v[at - self.stride];
        self.v[at - PAD..at].fill(above);
        self.masked[at - PAD..at].fill(1);
    }

    /// Right padding of the current row, then all rows move up by one.
    pub(crate) fn end_row(&mut self) {
        let stride = self.stride;
        let end = self.row(CURRENT) + self.width;
        let last = self.v[end - 1];
        self.v[end..end + PAD].fill(last);
        self.masked[end..end + PAD].fill(1);
        self.v.copy_within(stride..(CURRENT + 1) * stride, 0);
        self.masked.copy_within(stride..(CURRENT + 1) * stride, 0);
    }

    /// Moves the rows of an earlier frame up by one and puts a new one below.
    /// `row` is the lowest of `count` rows.
    pub(crate) fn push_before(&mut self, row: usize, count: usize, samples: &[u16], mask: bool) {
        let stride = self.stride;
        let first = (row + 1 - count) * stride;
        self.v
            .copy_within(first + stride..(row + 1) * stride, first);
        self.masked
            .copy_within(first + stride..(row + 1) * stride, first);
        let at = self.row(row);
        let above = self.v[at - stride];
        self.v[at - PAD..at].fill(above);
        for (x, &sample) in samples.iter().enumerate() {
            let masked = mask && sample == 0;
            let i = at + x;
            self.v[i] = if masked {
                self.fill_in(i)
            } else {
                f32::from(sample)
            };
            self.masked[i] = u8::from(masked);
        }
        let end = at + samples.len();
        let last = self.v[end - 1];
        self.v[end..end + PAD].fill(last);
    }

    /// What stands in for a masked sample.
    #[inline(always)]
    pub(crate) fn fill_in(&self, i: usize) -> f32 {
        let mean = (self.v[i - 1] + self.v[i - self.stride]) * 0.5;
        if mean < BACKGROUND { 0.0 } else { mean }
    }
}

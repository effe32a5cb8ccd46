//! One row of samples, predicted by least squares solved per block of columns, its residuals coded
//! as mixed binary decisions.
use super::context::{Context, Errors, Near};
use super::lsq::{Four, Normal, dot};
use super::residual::Residuals;
use super::taps::Taps;
use super::window::{CURRENT, PAD, Window};
use crate::codec::range::Coder;

/// What a model is made for; constants of a codec version.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// Columns per least-squares system.
    pub(crate) block: usize,
    /// A second predictor, solved over whole rows, blended in by local error.
    pub(crate) two: bool,
}

/// Share of the past that a block's system keeps from row to row.
const KEEP: f32 = 0.8;
/// The same for the system of whole rows, per block.
const KEEP_ALL: f32 = 0.995;
const LEFT: f32 = 0.5;
const RIGHT: f32 = 0.3;
const RIDGE: f32 = 0.02;

#[derive(Clone)]
pub(super) struct Model<const G: usize, const H: usize, const C: usize> {
    setup: Setup,
    taps: Taps,
    pub(super) window: Window,
    pub(super) errors: Errors,
    blocks: Vec<Normal<G, H>>,
    all: Normal<G, H>,
    weights: [[Four; G]; 2],
    seen: Vec<[Four; H]>,
    weighted: Vec<[Four; G]>,
    bias: Bias,
    residuals: Residuals<C>,
}

/// What one row is coded with.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    /// Samples lie in `0..=max`.
    pub(super) max: f32,
    /// Sample 0 is padding, coded as a mask.
    pub(super) mask: bool,
    /// Absolute errors at this row and the next one of the previous frame.
    pub(super) before: Option<(&'a [f32], &'a [f32])>,
}

impl<const G: usize, const H: usize, const C: usize> Model<G, H, C> {
    pub(super) fn new(setup: Setup, width: usize) -> Self {
        let blocks = width.div_ceil(setup.block);
        let window = Window::new(width);
        Self {
            setup,
            taps: Taps::new(G, false, window.stride),
            errors: Errors::new(width),
            blocks: vec![Normal::new(); blocks + 2],
            all: Normal::new(),
            weights: [[[0.0; 4]; G]; 2],
            seen: vec![[[0.0; 4]; H]; setup.block],
            weighted: vec![[[0.0; 4]; G]; setup.block],
            bias: Bias::new(),
            residuals: Residuals::new(),
            window,
        }
    }

    /// Switches the neighbourhood to the one with, or without, earlier frames.
    pub(super) fn use_frames(&mut self, frames: bool) {
        if self.taps.frames != frames {
            self.taps = Taps::new(G, frames, self.window.stride);
            self.blocks.fill(Normal::new());
            self.all = Normal::new();
            self.weights = [[[0.0; 4]; G]; 2];
        }
    }

    /// Codes one row of mapped samples and leaves their absolute errors in `errors`.
    pub(super) fn row<K: Coder>(&mut self, coder: &mut K, samples: &mut [u16], row: Row<'_>) {
        self.window.start_row();
        self.errors.start_row();
        let block = self.setup.block;
        for b in 0..samples.len().div_ceil(block) {
            self.solve(b);
            let mut count = 0;
            for x in b * block..(b * block + block).min(samples.len()) {
                count += self.sample(coder, x, &mut samples[x], &row, count);
            }
            self.learn(b, count);
        }
        self.window.end_row();
        self.errors.end_row(samples.len());
    }

    #[inline(always)]
    fn solve(&mut self, b: usize) {
        let own = &self.blocks[b + 1];
        let merged = own.merged(&self.blocks[b], LEFT, &self.blocks[b + 2], RIGHT);
        self.weights[0] = merged.solve(RIDGE);
        if self.setup.two && b.is_multiple_of(4) {
            self.weights[1] = self.all.clone().solve(RIDGE);
        }
    }

    #[inline(always)]
    fn learn(&mut self, b: usize, count: usize) {
        let (seen, weighted) = (&self.seen[..count], &self.weighted[..count]);
        let all = if self.setup.two {
            Some((&mut self.all, KEEP_ALL))
        } else {
            None
        };
        self.blocks[b + 1].learn(seen, weighted, KEEP, all);
    }

    /// Codes one sample; 1 when it left an observation at `slot`.
    #[inline(always)]
    fn sample<K: Coder>(
        &mut self,
        coder: &mut K,
        x: usize,
        sample: &mut u16,
        row: &Row<'_>,
        slot: usize,
    ) -> usize {
        let i = self.window.row(CURRENT) + x;
        let near = Near::read(&self.window, i, self.taps.frames);
        let features: [Four; G] = self.taps.features(&self.window.v, i, &near);
        let mut guesses = [0.0f32; 2];
        guesses[0] = sane(
            near.mean + dot(&self.weights[0], &features),
            near.mean,
            row.max,
        );
        guesses[1] = if self.setup.two {
            sane(
                near.mean + dot(&self.weights[1], &features),
                near.mean,
                row.max,
            )
        } else {
            near.mean
        };
        let blended = if self.setup.two {
            self.errors.blend(x, &guesses, near.mean)
        } else {
            guesses[0]
        };
        let mut context = Context::new(&self.errors, x, &near, &guesses, blended, row.before);
        let corrected = sane(blended + self.bias.of(context.bias), near.mean, row.max);
        context.aim(corrected);
        if row.mask
            && self
                .residuals
                .mask(coder, &self.window, i, &context, self.taps.frames, sample)
        {
            self.window.v[i] = self.window.fill_in(i);
            self.errors.skip(x);
            return 0;
        }
        self.residuals.code(coder, &context, sample);
        let value = f32::from(*sample);
        self.window.v[i] = value;
        self.bias.learn(context.bias, value - blended);
        self.errors.note(x, value, &guesses, corrected);
        if near.is_flat() {
            return 0;
        }
        let spread = context.activity + 0.3;
        let weight = 1.0 / (spread * spread);
        let (seen, weighted) = (&mut self.seen[slot], &mut self.weighted[slot]);
        for g in 0..G {
            seen[g] = features[g];
            weighted[g] = features[g].map(|feature| feature * weight);
        }
        seen[G][0] = value - near.mean;
        1
    }
}

/// Within the samples' range; the mean for what is no number.
#[inline(always)]
fn sane(guess: f32, mean: f32, max: f32) -> f32 {
    if guess > 0.0 {
        if guess < max { guess } else { max }
    } else if guess <= 0.0 {
        0.0
    } else {
        mean
    }
}

/// The mean error by context.
#[derive(Clone)]
struct Bias {
    mean: Vec<f32>,
    count: Vec<u16>,
    rate: Vec<f32>,
}

impl Bias {
    fn new() -> Self {
        let rate = (0..=400)
            .map(|n| 1.0 / (f32::from(n as u16) + 1.5))
            .collect();
        Self {
            mean: vec![0.0; 1024],
            count: vec![0; 1024],
            rate,
        }
    }

    #[inline(always)]
    fn of(&self, context: usize) -> f32 {
        self.mean[context]
    }

    #[inline(always)]
    fn learn(&mut self, context: usize, error: f32) {
        let count = self.count[context];
        self.mean[context] += (error - self.mean[context]) * self.rate[usize::from(count)];
        if count < 400 {
            self.count[context] = count.wrapping_add(1);
        }
    }
}

const _: () = assert!(PAD >= 8);

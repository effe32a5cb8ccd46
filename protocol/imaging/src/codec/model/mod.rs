//! One row of samples, predicted by least squares solved per block of columns, its residuals coded
//! as mixed binary decisions.
mod context;
mod history;
mod hits;
mod lsq;
mod residual;
mod stack;
mod taps;
mod window;

use context::{Context, Errors, Near};
use lsq::{Four, Normal, dot};
use residual::Residuals;
use taps::Taps;
use window::{CURRENT, PAD, Window};

pub(crate) use stack::{Cast, Size, Stack};

use crate::codec::range::Coder;

/// What a model is made for; constants of a codec version.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// Columns per least-squares system.
    pub(crate) block: usize,
    /// A second predictor, solved over whole rows, blended in by local error.
    pub(crate) two: bool,
}

/// The setup of level `mid`.
pub(crate) const MID: Setup = Setup {
    block: 32,
    two: false,
};
/// The setup of level `best`.
pub(crate) const BEST: Setup = Setup {
    block: 16,
    two: true,
};

/// Share of the past that a block's system keeps from row to row.
const KEEP: f32 = 0.8;
/// The same for the system of whole rows, per block.
const KEEP_ALL: f32 = 0.995;
const LEFT: f32 = 0.5;
const RIGHT: f32 = 0.3;
const RIDGE: f32 = 0.02;

#[derive(Clone)]
pub(crate) struct Model<const G: usize, const H: usize, const C: usize> {
    setup: Setup,
    taps: Taps,
    pub(crate) window: Window,
    pub(crate) errors: Errors,
    blocks: Vec<Normal<G, H>>,
    all: Normal<G, H>,
    /// The system that is being solved.
    work: Normal<G, H>,
    weights: [[Four; G]; 2],
    seen: Vec<[Four; H]>,
    weighted: Vec<[Four; G]>,
    /// Observations of the current block.
    count: usize,
    /// The current block, and whether its system is solved: only when a sample needs it.
    block: usize,
    solved: bool,
    /// The first block at which the system of whole rows is solved again.
    all_from: usize,
    bias: Bias,
    residuals: Residuals<C>,
}

/// What one row is coded with.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// Samples lie in `0..=max`.
    pub(crate) max: f32,
    /// Sample 0 is padding, coded as a mask.
    pub(crate) mask: bool,
    /// Absolute errors, in sixteenths, at this row and the next one of the previous frame.
    pub(crate) before: Option<(&'a [u16], &'a [u16])>,
    /// The same pixel in the planes before this one.
    pub(crate) cross: [Option<Four>; 2],
}

impl<const G: usize, const H: usize, const C: usize> Model<G, H, C> {
    pub(crate) fn new(setup: Setup, width: usize) -> Self {
        let blocks = width.div_ceil(setup.block);
        let window = Window::new(width);
        Self {
            setup,
            taps: Taps::new(G, false, window.stride),
            errors: Errors::new(width),
            blocks: vec![Normal::new(); blocks + 2],
            all: Normal::new(),
            work: Normal::new(),
            weights: [[Four::ZERO; G]; 2],
            seen: vec![[Four::ZERO; H]; setup.block],
            weighted: vec![[Four::ZERO; G]; setup.block],
            count: 0,
            block: 0,
            solved: false,
            all_from: 0,
            bias: Bias::new(),
            residuals: Residuals::new(),
            window,
        }
    }

    /// Switches the neighbourhood to the one with, or without, earlier frames.
    pub(crate) fn use_frames(&mut self, frames: bool) {
        if self.taps.frames != frames {
            self.taps = Taps::new(G, frames, self.window.stride);
            self.blocks.fill(Normal::new());
            self.all = Normal::new();
            self.weights = [[Four::ZERO; G]; 2];
        }
    }

    /// Columns per block.
    pub(crate) fn block(&self) -> usize {
        self.setup.block
    }

    pub(crate) fn start_row(&mut self) {
        self.window.start_row();
        self.errors.start_row();
        self.all_from = 0;
    }

    #[inline(always)]
    pub(crate) fn start_block(&mut self, block: usize) {
        self.block = block;
        self.count = 0;
        self.solved = false;
    }

    /// Leaves the absolute errors of the row in `errors`.
    pub(crate) fn end_row(&mut self, width: usize) {
        self.window.end_row();
        self.errors.end_row(width);
    }

    #[inline(always)]
    fn solve(&mut self) {
        let b = self.block;
        let [left, own, right] = [0, 1, 2].map(|n| &self.blocks[b + n]);
        self.work.merge(own, left, LEFT, right, RIGHT);
        self.weights[0] = self.work.solve(RIDGE);
        if self.setup.two && b >= self.all_from {
            self.work.clone_from(&self.all);
            self.weights[1] = self.work.solve(RIDGE);
            self.all_from = (b / 16 + 1) * 16;
        }
        self.solved = true;
    }

    #[inline(always)]
    pub(crate) fn end_block(&mut self) {
        if self.count > 0 {
            let (seen, weighted) = (&self.seen[..self.count], &self.weighted[..self.count]);
            let all = if self.setup.two {
                Some((&mut self.all, KEEP_ALL))
            } else {
                None
            };
            self.blocks[self.block + 1].learn(seen, weighted, KEEP, all);
        }
    }

    /// A sample that was coded without a prediction. What the block saw so far is dropped: edges
    /// beside flat areas and text teach nothing (measured: 1 to 11 % on stills).
    #[inline(always)]
    pub(crate) fn hit(&mut self, x: usize, sample: u16) {
        let i = self.window.row(CURRENT) + x;
        self.window.v[i] = f32::from(sample);
        self.errors.calm(x);
        self.count = 0;
    }

    /// The sample at `x` and its neighbours, for the planes that follow.
    #[inline(always)]
    pub(crate) fn seen_at(&self, x: usize) -> Four {
        let i = self.window.row(CURRENT) + x;
        let near = Near::read(&self.window, i, false);
        Four::new([self.window.v[i], near.w, near.n, near.ne]) - Four::splat(near.mean)
    }

    /// Codes one sample.
    #[inline(always)]
    pub(crate) fn sample<K: Coder>(
        &mut self,
        coder: &mut K,
        x: usize,
        sample: &mut u16,
        row: &Row<'_>,
    ) {
        if !self.solved {
            self.solve();
        }
        let i = self.window.row(CURRENT) + x;
        let near = Near::read(&self.window, i, self.taps.frames);
        let mut features: [Four; G] = self.taps.features(&self.window.v, i, &near);
        for (to, cross) in features.iter_mut().rev().zip(row.cross.iter().flatten()) {
            *to = *cross;
        }
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
        context.aim(corrected, &near, row.max);
        if row.mask
            && self
                .residuals
                .mask(coder, &self.window, i, &context, self.taps.frames, sample)
        {
            self.window.v[i] = self.window.fill_in(i);
            self.errors.skip(x);
            return;
        }
        self.residuals.code(coder, &context, sample);
        let value = f32::from(*sample);
        self.window.v[i] = value;
        self.bias.learn(context.bias, value - blended);
        self.errors.note(x, value, &guesses, corrected);
        if near.is_flat() && row.cross[0].is_none() {
            return;
        }
        let spread = context.activity + 0.3;
        let weight = 1.0 / (spread * spread);
        let (seen, weighted) = (&mut self.seen[self.count], &mut self.weighted[self.count]);
        for g in 0..G {
            seen[g] = features[g];
            weighted[g] = features[g] * Four::splat(weight);
        }
        seen[G] = Four::new([value - near.mean, 0.0, 0.0, 0.0]);
        self.count += 1;
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

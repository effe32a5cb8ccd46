//! "The same as": whether a pixel equals one of a few candidates, before any of it is predicted.
//! Text, flat areas and what stands still in a cine are coded here.
use super::window::PAD;
use crate::codec::logistic::{Cell, Tables};
use crate::codec::range::Coder;

/// A candidate less likely than this is passed over: its pixel is predicted instead.
const GATE: u32 = 12_000;
const CANDIDATES: usize = 5;
const INPUTS: usize = 4;
const SLOTS: usize = 1 << 16;
const MIX_RATE: f32 = 0.01 / 65536.0;

/// Rows of whole pixels: two above, the current one, the same and the next one a frame before.
const ABOVE2: usize = 0;
const ABOVE: usize = 1;
const NOW: usize = 2;
const BEFORE: usize = 3;
const ROWS: usize = 5;
/// No pixel has this value.
const NONE: u32 = u32::MAX;

#[derive(Clone)]
pub(crate) struct Hits {
    tables: &'static Tables,
    stride: usize,
    pixels: Vec<u32>,
    /// What came after a neighbourhood, and how often.
    memory: Vec<(u32, u8)>,
    place: usize,
    cells: Vec<[Cell; SLOTS / 16]>,
    mix: Vec<[f32; INPUTS]>,
    waiting: Vec<Question>,
}

/// One decision, kept until the pixel is known.
#[derive(Clone, Copy)]
struct Question {
    candidate: u32,
    at: [usize; INPUTS],
    stretched: [f32; INPUTS],
    mix: usize,
    chance: u32,
}

struct Around {
    w: u32,
    n: u32,
    nw: u32,
    ne: u32,
    ww: u32,
    nn: u32,
    before: u32,
    /// Whether W, N and NE equal the previous frame, and N, NE it below.
    still: usize,
    pattern: usize,
}

impl Hits {
    pub(crate) fn new(width: usize) -> Self {
        let stride = width + 2 * PAD;
        Self {
            tables: Tables::get(),
            stride,
            pixels: vec![NONE; stride * ROWS],
            memory: vec![(NONE, 0); SLOTS],
            place: 0,
            cells: vec![[Cell::NEW; SLOTS / 16]; INPUTS * 16],
            mix: vec![[0.4; INPUTS]; CANDIDATES * 32],
            waiting: Vec::with_capacity(CANDIDATES),
        }
    }

    pub(crate) fn start_frame(&mut self) {
        self.pixels[..NOW * self.stride].fill(NONE);
    }

    /// `before` are this row and the next one of the previous frame.
    pub(crate) fn start_row(&mut self, before: Option<(&[u32], &[u32])>) {
        let stride = self.stride;
        self.pixels[NOW * stride..(NOW + 1) * stride].fill(NONE);
        self.pixels[BEFORE * stride..].fill(NONE);
        if let Some((here, below)) = before {
            let at = BEFORE * stride + PAD;
            self.pixels[at..at + here.len()].copy_from_slice(here);
            self.pixels[at + stride..at + stride + below.len()].copy_from_slice(below);
        }
    }

    pub(crate) fn end_row(&mut self) {
        self.pixels
            .copy_within(self.stride..(NOW + 1) * self.stride, ABOVE2 * self.stride);
    }

    /// Asks for the pixel at `x`; nothing when it is none of the candidates that were asked for.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        x: usize,
        actual: u32,
        activity: usize,
    ) -> Option<u32> {
        let i = NOW * self.stride + PAD + x;
        let around = self.around(i);
        self.place = hash(&[
            around.w, around.n, around.nw, around.ne, around.ww, around.nn,
        ]);
        let (remembered, times) = self.memory[self.place];
        let candidates = [remembered, around.w, around.n, around.before, around.ne];
        self.waiting.clear();
        for (k, &candidate) in candidates.iter().enumerate() {
            if candidate == NONE || candidates[..k].contains(&candidate) {
                continue;
            }
            let question = self.ask(k, candidate, &around, (remembered, times), activity);
            if question.chance < GATE {
                self.waiting.push(question);
                continue;
            }
            let hit = coder.bit(question.chance, actual == candidate);
            self.learn(&question, hit);
            if hit {
                self.settle(x, candidate);
                return Some(candidate);
            }
        }
        None
    }

    /// Learns the pixel at `x`, after [`code`](Self::code).
    #[inline(always)]
    pub(crate) fn settle(&mut self, x: usize, actual: u32) {
        for n in 0..self.waiting.len() {
            let question = self.waiting[n];
            self.learn(&question, question.candidate == actual);
        }
        self.waiting.clear();
        self.pixels[NOW * self.stride + PAD + x] = actual;
        let (remembered, times) = &mut self.memory[self.place];
        if *remembered == actual {
            *times = (*times + 1).min(15);
        } else if *times > 1 {
            *times /= 2;
        } else {
            (*remembered, *times) = (actual, 1);
        }
    }

    #[inline(always)]
    fn around(&self, i: usize) -> Around {
        let (p, s) = (&self.pixels, self.stride);
        let (w, ww, n, nn) = (p[i - 1], p[i - 2], p[i - s], p[i - 2 * s]);
        let (nw, ne) = (p[i - s - 1], p[i - s + 1]);
        let j = i + (BEFORE - NOW) * s;
        let (before, before_w, below) = (p[j], p[j - 1], p[j + s]);
        let bits = |flags: &[bool]| {
            flags
                .iter()
                .fold(0, |sum, &bit| sum << 1 | usize::from(bit))
        };
        Around {
            w,
            n,
            nw,
            ne,
            ww,
            nn,
            before,
            still: bits(&[before == NONE, before_w == w, before == n, below == before]),
            pattern: bits(&[
                w == n,
                w == nw,
                n == ne,
                n == nw,
                w == ww,
                n == nn,
                before == w,
                before == n,
            ]),
        }
    }

    #[inline(always)]
    fn ask(
        &self,
        k: usize,
        candidate: u32,
        around: &Around,
        (remembered, times): (u32, u8),
        activity: usize,
    ) -> Question {
        let same =
            usize::from(candidate == around.before) | usize::from(candidate == remembered) << 1;
        let at = [
            (around.pattern * 4 + same) * CANDIDATES + k,
            hash(&[candidate, around.w, around.n, k as u32]),
            ((usize::from(times) * 16 + around.still) * 4 + same) * CANDIDATES + k,
            ((activity * 4 + same) * 16 + around.still) * CANDIDATES + k,
        ];
        let mut stretched = [0.0; INPUTS];
        for n in 0..INPUTS {
            stretched[n] = self.tables.stretch(self.cell(n, at[n]));
        }
        let mix = k * 32 + activity;
        let w = &self.mix[mix];
        let sum = (w[0] * stretched[0] + w[1] * stretched[1])
            + (w[2] * stretched[2] + w[3] * stretched[3]);
        Question {
            candidate,
            at,
            stretched,
            mix,
            chance: self.tables.squash(sum),
        }
    }

    #[inline(always)]
    fn cell(&self, n: usize, at: usize) -> Cell {
        self.cells[n * 16 + (at >> 12 & 15)][at & 4095]
    }

    #[inline(always)]
    fn learn(&mut self, question: &Question, hit: bool) {
        let target = if hit { 65536.0 } else { 0.0 };
        let error = (target - question.chance as f32) * MIX_RATE;
        let weights = &mut self.mix[question.mix];
        for (n, &at) in question.at.iter().enumerate() {
            weights[n] += error * question.stretched[n];
            let cell = &mut self.cells[n * 16 + (at >> 12 & 15)][at & 4095];
            cell.learn(self.tables, hit, 250);
        }
    }
}

/// Sixteen bits of some pixels.
#[inline(always)]
fn hash(pixels: &[u32]) -> usize {
    let sum = pixels.iter().fold(0u64, |sum, &p| {
        (sum ^ u64::from(p))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(23)
    });
    (sum.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 48) as usize
}

const _: () = assert!(ABOVE == ABOVE2 + 1 && NOW == ABOVE + 1);

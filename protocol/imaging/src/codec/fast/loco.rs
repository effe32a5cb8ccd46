//! LOCO-I (Weinberger, Seroussi, Sapiro 2000; ISO/IEC 14495-1 without its container): the median
//! predictor, its bias cancelled by the context of three gradients, Golomb codes, and runs.
use super::bits::Bits;

/// Run lengths, as powers of two, by how well runs did.
const RUNS: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];
const FORGET: i32 = 64;

/// The statistics of one context.
#[derive(Clone, Copy)]
struct Context {
    magnitude: i32,
    bias: i32,
    correction: i32,
    count: i32,
}

pub(super) struct Loco {
    max: i32,
    /// Gradient by its value + 65535: -4..=4.
    steps: Vec<i8>,
    contexts: Vec<Context>,
    ends: [Context; 2],
    run: usize,
    /// The row above and the current one, with one sample of padding on both sides.
    above: Vec<i32>,
    now: Vec<i32>,
}

impl Loco {
    pub(super) fn new(width: usize, max: u16) -> Self {
        let max = i32::from(max);
        let new = Context {
            magnitude: ((max + 33) / 64).max(2),
            bias: 0,
            correction: 0,
            count: 1,
        };
        let factor = (max.min(4095) + 128) / 256;
        let limits = if max >= 128 {
            [1, factor + 2, factor * 4 + 3, factor * 17 + 4]
        } else {
            [1, 2, 3, 4]
        };
        let step = |difference: i32| {
            let size = limits
                .iter()
                .filter(|&&limit| difference.abs() >= limit)
                .count() as i8;
            if difference < 0 { -size } else { size }
        };
        Self {
            max,
            steps: (-65535..=65535).map(step).collect(),
            contexts: vec![new; 365],
            ends: [new; 2],
            run: 0,
            above: vec![0; width + 2],
            now: vec![0; width + 2],
        }
    }

    /// Codes one row of samples in `0..=max`.
    pub(super) fn row<B: Bits>(&mut self, bits: &mut B, samples: &mut [u16]) {
        let width = samples.len();
        self.now[0] = self.above[1];
        self.above[width + 1] = self.above[width];
        let mut x = 0;
        while x < width {
            let (w, nw, n, ne) = (
                self.now[x],
                self.above[x],
                self.above[x + 1],
                self.above[x + 2],
            );
            if ne == n && n == nw && nw == w {
                x = self.run(bits, samples, x);
                if x == width {
                    break;
                }
                self.end_of_run(bits, samples, x);
            } else {
                let value = self.regular(bits, i32::from(samples[x]), [w, nw, n, ne]);
                samples[x] = value as u16;
                self.now[x + 1] = value;
            }
            x += 1;
        }
        std::mem::swap(&mut self.above, &mut self.now);
    }

    #[inline(always)]
    fn step(&self, difference: i32) -> i32 {
        i32::from(self.steps[difference.wrapping_add(65535) as usize])
    }

    #[inline(always)]
    fn regular<B: Bits>(&mut self, bits: &mut B, value: i32, near: [i32; 4]) -> i32 {
        let [w, nw, n, ne] = near;
        let index = self.step(ne.wrapping_sub(n)).wrapping_mul(81)
            + self.step(n.wrapping_sub(nw)).wrapping_mul(9)
            + self.step(nw.wrapping_sub(w));
        let negative = index < 0;
        let max = self.max;
        let context = &mut self.contexts[index.unsigned_abs() as usize];
        let (low, high) = if w < n { (w, n) } else { (n, w) };
        let median = if nw >= high {
            low
        } else if nw <= low {
            high
        } else {
            w.wrapping_add(n).wrapping_sub(nw)
        };
        let correction = if negative {
            -context.correction
        } else {
            context.correction
        };
        let guess = median.wrapping_add(correction).clamp(0, max);
        let shift = context.shift(context.magnitude);
        // With shift 0 and a negative bias the code of e and -1 - e change places.
        let inverted = shift == 0 && 2 * context.bias <= -context.count;
        let mut code = 0;
        if !B::DECODES {
            let error = value.wrapping_sub(guess);
            let error = if negative {
                error.wrapping_neg()
            } else {
                error
            };
            let error = if inverted { !error } else { error };
            code = ((error << 1) ^ (error >> 31)) as u32;
        }
        let code = bits.golomb(shift, code);
        let error = (code >> 1) as i32 ^ -((code & 1) as i32);
        let error = if inverted { !error } else { error };
        context.learn(error);
        if !B::DECODES {
            return value;
        }
        guess
            .wrapping_add(if negative {
                error.wrapping_neg()
            } else {
                error
            })
            .clamp(0, max)
    }

    /// Samples equal to the one on the left; where the run ends.
    fn run<B: Bits>(&mut self, bits: &mut B, samples: &mut [u16], start: usize) -> usize {
        let value = self.now[start];
        let width = samples.len();
        let same = samples[start..]
            .iter()
            .take_while(|&&s| i32::from(s) == value)
            .count();
        let mut at = start;
        let end = loop {
            let whole = 1 << RUNS[self.run];
            let reaches = !B::DECODES && start + same >= (at + whole).min(width);
            if bits.bits(1, u32::from(reaches)) == 1 {
                at = (at + whole).min(width);
                if at == width {
                    break width;
                }
                self.run = (self.run + 1).min(31);
            } else {
                let rest = (start + same).saturating_sub(at) as u32;
                let rest = bits.bits(RUNS[self.run], rest & ((1 << RUNS[self.run]) - 1));
                break (at + rest as usize).min(width - 1);
            }
        };
        self.now[start + 1..=end].fill(value);
        samples[start..end].fill(value as u16);
        end
    }

    /// The sample that broke a run.
    fn end_of_run<B: Bits>(&mut self, bits: &mut B, samples: &mut [u16], x: usize) {
        let (w, n) = (self.now[x], self.above[x + 1]);
        let same = w == n;
        let context = &mut self.ends[usize::from(same)];
        let negative = !same && w > n;
        let guess = if same { w } else { n };
        let half = if same { context.count >> 1 } else { 0 };
        let shift = context.shift(context.magnitude.wrapping_add(half));
        let mut code = 0;
        if !B::DECODES {
            let error = i32::from(samples[x]).wrapping_sub(guess);
            let error = if negative {
                error.wrapping_neg()
            } else {
                error
            };
            code = ((error << 1) ^ (error >> 31)) as u32;
        }
        let code = bits.golomb(shift, code);
        let error = (code >> 1) as i32 ^ -((code & 1) as i32);
        context.learn(error);
        if B::DECODES {
            let error = if negative {
                error.wrapping_neg()
            } else {
                error
            };
            samples[x] = guess.wrapping_add(error).clamp(0, self.max) as u16;
        }
        self.now[x + 1] = i32::from(samples[x]);
        self.run = self.run.saturating_sub(1);
    }
}

impl Context {
    /// The Golomb parameter: the smallest with count << shift >= magnitude.
    #[inline(always)]
    fn shift(&self, magnitude: i32) -> u32 {
        let (count, magnitude) = (self.count as u32, magnitude as u32);
        let guess = count
            .leading_zeros()
            .saturating_sub(magnitude.leading_zeros());
        if count << guess < magnitude {
            guess.wrapping_add(1)
        } else {
            guess
        }
        .min(16)
    }

    #[inline(always)]
    fn learn(&mut self, error: i32) {
        self.bias = self.bias.wrapping_add(error);
        self.magnitude = self.magnitude.wrapping_add(error.wrapping_abs());
        if self.count == FORGET {
            self.magnitude >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count = self.count.wrapping_add(1);
        if self.bias <= -self.count {
            self.bias = self.bias.wrapping_add(self.count).max(1 - self.count);
            self.correction = (self.correction.wrapping_sub(1)).max(-128);
        } else if self.bias > 0 {
            self.bias = self.bias.wrapping_sub(self.count).min(0);
            self.correction = (self.correction.wrapping_add(1)).min(127);
        }
    }
}

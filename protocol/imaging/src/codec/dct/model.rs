//! Coefficients under contexts of their neighbours, of the frame before and of the picture's own
//! continuity across the edges of blocks.
use super::jpeg::{Block, VALUE_MAX, ZIGZAG};
use super::mix::{INPUTS, Mix, NODES, places};
use crate::codec::range::Coder;

/// What surrounds a block.
pub(super) struct Around<'a> {
    pub(super) left: Option<&'a Block>,
    pub(super) above: Option<&'a Block>,
    pub(super) corner: Option<&'a Block>,
    /// The same place in the frame before.
    pub(super) before: Option<&'a Block>,
    /// The same place of the component before.
    pub(super) other: Option<&'a Block>,
    /// Which of W, N, NE, the component before, and the same place a frame before repeated theirs.
    pub(super) still: usize,
    /// 0 for the first component, 1 for others.
    pub(super) class: usize,
    pub(super) steps: &'a [i64; 64],
}

#[derive(Clone)]
pub(super) struct Model {
    mix: Mix,
}

const UNARY_MAX: u32 = 12;
/// Node 0 of a coefficient says whether it is zero; from node 2 on stands its unary magnitude.
const UNARY: usize = 2;
/// Kinds of decisions, each with contexts of its own.
const STILL: usize = 0;
const COUNT: usize = 1;
const INNER: usize = 2;
const EDGE: usize = 3;
const FLAT: usize = 4;

impl Model {
    pub(super) fn new() -> Self {
        Self { mix: Mix::new() }
    }

    /// Codes one block. Returns whether it is the one of the frame before.
    pub(super) fn code<K: Coder>(
        &mut self,
        coder: &mut K,
        block: &mut Block,
        around: &Around<'_>,
    ) -> bool {
        if let Some(before) = around.before {
            let base = around.still << 1 | around.class;
            let contexts = [
                base,
                around.still & 7,
                around.still >> 3,
                around.class,
                0,
                0,
                0,
            ];
            let still = *block == *before;
            if self.mix.code(coder, &places(STILL, &contexts), 0, 0, still) {
                *block = *before;
                return true;
            }
        }
        let mut seen = Seen::new(around);
        self.inner(coder, block, around, &mut seen);
        for (step, other) in [(1, 8), (8, 1)] {
            self.edge(coder, block, around, &mut seen, (step, other));
        }
        self.flat(coder, block, around, &seen);
        false
    }

    /// The 7 x 7 coefficients that are no edge: how many there are, then these.
    fn inner<K: Coder>(
        &mut self,
        coder: &mut K,
        block: &mut Block,
        around: &Around<'_>,
        seen: &mut Seen,
    ) {
        let inner = |b: &Block| (9..64).filter(|i| is_inner(*i) && b[*i] != 0).count();
        let [w, n, p, o] = around.all().map(|b| b.map_or(0, inner));
        let contexts = [
            (w + n) / 2,
            p << 1 | usize::from(around.before.is_some()),
            w.min(31) << 5 | n.min(31),
            o,
            (p << 6) | ((w + n) / 2),
            (around.still << 3) | ((w + n + 3) / 8),
            o << 6 | p,
        ];
        let actual = inner(block);
        let count = self.number(coder, COUNT, around, &contexts, 6, actual);
        seen.inner = count;
        let mut left = count;
        for (n, &at) in ZIGZAG.iter().enumerate().filter(|(_, at)| is_inner(**at)) {
            if left == 0 {
                break;
            }
            let close = [at - 1, at - 8, at - 9];
            let close = close.iter().filter(|i| is_inner(**i));
            let close = close.map(|i| u32::from(block[*i].unsigned_abs())).sum();
            let contexts = around.contexts(at, n, (left, size(close)), seen);
            let value = self.value(coder, INNER, at, &contexts, around.signs(at), block[at]);
            block[at] = value;
            left -= usize::from(value != 0);
            seen.note(around, at, value);
        }
    }

    /// The seven coefficients of one edge of the block, across (`step` 1) or down (8).
    fn edge<K: Coder>(
        &mut self,
        coder: &mut K,
        block: &mut Block,
        around: &Around<'_>,
        seen: &mut Seen,
        (step, other): (usize, usize),
    ) {
        let kind = EDGE + 2 * usize::from(step == 8);
        let edge = |b: &Block| (1..8).filter(|i| b[i * step] != 0).count();
        let [w, n, p, o] = around.all().map(|b| b.map_or(0, edge));
        let contexts = [
            w << 3 | n,
            p << 3 | seen.inner.min(7),
            seen.inner,
            o << 3 | p,
            (w + n) << 6 | seen.inner,
            around.still << 3 | p,
            p << 6 | n << 3 | w,
        ];
        let count = self.number(coder, kind, around, &contexts, 3, edge(block));
        let mut left = count;
        for k in 1..8 {
            if left == 0 {
                break;
            }
            let at = k * step;
            let guess = around.continued(block, k, (step, other));
            let mut contexts = around.contexts(at, k, (left, size(guess.unsigned_abs())), seen);
            contexts[4] = (guess.clamp(-31, 31) + 31) as usize;
            let signs = (guess.signum() + 1) as usize * 9 + around.signs(at) % 9;
            let value = self.value(coder, kind, at, &contexts, signs, block[at]);
            block[at] = value;
            left -= usize::from(value != 0);
            seen.note(around, at, value);
        }
    }

    /// The mean of the block, by what the edges of its neighbours go on to.
    fn flat<K: Coder>(
        &mut self,
        coder: &mut K,
        block: &mut Block,
        around: &Around<'_>,
        seen: &Seen,
    ) {
        let above = around.above.map(|_| around.continued(block, 0, (1, 8)));
        let left = around.left.map(|_| around.continued(block, 0, (8, 1)));
        let before = around.before.map(|b| i32::from(b[0]));
        let (guess, spread) = match (above, left) {
            (Some(a), Some(l)) => ((a + l) / 2, a - l),
            (Some(one), None) | (None, Some(one)) => (one, 63),
            (None, None) => (before.unwrap_or(0), 127),
        };
        let guess = guess.clamp(-2047, 2047);
        let same = before.map_or(32, |b| (b - guess).clamp(-31, 31)) + 32;
        let quiet = size(seen.changed).min(7) as i32;
        let contexts = [
            size(spread.unsigned_abs()) * 8 + seen.inner.min(7),
            (same * 8 + quiet) as usize,
            (spread.clamp(-60, 60) + 60) as usize,
            same as usize,
            seen.inner,
            size(spread.unsigned_abs()) * 8 + quiet as usize,
            around.still,
        ];
        let value = i32::from(block[0]) - guess;
        let signs = (same - 32).signum() + 1 + 3 * (spread.signum() + 1);
        let value = value.clamp(-2 * VALUE_MAX, 2 * VALUE_MAX) as i16;
        let value = self.value(coder, FLAT, around.class, &contexts, signs as usize, value);
        block[0] = (i32::from(value) + guess).clamp(-VALUE_MAX, VALUE_MAX) as i16;
    }

    /// A small number, its high bits first.
    fn number<K: Coder>(
        &mut self,
        coder: &mut K,
        kind: usize,
        around: &Around<'_>,
        contexts: &[usize; INPUTS],
        bits: u32,
        value: usize,
    ) -> usize {
        let mut node = 1;
        for bit in (0..bits).rev() {
            // Four bits lie side by side, what is below them as well.
            let group = if node < NODES { 0 } else { node };
            let place = (8 + kind) << 8 | group << 1 | around.class;
            let one = value >> bit & 1 == 1;
            let within = if node < NODES { node } else { 0 };
            let one = self
                .mix
                .code(coder, &places(place, contexts), within, kind, one);
            node = node << 1 | usize::from(one);
        }
        node - (1 << bits)
    }

    /// Zero, sign, magnitude.
    fn value<K: Coder>(
        &mut self,
        coder: &mut K,
        kind: usize,
        at: usize,
        contexts: &[usize; INPUTS],
        signs: usize,
        value: i16,
    ) -> i16 {
        let place = 4096 | kind << 6 | at;
        let here = places(place, contexts);
        let mixed = |node: usize| kind * NODES + node;
        if self.mix.code(coder, &here, 0, mixed(0), value == 0) {
            return 0;
        }
        let sign = [signs, contexts[6], 0, 0, signs, contexts[4], contexts[1]];
        let sign = places(place | 8192, &sign);
        let negative = self.mix.code(coder, &sign, 0, mixed(1), value < 0);
        let size = u32::from(value.unsigned_abs()).wrapping_sub(1);
        let mut unary = 0;
        while unary < UNARY_MAX {
            let node = UNARY + unary as usize;
            if !self.mix.code(coder, &here, node, mixed(node), size > unary) {
                break;
            }
            unary += 1;
        }
        let size = if unary == UNARY_MAX {
            self.escape(coder, size.wrapping_sub(UNARY_MAX))
                .wrapping_add(UNARY_MAX)
        } else {
            unary
        };
        let size = size.wrapping_add(1).min(2 * VALUE_MAX as u32) as i16;
        if negative { -size } else { size }
    }

    /// Elias gamma of `over` and one.
    #[cold]
    fn escape<K: Coder>(&mut self, coder: &mut K, over: u32) -> u32 {
        let over = over.wrapping_add(1).max(1);
        let bits = 31 - over.leading_zeros();
        let mut count = 0;
        while count < 14 && self.mix.escape(coder, count as usize, bits > count) {
            count += 1;
        }
        let rest = coder.raw(count, over & ((1 << count) - 1));
        (1 << count | rest) - 1
    }
}

/// What this block has shown so far.
struct Seen {
    inner: usize,
    /// Differences from the frame before.
    changed: u32,
    looks: bool,
}

impl Seen {
    fn new(around: &Around<'_>) -> Self {
        Self {
            inner: 0,
            changed: 0,
            looks: around.before.is_some(),
        }
    }

    fn note(&mut self, around: &Around<'_>, at: usize, value: i16) {
        if let Some(before) = around.before {
            self.changed += u32::from(before[at].abs_diff(value));
        }
    }
}

/// Neither in the first row of a block nor in its first column.
fn is_inner(at: usize) -> bool {
    at > 8 && at & 7 != 0
}

/// 0, 1, 2, 3, 4, then by octaves: below 16.
fn size(n: u32) -> usize {
    match n {
        0..4 => n as usize,
        _ => (34 - n.leading_zeros()).min(15) as usize,
    }
}

impl Around<'_> {
    fn all(&self) -> [Option<&Block>; 4] {
        [self.left, self.above, self.before, self.other]
    }

    /// The contexts of a coefficient; `n` is its number in its run.
    fn contexts(
        &self,
        at: usize,
        n: usize,
        (left, close): (usize, usize),
        seen: &Seen,
    ) -> [usize; INPUTS] {
        let value = |b: Option<&Block>| b.map_or(0, |b| i32::from(b[at]));
        let [w, n0, p, o] = self.all().map(value);
        let (a, b, c) = (
            w.unsigned_abs(),
            n0.unsigned_abs(),
            value(self.corner).unsigned_abs(),
        );
        let near = size((13 * (a + b) + 6 * c) >> 4);
        let before = (p.clamp(-15, 15) + 15) as usize;
        let quiet = size(seen.changed).min(7) << 1 | usize::from(seen.looks);
        let left = left.min(15);
        [
            near << 4 | left,
            before << 4 | quiet,
            size(a) << 8 | size(b) << 4 | size(p.unsigned_abs()),
            close << 8 | near << 4 | size(p.unsigned_abs()),
            left << 8 | n.min(63) << 2 | near.min(3),
            size(o.unsigned_abs()) << 8 | near << 4 | close,
            before << 8 | near << 4 | close,
        ]
    }

    /// The signs of this coefficient around.
    fn signs(&self, at: usize) -> usize {
        let sign = |b: Option<&Block>| b.map_or(1, |b| (b[at].signum() + 1) as usize);
        sign(self.left) + 3 * sign(self.above) + 9 * sign(self.before)
    }

    /// The coefficient at `k * step` with which the picture goes on across the edge to the
    /// neighbour: on the common edge the sums over the other direction are the same.
    fn continued(&self, block: &Block, k: usize, (step, other): (usize, usize)) -> i32 {
        let neighbour = if step == 1 { self.above } else { self.left };
        let Some(neighbour) = neighbour else { return 0 };
        let at = |v: usize| k * step + v * other;
        let of = |b: &Block, v: usize| i64::from(b[at(v)]) * self.steps[at(v)];
        // The mean counts 0.7071 times, here in 256ths (T.81 A.3.3).
        let mut sum = 181 * of(neighbour, 0);
        for v in 1..8 {
            let there = of(neighbour, v);
            sum += 256 * (if v & 1 == 1 { -there } else { there } - of(block, v));
        }
        let whole = 181 * self.steps[at(0)];
        let half = if sum < 0 { -whole / 2 } else { whole / 2 };
        ((sum + half) / whole).clamp(-4000, 4000) as i32
    }
}

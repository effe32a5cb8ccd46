//! The planes of one picture, row by row through its frames.
use super::history::{FRAME_MAX, History};
use super::hits::Hits;
use super::window::{BEFORE, BEFORE2};
use super::{Model, Row, Setup};
use crate::codec::map::Map;
use crate::codec::range::Coder;

/// `P` planes side by side: 1 for gray, 3 for colour.
#[derive(Clone)]
pub(crate) struct Stack<const P: usize, const G: usize, const H: usize, const C: usize> {
    size: Size,
    planes: Vec<Plane<G, H, C>>,
    hits: Option<Box<Hits>>,
    /// The next row within its frame.
    row: usize,
    frames: usize,
}

/// A frame's size in samples of one plane.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Size {
    fn is_kept(self) -> bool {
        self.columns * self.rows <= FRAME_MAX
    }
}

#[derive(Clone)]
struct Plane<const G: usize, const H: usize, const C: usize> {
    model: Model<G, H, C>,
    history: History,
}

/// How a part is coded.
#[derive(Clone, Copy)]
pub(crate) struct Cast<'a> {
    /// Predict from earlier frames too.
    pub(crate) frames: bool,
    /// Samples mapped to 0 are padding.
    pub(crate) mask: bool,
    /// From samples to the numbers that are coded, per plane.
    pub(crate) maps: &'a [Map],
}

impl<const P: usize, const G: usize, const H: usize, const C: usize> Stack<P, G, H, C> {
    /// `row` is the frame's row that comes first.
    pub(crate) fn new(setup: Setup, size: Size, row: usize, with_hits: bool) -> Self {
        let skipped = if size.is_kept() {
            size.columns * row
        } else {
            0
        };
        let plane = Plane {
            model: Model::new(setup, size.columns),
            history: History::new(skipped),
        };
        let hits = with_hits.then(|| Box::new(Hits::new(size.columns)));
        Self {
            size,
            planes: vec![plane; P],
            hits,
            row,
            frames: 0,
        }
    }

    /// The next row within its frame.
    pub(crate) fn row(&self) -> usize {
        self.row
    }

    /// Whether any of the next `rows` rows has an earlier frame to look at.
    pub(crate) fn has_choice(&self, rows: usize) -> bool {
        self.size.is_kept() && (self.frames > 0 || self.row + rows > self.size.rows)
    }

    /// Codes whole rows of numbers, the same count in each plane.
    pub(crate) fn code<K: Coder>(
        &mut self,
        coder: &mut K,
        numbers: &mut [Vec<u16>; P],
        cast: &Cast<'_>,
    ) {
        let width = self.size.columns;
        let forward: Vec<Vec<u16>> = cast.maps.iter().map(Map::forward).collect();
        for n in 0..numbers[0].len() / width {
            let looks = cast.frames && self.frames > 0;
            self.start_row(cast, &forward, looks, n == 0);
            let range = n * width..(n + 1) * width;
            self.code_row(coder, numbers, range.clone(), cast, looks);
            self.end_row(numbers, range, cast);
        }
    }

    fn start_row(&mut self, cast: &Cast<'_>, forward: &[Vec<u16>], looks: bool, first: bool) {
        let Size { columns, rows } = self.size;
        let row = self.row;
        for (plane, forward) in self.planes.iter_mut().zip(forward) {
            plane.model.use_frames(looks);
            if looks && (row == 0 || first) {
                plane.model.window.clear_before();
                plane.push_before(row.saturating_sub(1), columns, forward, cast.mask);
                plane.push_before(row, columns, forward, cast.mask);
            }
            if looks {
                plane.push_before((row + 1).min(rows - 1), columns, forward, cast.mask);
            }
            if row == 0 {
                plane.model.window.start_frame(looks);
            }
        }
        let (kept, width) = (self.frames > 0, self.size.columns);
        if let Some(hits) = &mut self.hits {
            if row == 0 {
                hits.start_frame();
            }
            let pixels = |row: usize| -> Vec<u32> {
                let at = row * width;
                let samples = |x| self.planes.iter().map(move |p| p.history.before[at + x]);
                let numbers = |x| samples(x).zip(forward).map(|(s, f)| f[usize::from(s)]);
                let packed = |x| pack(numbers(x));
                (0..width).map(packed).collect()
            };
            let before = kept.then(|| (pixels(row), pixels((row + 1).min(rows - 1))));
            hits.start_row(before.as_ref().map(|(a, b)| (a.as_slice(), b.as_slice())));
        }
    }

    fn code_row<K: Coder>(
        &mut self,
        coder: &mut K,
        numbers: &mut [Vec<u16>; P],
        range: std::ops::Range<usize>,
        cast: &Cast<'_>,
        looks: bool,
    ) {
        let width = self.size.columns;
        let at = self.row * width;
        let below = (self.row + 1).min(self.size.rows - 1) * width;
        let max: [f32; P] = std::array::from_fn(|p| f32::from(cast.maps[p].max()));
        let block = self.planes[0].model.block();
        let Self { planes, hits, .. } = self;
        planes.iter_mut().for_each(|p| p.model.start_row());
        for (b, start) in (0..width).step_by(block).enumerate() {
            planes.iter_mut().for_each(|p| p.model.start_block(b));
            for x in start..(start + block).min(width) {
                let i = range.start + x;
                if let Some(hits) = hits
                    && hit(hits, planes, coder, numbers, (x, i))
                {
                    continue;
                }
                for (p, numbers) in numbers.iter_mut().enumerate() {
                    let (done, rest) = planes.split_at_mut(p);
                    let Some(plane) = rest.first_mut() else {
                        continue;
                    };
                    let cross = std::array::from_fn(|d| done.get(d).map(|q| q.model.seen_at(x)));
                    let errors = &plane.history.errors;
                    let before =
                        looks.then(|| (&errors[at..at + width], &errors[below..below + width]));
                    let row = Row {
                        max: max[p],
                        mask: cast.mask,
                        before,
                        cross,
                    };
                    plane.model.sample(coder, x, &mut numbers[i], &row);
                }
                if let Some(hits) = hits {
                    hits.settle(x, pack(numbers.iter().map(|n| n[i])));
                }
            }
            planes.iter_mut().for_each(|p| p.model.end_block());
        }
        planes.iter_mut().for_each(|p| p.model.end_row(width));
    }

    fn end_row(&mut self, numbers: &[Vec<u16>; P], range: std::ops::Range<usize>, cast: &Cast<'_>) {
        let kept = self.size.is_kept();
        for ((plane, numbers), map) in self.planes.iter_mut().zip(numbers).zip(cast.maps) {
            if kept {
                let samples = numbers[range.clone()].iter().map(|&n| map.back(n));
                let errors = plane.model.errors.row(self.size.columns);
                plane.history.push(samples, errors);
            }
            plane.model.errors.next_row();
        }
        if let Some(hits) = &mut self.hits {
            hits.end_row();
        }
        self.row += 1;
        if self.row == self.size.rows {
            self.row = 0;
            if kept {
                self.frames += 1;
                self.planes.iter_mut().for_each(|p| p.history.turn());
            }
        }
    }

    /// Bytes of memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        let frame = if self.size.is_kept() {
            self.size.columns * self.size.rows * 10
        } else {
            0
        };
        P * (frame + (C << 18) + self.size.columns * 1024) + (1 << 21)
    }
}

impl<const G: usize, const H: usize, const C: usize> Plane<G, H, C> {
    fn push_before(&mut self, row: usize, columns: usize, forward: &[u16], mask: bool) {
        let range = row * columns..(row + 1) * columns;
        let mapped = |frame: &[u16]| -> Vec<u16> {
            frame[range.clone()]
                .iter()
                .map(|&v| forward[usize::from(v)])
                .collect()
        };
        let (before, before2) = (mapped(&self.history.before), mapped(&self.history.before2));
        self.model.window.push_before(BEFORE + 1, 3, &before, mask);
        self.model
            .window
            .push_before(BEFORE2 + 1, 2, &before2, mask);
    }
}

/// Codes a pixel as one of its candidates, if it is one.
#[inline(always)]
fn hit<K: Coder, const P: usize, const G: usize, const H: usize, const C: usize>(
    hits: &mut Hits,
    planes: &mut [Plane<G, H, C>],
    coder: &mut K,
    numbers: &mut [Vec<u16>; P],
    (x, i): (usize, usize),
) -> bool {
    let actual = pack(numbers.iter().map(|n| n[i]));
    let activity = planes[0].model.errors.around(x);
    let Some(pixel) = hits.code(coder, x, actual, activity) else {
        return false;
    };
    for (p, (plane, numbers)) in planes.iter_mut().zip(numbers).enumerate() {
        numbers[i] = unpack::<P>(pixel, p);
        plane.model.hit(x, numbers[i]);
    }
    true
}

/// A pixel of one plane as it is, of three planes in ten bits each.
#[inline(always)]
fn pack(samples: impl Iterator<Item = u16>) -> u32 {
    samples
        .enumerate()
        .fold(0, |sum, (p, sample)| sum | u32::from(sample) << (10 * p))
}

#[inline(always)]
fn unpack<const P: usize>(pixel: u32, plane: usize) -> u16 {
    if P == 1 {
        pixel as u16
    } else {
        (pixel >> (10 * plane) & 1023) as u16
    }
}

//! Codec `COLOUR`: native 8-bit pixels of three samples, frame after frame.
use super::map::Map;
use super::model::{BEST, Cast, MID, Size, Stack};
use super::range::{Coder, Decoder, Encoder};
use super::{Corrupt, varint};
use crate::part::Level;
use crate::plan::Pixels;

const SIDE_MAX: u32 = 1 << 16;
/// Differences of two samples, moved up so that none is negative.
const ZERO: u16 = 255;

/// Flags of a part's first byte.
const FRAMES: u8 = 1;
const STARTS: u8 = 2;
const PLANAR: u8 = 4;

/// What a part leaves to the next one: the models and the last frames.
#[derive(Clone)]
pub(crate) struct Colour {
    shape: Shape,
    engine: Engine,
    /// Whether earlier frames help predictions: decided when there is first one.
    frames: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    size: Size,
    best: bool,
    /// Code R - G and B - G instead of R and B.
    differences: bool,
}

#[derive(Clone)]
enum Engine {
    Mid(Box<Stack<3, 6, 7, 1>>),
    Best(Box<Stack<3, 8, 9, 8>>),
}

type Planes = [Vec<u16>; 3];

pub(crate) fn encode(
    raw: &[u8],
    pixels: &Pixels,
    first_row: u32,
    level: Level,
    state: Option<&Colour>,
) -> Option<Vec<u8>> {
    let size = Size {
        columns: pixels.columns as usize,
        rows: pixels.rows as usize,
    };
    let shape = Shape {
        size,
        best: level == Level::Best,
        differences: !pixels.luma,
    };
    let fresh;
    let start = match state {
        Some(state) if state.shape == shape && state.engine.row() == first_row as usize => state,
        Some(_) => return None,
        None => {
            fresh = Colour::new(shape, first_row as usize);
            &fresh
        }
    };
    let rows = whole_rows(raw.len(), size, pixels.planar);
    if rows == 0 {
        return None;
    }
    let modes: &[bool] = match start.frames {
        _ if !start.has_choice(rows) => &[false],
        Some(true) => &[true],
        Some(false) => &[false],
        None => &[false, true],
    };
    let attempts = modes.iter().map(|&frames| {
        start
            .clone()
            .encode(raw, rows, frames, state.is_none(), pixels.planar)
    });
    attempts.min_by_key(Vec::len)
}

pub(crate) fn decode(
    packed: &[u8],
    raw_len: usize,
    state: Option<Colour>,
) -> Result<(Vec<u8>, Colour), Corrupt> {
    let mut stream = packed;
    let (&flags, rest) = stream.split_first().ok_or(Corrupt)?;
    stream = rest;
    let mut colour = match (state, flags & STARTS != 0) {
        (Some(colour), false) => colour,
        (None, true) => Colour::take(&mut stream)?,
        _ => return Err(Corrupt),
    };
    let planar = flags & PLANAR != 0;
    let Shape {
        size, differences, ..
    } = colour.shape;
    let rows = whole_rows(raw_len, size, planar);
    if rows == 0 {
        return Err(Corrupt);
    }
    let tail_len = raw_len - rows * size.columns * 3;
    let (tail, stream) = stream.split_at_checked(tail_len).ok_or(Corrupt)?;
    let mut coder = Decoder::new(stream)?;
    let mut planes = [(); 3].map(|()| vec![0; rows * size.columns]);
    colour.code(&mut coder, &mut planes, flags & FRAMES != 0);
    let mut raw = join(&planes, size, planar, differences);
    raw.extend_from_slice(tail);
    Ok((raw, colour))
}

/// Rows that a part can be coded in: whole frames only when planes follow each other.
fn whole_rows(len: usize, size: Size, planar: bool) -> usize {
    let rows = len / (size.columns * 3);
    if planar {
        rows - rows % size.rows
    } else {
        rows
    }
}

impl Colour {
    fn new(shape: Shape, row: usize) -> Self {
        let engine = if shape.best {
            Engine::Best(Box::new(Stack::new(BEST, shape.size, row, true)))
        } else {
            Engine::Mid(Box::new(Stack::new(MID, shape.size, row, true)))
        };
        Self {
            shape,
            engine,
            frames: None,
        }
    }

    /// columns | rows | row of the first pixel | engine
    fn put(&self, to: &mut Vec<u8>) {
        varint::put(to, self.shape.size.columns as u64);
        varint::put(to, self.shape.size.rows as u64);
        varint::put(to, self.engine.row() as u64);
        to.push(u8::from(self.shape.best) | u8::from(self.shape.differences) << 1);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Corrupt> {
        let columns = varint::take_u32(from, SIDE_MAX)?.max(1) as usize;
        let rows = varint::take_u32(from, SIDE_MAX)?.max(1);
        let row = varint::take_u32(from, rows - 1)? as usize;
        let (&engine, rest) = from.split_first().ok_or(Corrupt)?;
        *from = rest;
        let size = Size {
            columns,
            rows: rows as usize,
        };
        let (best, differences) = (engine & 1 != 0, engine & 2 != 0);
        Ok(Self::new(
            Shape {
                size,
                best,
                differences,
            },
            row,
        ))
    }

    fn has_choice(&self, rows: usize) -> bool {
        match &self.engine {
            Engine::Mid(stack) => stack.has_choice(rows),
            Engine::Best(stack) => stack.has_choice(rows),
        }
    }

    fn encode(
        mut self,
        raw: &[u8],
        rows: usize,
        frames: bool,
        starts: bool,
        planar: bool,
    ) -> Vec<u8> {
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let mut out = vec![flag(frames, FRAMES) | flag(starts, STARTS) | flag(planar, PLANAR)];
        if starts {
            self.put(&mut out);
        }
        let Shape {
            size, differences, ..
        } = self.shape;
        let (pixels, tail) = raw.split_at(rows * size.columns * 3);
        out.extend_from_slice(tail);
        let mut planes = split(pixels, size, planar, differences);
        let mut coder = Encoder::new();
        self.code(&mut coder, &mut planes, frames);
        coder.finish(&mut out);
        out
    }

    fn code<K: Coder>(&mut self, coder: &mut K, planes: &mut Planes, frames: bool) {
        if self.has_choice(planes[0].len() / self.shape.size.columns) {
            self.frames = Some(frames);
        }
        let side = if self.shape.differences {
            2 * ZERO
        } else {
            ZERO
        };
        let maps = [ZERO, side, side].map(Map::identity);
        let cast = Cast {
            frames,
            mask: false,
            maps: &maps,
        };
        match &mut self.engine {
            Engine::Mid(stack) => stack.code(coder, planes, &cast),
            Engine::Best(stack) => stack.code(coder, planes, &cast),
        }
    }

    /// Bytes of memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        match &self.engine {
            Engine::Mid(stack) => stack.weight(),
            Engine::Best(stack) => stack.weight(),
        }
    }
}

impl Engine {
    /// The next row within its frame.
    fn row(&self) -> usize {
        match self {
            Self::Mid(stack) => stack.row(),
            Self::Best(stack) => stack.row(),
        }
    }
}

/// Index of a pixel's first sample, and the distance between its samples.
fn places(size: Size, planar: bool) -> impl Fn(usize) -> (usize, usize) {
    let frame = size.columns * size.rows;
    move |pixel| {
        if planar {
            (pixel / frame * frame * 3 + pixel % frame, frame)
        } else {
            (pixel * 3, 1)
        }
    }
}

/// Planes of G, R, B (R and B less G), or of the samples as they come.
fn split(raw: &[u8], size: Size, planar: bool, differences: bool) -> Planes {
    let place = places(size, planar);
    let mut planes = [(); 3].map(|()| Vec::with_capacity(raw.len() / 3));
    for pixel in 0..raw.len() / 3 {
        let (at, step) = place(pixel);
        let [a, b, c] = [0, 1, 2].map(|n| u16::from(raw[at + n * step]));
        let numbers = if differences {
            [b, ZERO + a - b, ZERO + c - b]
        } else {
            [a, b, c]
        };
        for (plane, number) in planes.iter_mut().zip(numbers) {
            plane.push(number);
        }
    }
    planes
}

fn join(planes: &Planes, size: Size, planar: bool, differences: bool) -> Vec<u8> {
    let place = places(size, planar);
    let mut raw = vec![0; planes[0].len() * 3];
    let [first, second, third] = planes;
    let pixels = first.iter().zip(second).zip(third).enumerate();
    for (pixel, ((&a, &b), &c)) in pixels {
        let (at, step) = place(pixel);
        let plus = |d: u16| a.wrapping_add(d).wrapping_sub(ZERO);
        let samples = if differences {
            [plus(b), a, plus(c)]
        } else {
            [a, b, c]
        };
        for (n, sample) in samples.into_iter().enumerate() {
            raw[at + n * step] = sample as u8;
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_colour_are_restored() {
        for (planar, luma) in [(false, false), (true, false), (false, true)] {
            let pixels = Pixels {
                rows: 20,
                columns: 33,
                bytes: 1,
                samples: 3,
                planar,
                signed: false,
                big: false,
                luma,
            };
            let mut seed = 5u32;
            let mut state = None;
            for frame in 0..4usize {
                let mut raw: Vec<u8> = (0..20 * 33 * 3 * 2)
                    .map(|i: usize| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let noise = (seed >> 29) as usize;
                        if (i / 33).is_multiple_of(7) {
                            255
                        } else {
                            (i % 99 + frame + noise) as u8
                        }
                    })
                    .collect();
                raw.push(1);
                let packed = encode(&raw, &pixels, 0, Level::Best, state.as_ref()).unwrap();
                let (back, next) = decode(&packed, raw.len(), state).unwrap();
                assert!(back == raw);
                state = Some(next);
            }
        }
    }
}

//! Codec `GRAY`: native samples of one channel, frame after frame.
use super::map::{self, Map};
use super::model::{BEST, Cast, MID, Size, Stack};
use super::range::{Coder, Decoder, Encoder};
use super::samples::{self, Form};
use super::{Corrupt, varint};
use crate::part::Level;
use crate::plan::Pixels;

const ROWS_MAX: u32 = 1 << 16;

/// Flags of a part's first byte.
const FRAMES: u8 = 1;
const MASK: u8 = 2;
const NEW_MAP: u8 = 4;
const STARTS: u8 = 8;
/// The samples' form is above the flags.
const FORM_SHIFT: u32 = 4;

/// What a part leaves to the next one: the models and the last frames.
#[derive(Clone)]
pub(crate) struct Gray {
    shape: Shape,
    map: Map,
    engine: Engine,
    /// Whether earlier frames help: decided when there is first one.
    frames: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    size: Size,
    bytes: usize,
    best: bool,
    /// Code what is the same as a neighbour before all else.
    hits: bool,
}

#[derive(Clone)]
enum Engine {
    Mid(Box<Stack<1, 6, 7, 1>>),
    Best(Box<Stack<1, 8, 9, 8>>),
}

pub(crate) fn encode(
    raw: &[u8],
    pixels: &Pixels,
    first_row: u32,
    level: Level,
    state: Option<&Gray>,
) -> Option<Vec<u8>> {
    let form = Form::guess(pixels, raw);
    let size = Size {
        columns: pixels.columns as usize,
        rows: pixels.rows as usize,
    };
    let best = level == Level::Best;
    let shape = |hits| Shape {
        size,
        bytes: form.bytes(),
        best,
        hits,
    };
    let row = first_row as usize;
    if let Some(state) = state {
        let fits = state.shape == shape(state.shape.hits) && state.engine.row() == row;
        return if fits {
            state.attempt(raw, form, false)
        } else {
            None
        };
    }
    let kinds: &[bool] = if pixels.bytes == 1 {
        &[false, true]
    } else {
        &[false]
    };
    let attempts = kinds
        .iter()
        .filter_map(|&hits| Gray::new(shape(hits), row).attempt(raw, form, true));
    attempts.min_by_key(Vec::len)
}

pub(crate) fn decode(
    packed: &[u8],
    raw_len: usize,
    state: Option<Gray>,
) -> Result<(Vec<u8>, Gray), Corrupt> {
    let mut stream = packed;
    let (&flags, rest) = stream.split_first().ok_or(Corrupt)?;
    stream = rest;
    let mut gray = match (state, flags & STARTS != 0) {
        (Some(gray), false) => gray,
        (None, true) => Gray::take(&mut stream)?,
        _ => return Err(Corrupt),
    };
    if flags & NEW_MAP != 0 {
        gray.map = Map::take(&mut stream)?;
    }
    let form = Form::from_byte(flags >> FORM_SHIFT);
    if form.bytes() != gray.shape.bytes || raw_len < gray.shape.row_len() {
        return Err(Corrupt);
    }
    let row_len = gray.shape.row_len();
    let (tail, stream) = stream.split_at_checked(raw_len % row_len).ok_or(Corrupt)?;
    let mut coder = Decoder::new(stream)?;
    let mut numbers = [vec![0; raw_len / row_len * gray.shape.size.columns]];
    gray.code(
        &mut coder,
        &mut numbers,
        flags & FRAMES != 0,
        flags & MASK != 0,
    );
    let [mut samples] = numbers;
    gray.map.invert(&mut samples);
    let mut raw = samples::to_bytes(&samples, form);
    raw.extend_from_slice(tail);
    Ok((raw, gray))
}

impl Shape {
    fn row_len(&self) -> usize {
        self.size.columns * self.bytes
    }
}

impl Gray {
    fn new(shape: Shape, row: usize) -> Self {
        let engine = if shape.best {
            Engine::Best(Box::new(Stack::new(BEST, shape.size, row, shape.hits)))
        } else {
            Engine::Mid(Box::new(Stack::new(MID, shape.size, row, shape.hits)))
        };
        Self {
            shape,
            map: Map::default(),
            engine,
            frames: None,
        }
    }

    /// columns | rows | row of the first sample | bytes a sample | engine
    fn put(&self, to: &mut Vec<u8>) {
        varint::put(to, self.shape.size.columns as u64);
        varint::put(to, self.shape.size.rows as u64);
        varint::put(to, self.engine.row() as u64);
        to.push(self.shape.bytes as u8);
        to.push(u8::from(self.shape.best) | u8::from(self.shape.hits) << 1);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Corrupt> {
        let columns = varint::take_u32(from, ROWS_MAX)?.max(1) as usize;
        let rows = varint::take_u32(from, ROWS_MAX)?.max(1);
        let row = varint::take_u32(from, rows - 1)? as usize;
        let Some((&[bytes, engine], rest)) = from.split_first_chunk() else {
            return Err(Corrupt);
        };
        *from = rest;
        let size = Size {
            columns,
            rows: rows as usize,
        };
        let bytes = if bytes == 1 { 1 } else { 2 };
        let shape = Shape {
            size,
            bytes,
            best: engine & 1 != 0,
            hits: engine & 2 != 0,
        };
        Ok(Self::new(shape, row))
    }

    fn has_choice(&self, raw_len: usize) -> bool {
        let rows = raw_len / self.shape.row_len();
        match &self.engine {
            Engine::Mid(stack) => stack.has_choice(rows),
            Engine::Best(stack) => stack.has_choice(rows),
        }
    }

    /// The shortest packing, with and without a look at earlier frames.
    fn attempt(&self, raw: &[u8], form: Form, starts: bool) -> Option<Vec<u8>> {
        let modes: &[bool] = match self.frames {
            _ if !self.has_choice(raw.len()) => &[false],
            Some(true) => &[true],
            Some(false) => &[false],
            None => &[false, true],
        };
        let attempts = modes
            .iter()
            .filter_map(|&frames| self.clone().encode(raw, form, frames, starts));
        attempts.min_by_key(Vec::len)
    }

    fn encode(mut self, raw: &[u8], form: Form, frames: bool, starts: bool) -> Option<Vec<u8>> {
        let row_len = self.shape.row_len();
        let (rows, tail) = raw.split_at(raw.len() - raw.len() % row_len);
        if rows.is_empty() {
            return None;
        }
        let mut samples = samples::from_bytes(rows, form);
        let found = map::find(&samples);
        let map = if starts {
            Map::new(&found)
        } else {
            self.map.widened(&found)
        };
        let new_map = map != self.map || starts;
        let mask = found.mask && !self.shape.hits;
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let mut out = vec![
            flag(frames, FRAMES)
                | flag(mask, MASK)
                | flag(new_map, NEW_MAP)
                | flag(starts, STARTS)
                | form.to_byte() << FORM_SHIFT,
        ];
        if starts {
            self.put(&mut out);
        }
        if new_map {
            map.put(&mut out)?;
        }
        out.extend_from_slice(tail);
        self.map = map;
        self.map.apply(&mut samples);
        let mut coder = Encoder::new();
        self.code(&mut coder, &mut [samples], frames, mask);
        coder.finish(&mut out);
        Some(out)
    }

    /// Codes whole rows.
    fn code<K: Coder>(
        &mut self,
        coder: &mut K,
        numbers: &mut [Vec<u16>; 1],
        frames: bool,
        mask: bool,
    ) {
        if self.has_choice(numbers[0].len() * self.shape.bytes) {
            self.frames = Some(frames);
        }
        let cast = Cast {
            frames,
            mask,
            maps: std::slice::from_ref(&self.map),
        };
        match &mut self.engine {
            Engine::Mid(stack) => stack.code(coder, numbers, &cast),
            Engine::Best(stack) => stack.code(coder, numbers, &cast),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn made(frame: usize, pixels: &Pixels) -> Vec<u8> {
        let mut seed = 3u32;
        let mut out = Vec::new();
        for y in 0..pixels.rows as usize {
            for x in 0..pixels.columns as usize {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 26) as usize;
                let value = if ((x + frame) / 8).is_multiple_of(3) {
                    0
                } else {
                    x * 20 + y * 7 + noise
                };
                out.extend_from_slice(&(value as u16).to_le_bytes()[..usize::from(pixels.bytes)]);
            }
        }
        out
    }

    #[test]
    fn a_chain_of_frames_is_restored() {
        for (level, bytes) in [(Level::Mid, 2), (Level::Best, 2), (Level::Best, 1)] {
            let pixels = Pixels {
                rows: 30,
                columns: 37,
                bytes,
                samples: 1,
                planar: false,
                signed: true,
                big: false,
                luma: false,
            };
            let mut state = None;
            for frame in 0..5 {
                let raw = made(frame, &pixels);
                let packed = encode(&raw, &pixels, 0, level, state.as_ref()).unwrap();
                assert!(packed.len() < raw.len());
                let (back, next) = decode(&packed, raw.len(), state).unwrap();
                assert!(back == raw);
                state = Some(next);
            }
        }
    }
}

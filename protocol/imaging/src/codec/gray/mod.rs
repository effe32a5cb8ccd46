//! Codec `GRAY`: native samples of one channel, frame after frame.
mod context;
mod lsq;
mod model;
mod residual;
mod taps;
mod window;

use super::map::{self, Map};
use super::range::{Coder, Decoder, Encoder};
use super::samples::{self, Form};
use super::{Corrupt, varint};
use crate::part::Level;
use model::{Model, Row, Setup};

/// Frames of more samples are coded without a look at earlier frames.
const FRAME_MAX: usize = 1 << 20;
const ROWS_MAX: u32 = 1 << 16;
const MID: Setup = Setup {
    block: 32,
    two: false,
};
const BEST: Setup = Setup {
    block: 16,
    two: true,
};

/// Flags of a part's first byte.
const FRAMES: u8 = 1;
const MASK: u8 = 2;
const NEW_MAP: u8 = 4;
const STARTS: u8 = 8;

/// What a part leaves to the next one: the models and the last frames.
#[derive(Clone)]
pub(crate) struct Gray {
    shape: Shape,
    map: Map,
    engine: Engine,
    history: History,
    /// The next row within its frame.
    row: usize,
    /// Whether earlier frames help: decided when there is first one.
    frames: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    columns: usize,
    rows: usize,
    form: Form,
    best: bool,
}

#[derive(Clone)]
enum Engine {
    Mid(Box<Model<6, 7, 1>>),
    Best(Box<Model<8, 9, 8>>),
}

/// Samples of the last two whole frames and of the current one, and their absolute errors.
#[derive(Clone, Default)]
struct History {
    frames: usize,
    now: Vec<u16>,
    before: Vec<u16>,
    before2: Vec<u16>,
    errors: Vec<f32>,
    errors_before: Vec<f32>,
}

/// What is coded of one part.
struct Cast {
    frames: bool,
    mask: bool,
}

pub(crate) fn encode(
    raw: &[u8],
    pixels: &crate::plan::Pixels,
    first_row: u32,
    level: Level,
    state: Option<&Gray>,
) -> Option<Vec<u8>> {
    let form = Form::guess(pixels, raw);
    let shape = Shape {
        columns: pixels.columns as usize,
        rows: pixels.rows as usize,
        form,
        best: level == Level::Best,
    };
    let fresh = Gray::new(shape, first_row as usize);
    let start = match state {
        Some(state) if state.shape == shape && state.row == first_row as usize => state,
        Some(_) => return None,
        None => &fresh,
    };
    let modes: &[bool] = match start.frames {
        _ if !start.has_choice(raw.len()) => &[false],
        Some(true) => &[true],
        Some(false) => &[false],
        None => &[false, true],
    };
    let attempts = modes
        .iter()
        .map(|&frames| start.clone().encode(raw, frames, state.is_none()));
    attempts.flatten().min_by_key(Vec::len)
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
    let row_len = gray.shape.columns * gray.shape.form.bytes();
    let tail_len = raw_len % row_len;
    let (tail, stream) = stream.split_at_checked(tail_len).ok_or(Corrupt)?;
    let mut coder = Decoder::new(stream)?;
    let mut samples = vec![0; raw_len / row_len * gray.shape.columns];
    let cast = Cast {
        frames: flags & FRAMES != 0,
        mask: flags & MASK != 0,
    };
    gray.code(&mut coder, &mut samples, &cast);
    gray.map.invert(&mut samples);
    let mut raw = samples::to_bytes(&samples, gray.shape.form);
    raw.extend_from_slice(tail);
    Ok((raw, gray))
}

impl Gray {
    fn new(shape: Shape, row: usize) -> Self {
        let engine = if shape.best {
            Engine::Best(Box::new(Model::new(BEST, shape.columns)))
        } else {
            Engine::Mid(Box::new(Model::new(MID, shape.columns)))
        };
        let mut history = History::default();
        if shape.columns * shape.rows <= FRAME_MAX {
            history.now = vec![0; shape.columns * row];
            history.errors = vec![0.0; shape.columns * row];
        }
        let map = Map::default();
        Self {
            shape,
            map,
            engine,
            history,
            row,
            frames: None,
        }
    }

    /// columns | rows | row of the first sample | form | engine
    fn put(&self, to: &mut Vec<u8>) {
        varint::put(to, self.shape.columns as u64);
        varint::put(to, self.shape.rows as u64);
        varint::put(to, self.row as u64);
        to.push(self.shape.form.to_byte());
        to.push(u8::from(self.shape.best));
    }

    fn take(from: &mut &[u8]) -> Result<Self, Corrupt> {
        let columns = varint::take_u32(from, ROWS_MAX)?.max(1) as usize;
        let rows = varint::take_u32(from, ROWS_MAX)?.max(1) as usize;
        let row = varint::take_u32(from, rows as u32 - 1)? as usize;
        let Some((&[form, best], rest)) = from.split_first_chunk() else {
            return Err(Corrupt);
        };
        *from = rest;
        let shape = Shape {
            columns,
            rows,
            form: Form::from_byte(form),
            best: best == 1,
        };
        Ok(Self::new(shape, row))
    }

    /// Whether any row of a part of this length has an earlier frame to look at.
    fn has_choice(&self, raw_len: usize) -> bool {
        let frame = self.shape.columns * self.shape.rows;
        let rows = raw_len / (self.shape.columns * self.shape.form.bytes());
        frame <= FRAME_MAX && (self.history.frames > 0 || self.row + rows > self.shape.rows)
    }

    fn encode(mut self, raw: &[u8], frames: bool, starts: bool) -> Option<Vec<u8>> {
        let row_len = self.shape.columns * self.shape.form.bytes();
        let (rows, tail) = raw.split_at(raw.len() - raw.len() % row_len);
        if rows.is_empty() {
            return None;
        }
        let mut samples = samples::from_bytes(rows, self.shape.form);
        let found = map::find(&samples);
        let map = if starts {
            Map::new(&found)
        } else {
            self.map.widened(&found)
        };
        let new_map = map != self.map || starts;
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let mut out = vec![
            flag(frames, FRAMES)
                | flag(found.mask, MASK)
                | flag(new_map, NEW_MAP)
                | flag(starts, STARTS),
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
        self.code(
            &mut coder,
            &mut samples,
            &Cast {
                frames,
                mask: found.mask,
            },
        );
        coder.finish(&mut out);
        Some(out)
    }

    /// Codes whole rows of mapped samples.
    fn code<K: Coder>(&mut self, coder: &mut K, samples: &mut [u16], cast: &Cast) {
        if self.has_choice(samples.len() * self.shape.form.bytes()) {
            self.frames = Some(cast.frames);
        }
        let Self {
            shape,
            map,
            engine,
            history,
            row,
            ..
        } = self;
        let mut frames = Frames {
            shape,
            map,
            history,
            row,
            cast,
            forward: map.forward(),
        };
        match engine {
            Engine::Mid(model) => frames.code(model, coder, samples),
            Engine::Best(model) => frames.code(model, coder, samples),
        }
    }
}

/// Walks the rows of a part through the frames that they belong to.
struct Frames<'a> {
    shape: &'a Shape,
    map: &'a Map,
    history: &'a mut History,
    row: &'a mut usize,
    cast: &'a Cast,
    forward: Vec<u16>,
}

impl Frames<'_> {
    fn code<K: Coder, const G: usize, const H: usize, const C: usize>(
        &mut self,
        model: &mut Model<G, H, C>,
        coder: &mut K,
        samples: &mut [u16],
    ) {
        let width = self.shape.columns;
        let keeps = width * self.shape.rows <= FRAME_MAX;
        for (n, row) in samples.chunks_exact_mut(width).enumerate() {
            let looks = self.cast.frames && self.history.frames > 0;
            model.use_frames(looks);
            if *self.row == 0 || n == 0 {
                self.start(model, looks);
            }
            if looks {
                self.push_below(model);
            }
            let errors = self.history.errors_before.as_slice();
            let at = *self.row * width;
            let below = if *self.row + 1 < self.shape.rows {
                at + width
            } else {
                at
            };
            let before = looks.then(|| (&errors[at..at + width], &errors[below..below + width]));
            let max = f32::from(self.map.max());
            model.row(
                coder,
                row,
                Row {
                    max,
                    mask: self.cast.mask,
                    before,
                },
            );
            *self.row += 1;
            if keeps {
                let errors = model.errors.row(width);
                let looks_on = self.map;
                self.history
                    .now
                    .extend(row.iter().map(|&n| looks_on.back(n)));
                self.history.errors.extend_from_slice(errors);
            }
            model.errors.next_row();
            if *self.row == self.shape.rows {
                *self.row = 0;
                self.history.turn(keeps);
            }
        }
    }

    /// At the first row of a frame or of a part.
    fn start<const G: usize, const H: usize, const C: usize>(
        &mut self,
        model: &mut Model<G, H, C>,
        looks: bool,
    ) {
        if looks {
            model.window.clear_before();
            for row in [self.row.saturating_sub(1), *self.row] {
                self.push(model, row);
            }
        }
        if *self.row == 0 {
            model.window.start_frame(looks);
        }
    }

    fn push_below<const G: usize, const H: usize, const C: usize>(
        &self,
        model: &mut Model<G, H, C>,
    ) {
        self.push(model, (*self.row + 1).min(self.shape.rows - 1));
    }

    fn push<const G: usize, const H: usize, const C: usize>(
        &self,
        model: &mut Model<G, H, C>,
        row: usize,
    ) {
        let range = row * self.shape.columns..(row + 1) * self.shape.columns;
        let mapped = |frame: &[u16]| -> Vec<u16> {
            frame[range.clone()]
                .iter()
                .map(|&v| self.forward[usize::from(v)])
                .collect()
        };
        let mask = self.cast.mask;
        model
            .window
            .push_before(window::BEFORE + 1, 3, &mapped(&self.history.before), mask);
        let before2 = if self.history.frames > 1 {
            &self.history.before2
        } else {
            &self.history.before
        };
        model
            .window
            .push_before(window::BEFORE2 + 1, 2, &mapped(before2), mask);
    }
}

impl History {
    /// The current frame becomes the previous one.
    fn turn(&mut self, keeps: bool) {
        if keeps {
            self.frames += 1;
            std::mem::swap(&mut self.before, &mut self.before2);
            std::mem::swap(&mut self.before, &mut self.now);
            std::mem::swap(&mut self.errors, &mut self.errors_before);
            self.now.clear();
            self.errors.clear();
        }
    }
}

impl Gray {
    /// Bytes of memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        let cells = if self.shape.best { 8 } else { 1 } * (1 << 18);
        let frame = self.shape.columns * self.shape.rows;
        let history = if frame <= FRAME_MAX { frame * 14 } else { 0 };
        cells + history + self.shape.columns * 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Pixels;

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
                palette: false,
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

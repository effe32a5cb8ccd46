//! Codec `DCT`: sequential JPEG frames as their coefficients, each frame under the one before, and
//! encoded again with the same tables.
mod huffman;
mod jpeg;
mod mix;
mod model;

use super::lossless::{Items, join};
use super::range::{Coder, Decoder, Encoder};
use super::{Corrupt, bytes, varint};
use crate::part::PART_PACKED_MAX;
use jpeg::{Block, Component, Header};
use model::{Around, Model};

const FRAMES_MAX: usize = 1 << 12;
/// Frames of more blocks are not kept for the next one.
const KEPT_MAX: usize = 1 << 16;

/// What a part leaves to the next one: the models and the last frame.
#[derive(Clone)]
pub(crate) struct Dct {
    model: Model,
    /// The last frame's components.
    before: Vec<Kept>,
}

#[derive(Clone)]
struct Kept {
    /// Blocks across.
    width: usize,
    blocks: Vec<Block>,
    /// Which repeated those a frame before.
    still: Vec<bool>,
}

/// count | per frame: number of cuts, these, bytes before and behind its scan |
/// packed length of these bytes | these | the coefficients
pub(crate) fn encode(raw: &[u8], state: Option<&Dct>) -> Option<Vec<u8>> {
    let files = join(raw)?;
    if files.is_empty() || files.len() > FRAMES_MAX {
        return None;
    }
    let mut dct = state.cloned().unwrap_or_else(Dct::new);
    let (mut out, mut around, mut coder) = (Vec::new(), Vec::new(), Encoder::new());
    varint::put(&mut out, files.len() as u64);
    for (cuts, jpeg) in &files {
        let header = Header::parse(jpeg)?;
        let (mut planes, scan) = header.decode(jpeg)?;
        let (before, rest) = jpeg.split_at(header.scan);
        let (scanned, behind) = rest.split_at(scan);
        if header.encode(&planes)? != scanned {
            return None;
        }
        Items::put(&mut out, cuts, before.len(), behind.len());
        around.extend_from_slice(before);
        around.extend_from_slice(behind);
        dct.frame(&mut coder, &header, &mut planes);
    }
    let packed = bytes::encode(&around, &[], 19)?;
    varint::put(&mut out, packed.len() as u64);
    out.extend_from_slice(&packed);
    coder.finish(&mut out);
    Some(out)
}

pub(crate) fn decode(
    packed: &[u8],
    raw_len: usize,
    state: Option<Dct>,
) -> Result<(Vec<u8>, Dct), Corrupt> {
    // What holds fragments is never longer, so that it can be sent as it is.
    if raw_len > PART_PACKED_MAX {
        return Err(Corrupt);
    }
    let mut stream = packed;
    let count = varint::take_u32(&mut stream, FRAMES_MAX as u32)? as usize;
    let shapes: Vec<Items> = (0..count)
        .map(|_| Items::take(&mut stream, raw_len))
        .collect::<Result<_, _>>()?;
    let total: usize = shapes.iter().map(|s| s.before + s.after).sum();
    let packed_len = varint::take_u32(&mut stream, u32::MAX)? as usize;
    let (around, stream) = stream.split_at_checked(packed_len).ok_or(Corrupt)?;
    if total > raw_len {
        return Err(Corrupt);
    }
    let around = bytes::decode(around, &[], total)?;
    let mut rest = around.as_slice();
    let mut coder = Decoder::new(stream)?;
    let mut dct = state.unwrap_or_else(Dct::new);
    // A block took at least two bits of the raw bytes.
    let mut blocks_left = raw_len * 4;
    let mut raw = Vec::with_capacity(raw_len);
    for shape in &shapes {
        let (before, others) = rest.split_at(shape.before);
        let (after, others) = others.split_at(shape.after);
        rest = others;
        let header = Header::parse(before).ok_or(Corrupt)?;
        blocks_left = blocks_left.checked_sub(header.blocks()).ok_or(Corrupt)?;
        let mut planes = header.empty();
        dct.frame(&mut coder, &header, &mut planes);
        let scan = header.encode(&planes).ok_or(Corrupt)?;
        let file = [before, scan.as_slice(), after].concat();
        shape.put_items(&file, raw_len, &mut raw)?;
    }
    if raw.len() == raw_len {
        Ok((raw, dct))
    } else {
        Err(Corrupt)
    }
}

impl Dct {
    fn new() -> Self {
        Self {
            model: Model::new(),
            before: Vec::new(),
        }
    }

    /// Codes all blocks of a frame; it is the one before of the next.
    fn frame<K: Coder>(&mut self, coder: &mut K, header: &Header, planes: &mut [Vec<Block>]) {
        let mut stills: Vec<Vec<bool>> = Vec::new();
        for (n, component) in header.components.iter().enumerate() {
            let (done, rest) = planes.split_at_mut(n);
            let Some(plane) = rest.first_mut() else {
                return;
            };
            let width = |c: usize| header.components[c].size.0;
            let other = n.checked_sub(1).map(|c| (width(c), &done[c], &stills[c]));
            let before = self.before.get(n).filter(|b| b.width == component.size.0);
            let before = before.filter(|b| b.blocks.len() == plane.len());
            let place = Place {
                component,
                class: n.min(1),
                before,
                other,
            };
            stills.push(place.code(&mut self.model, coder, plane));
        }
        self.before = Vec::new();
        if header.blocks() <= KEPT_MAX {
            let kept = header.components.iter().zip(planes).zip(stills);
            let kept = kept.map(|((component, blocks), still)| Kept {
                width: component.size.0,
                blocks: blocks.clone(),
                still,
            });
            self.before = kept.collect();
        }
    }

    /// Bytes of memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        let blocks: usize = self.before.iter().map(|b| b.blocks.len()).sum();
        blocks * 130 + (8 << 20)
    }
}

/// One component of a frame.
struct Place<'a> {
    component: &'a Component,
    class: usize,
    before: Option<&'a Kept>,
    /// The component before this one: blocks across, the blocks, which repeated theirs.
    other: Option<(usize, &'a Vec<Block>, &'a Vec<bool>)>,
}

impl Place<'_> {
    /// Codes its blocks; which are those of the frame before.
    fn code<K: Coder>(&self, model: &mut Model, coder: &mut K, plane: &mut [Block]) -> Vec<bool> {
        let across = self.component.size.0;
        let mut still = vec![false; plane.len()];
        for place in 0..plane.len() {
            let (x, y) = (place % across, place / across);
            let (done, rest) = plane.split_at_mut(place);
            let Some(block) = rest.first_mut() else {
                break;
            };
            let at = |dx: usize, dy: usize| {
                let back = place.checked_sub(dy * across + dx).filter(|_| x >= dx)?;
                Some((&done[back], still[back]))
            };
            let (w, n, corner) = (at(1, 0), at(0, 1), at(1, 1));
            let other = self.other(x, y);
            let is = |found: Option<(&Block, bool)>| found.is_some_and(|f| f.1);
            let flags = [
                is(w),
                is(n),
                y > 0 && x + 1 < across && still[place + 1 - across],
                is(other),
                self.before.is_some_and(|b| b.still[place]),
            ];
            let around = Around {
                left: w.map(|w| w.0),
                above: n.map(|n| n.0),
                corner: corner.map(|c| c.0),
                before: self.before.map(|b| &b.blocks[place]),
                other: other.map(|o| o.0),
                still: flags.iter().fold(0, |sum, &f| sum << 1 | usize::from(f)),
                class: self.class,
                steps: &self.component.steps,
            };
            still[place] = model.code(coder, block, &around);
        }
        still
    }

    /// The block of the component before at the same place of the picture.
    fn other(&self, x: usize, y: usize) -> Option<(&Block, bool)> {
        let (width, blocks, still) = self.other?;
        let (across, down) = self.component.size;
        let height = blocks.len() / width.max(1);
        let at = y * height / down * width + x * width / across;
        Some((blocks.get(at)?, *still.get(at)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A frame of 40 x 24 pixels with colours of half the width: noise over a slope, half of it the
    /// same in every frame.
    fn made(frame: u64, restart: u8, seed: u64) -> Vec<u8> {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
        jpeg.extend((0..64).map(|n| 3 + n));
        jpeg.extend([0xFF, 0xC0, 0, 17, 8, 0, 24, 0, 40, 3]);
        jpeg.extend([1, 0x21, 0, 2, 0x11, 0, 3, 0x11, 0]);
        jpeg.extend([0xFF, 0xC4, 0, 31, 0, 0, 0, 0, 12]);
        jpeg.extend([0; 12]);
        jpeg.extend(0..12);
        // All 256 symbols: 200 of nine bits, 56 of ten.
        jpeg.extend([0xFF, 0xC4, 1, 19, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 200, 56]);
        jpeg.extend([0; 6]);
        jpeg.extend(0..=255);
        jpeg.extend([0xFF, 0xDD, 0, 4, 0, restart]);
        jpeg.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
        let header = Header::parse(&jpeg).unwrap();
        let mut planes = header.empty();
        let mut state = seed;
        let mut next = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(frame * 2 + 1);
            ((state >> 33) % n) as i16
        };
        for (number, block) in planes.iter_mut().flatten().enumerate() {
            block[0] = 40 * number as i16 - 300 + next(9);
            for at in 0..1 + next(20) as usize * (number % 2) {
                block[1 + at] = (next(7) - 3) * (40 / (at as i16 + 8));
            }
            block[63] = i16::from(number == 5) * 1000;
        }
        jpeg.extend(header.encode(&planes).unwrap());
        jpeg.extend([0xFF, 0xD9]);
        jpeg
    }

    fn item(value: &[u8]) -> Vec<u8> {
        let len = (value.len() as u32).to_le_bytes();
        [&[0xFE, 0xFF, 0x00, 0xE0], len.as_slice(), value].concat()
    }

    /// Three parts: the second has two frames, one of them in two items, one of them again.
    fn parts() -> [Vec<u8>; 3] {
        let (a, b) = (made(0, 0, 1), made(0, 4, 2));
        let (b1, b2) = b.split_at(400);
        [
            item(&a),
            [item(&a), item(b1), item(b2)].concat(),
            item(&made(3, 0, 1)),
        ]
    }

    fn packed(parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut state = None;
        let mut all = Vec::new();
        for raw in parts {
            let packed = encode(raw, state.as_ref()).unwrap();
            let (back, next) = decode(&packed, raw.len(), state).unwrap();
            assert!(back == *raw);
            state = Some(next);
            all.push(packed);
        }
        all
    }

    #[test]
    fn frames_are_restored_from_their_coefficients_and_repeated_ones_cost_little() {
        let parts = parts();
        let packed = packed(&parts);
        let [first, second, _] = packed.as_slice() else {
            panic!("three parts");
        };
        assert!(first.len() < parts[0].len());
        assert!(second.len() < parts[1].len() * 3 / 4, "{}", second.len());
    }

    /// As those of `self_test`: `KAREZ_WRITE_VECTORS=1` writes them for a new codec number.
    #[test]
    fn version_1_vectors_of_coefficients_are_written_and_read_the_same() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors");
        for (n, stream) in packed(&parts()).iter().enumerate() {
            let path = folder.join(format!("dct.{n}"));
            if std::env::var_os("KAREZ_WRITE_VECTORS").is_some() {
                std::fs::write(&path, stream).unwrap();
            }
            assert!(std::fs::read(&path).unwrap() == *stream, "{n}");
        }
    }

    #[test]
    fn what_is_no_sequential_frame_is_left_to_others() {
        let mut progressive = made(0, 0, 1);
        progressive[0x48] = 0xC2;
        assert_eq!(progressive[0x47], 0xFF);
        let cut = &made(0, 0, 1)[..600];
        for file in [progressive.as_slice(), cut, b"no JPEG at all", &[]] {
            assert!(encode(&item(file), None).is_none());
        }
    }

    #[test]
    fn damaged_streams_give_errors_or_as_many_bytes_as_declared() {
        let parts = parts();
        let streams = packed(&parts);
        let mut seed = 9u64;
        let mut next = |n: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % n
        };
        for round in 0..300 {
            let mut stream = streams[0].clone();
            for _ in 0..=next(3) {
                let at = next(if round % 2 == 0 { 40 } else { stream.len() });
                stream[at] = next(256) as u8;
            }
            if let Ok((raw, _)) = decode(&stream, parts[0].len(), None) {
                assert_eq!(raw.len(), parts[0].len());
            }
        }
    }
}

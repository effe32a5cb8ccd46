//! Codec `WORDS`: differences of samples of any width, byte by byte, by zstd. For what no model is
//! made for (32 bits, colour of 16 bits) and for ramps and patterns that repeat exactly.
use super::{Corrupt, bytes, varint};
use crate::part::{Level, PART_PACKED_MAX};
use crate::plan::Pixels;

const COLUMNS_MAX: u32 = 1 << 16;
const BIG: u8 = 16;
const PLANE: u8 = 32;

/// How the samples lie and what is taken from them.
#[derive(Clone, Copy)]
struct Shape {
    /// Bytes a sample: 1, 2 or 4.
    word: usize,
    big: bool,
    /// Samples to the one on the left.
    step: usize,
    /// Samples a row.
    row: usize,
    /// Less W + N - NW, not only less W.
    plane: bool,
}

/// bytes a sample, 16 big endian, 32 less W + N - NW | samples a pixel | samples a row | zstd of
/// the differences, the low bytes of all first
pub(crate) fn encode(raw: &[u8], pixels: &Pixels, level: Level) -> Option<Vec<u8>> {
    let step = if pixels.planar {
        1
    } else {
        usize::from(pixels.samples)
    };
    let attempt = |plane| {
        let shape = Shape {
            word: usize::from(pixels.bytes),
            big: pixels.big && pixels.bytes > 1,
            step,
            row: pixels.columns as usize * step,
            plane,
        };
        let flags = if shape.big { BIG } else { 0 } | if plane { PLANE } else { 0 };
        let mut out = vec![pixels.bytes | flags, step as u8];
        varint::put(&mut out, shape.row as u64);
        let planes = shape.split(raw);
        out.extend(bytes::encode(&planes, &[], bytes::level(level))?);
        Some(out)
    };
    [false, true]
        .into_iter()
        .filter_map(attempt)
        .min_by_key(Vec::len)
}

pub(crate) fn decode(packed: &[u8], raw_len: usize) -> Result<Vec<u8>, Corrupt> {
    let (&[first, step], mut rest) = packed.split_first_chunk().ok_or(Corrupt)?;
    let row = varint::take_u32(&mut rest, COLUMNS_MAX * 4)? as usize;
    let shape = Shape {
        word: usize::from(first & 7),
        big: first & BIG != 0,
        step: usize::from(step),
        row,
        plane: first & PLANE != 0,
    };
    let fits = raw_len <= PART_PACKED_MAX && matches!(shape.word, 1 | 2 | 4);
    if !fits || !(1..=4).contains(&step) || row < shape.step {
        return Err(Corrupt);
    }
    Ok(shape.join(&bytes::decode(rest, &[], raw_len)?))
}

impl Shape {
    /// What is expected at `i`, from the words before it.
    fn guess(self, words: &[u32], i: usize) -> u32 {
        let at = |back: usize| i.checked_sub(back).map_or(0, |i| words[i]);
        let w = at(self.step);
        if self.plane {
            w.wrapping_add(at(self.row))
                .wrapping_sub(at(self.row + self.step))
        } else {
            w
        }
    }

    fn split(self, raw: &[u8]) -> Vec<u8> {
        let words = raw.chunks_exact(self.word);
        let tail = words.remainder();
        let words: Vec<u32> = words.map(|word| self.read(word)).collect();
        let mut planes = vec![0; raw.len() - tail.len()];
        for (i, &word) in words.iter().enumerate() {
            let difference = word.wrapping_sub(self.guess(&words, i));
            for (n, byte) in difference
                .to_le_bytes()
                .into_iter()
                .take(self.word)
                .enumerate()
            {
                planes[n * words.len() + i] = byte;
            }
        }
        planes.extend_from_slice(tail);
        planes
    }

    fn join(self, planes: &[u8]) -> Vec<u8> {
        let count = planes.len() / self.word;
        let mask = u32::MAX >> (32 - 8 * self.word);
        let mut words = Vec::with_capacity(count);
        let mut raw = Vec::with_capacity(planes.len());
        for i in 0..count {
            let byte = |n: usize| u32::from(planes[n * count + i]) << (8 * n);
            let difference = (0..self.word).fold(0, |sum, n| sum | byte(n));
            let word = difference.wrapping_add(self.guess(&words, i)) & mask;
            words.push(word);
            let bytes = word.to_le_bytes();
            let bytes = bytes.iter().take(self.word);
            if self.big {
                raw.extend(bytes.rev());
            } else {
                raw.extend(bytes);
            }
        }
        raw.extend_from_slice(&planes[count * self.word..]);
        raw
    }

    fn read(self, word: &[u8]) -> u32 {
        let put = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
        if self.big {
            word.iter().fold(0, put)
        } else {
            word.iter().rev().fold(0, put)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ramps of every width, and a few bytes behind them.
    fn ramps() -> Vec<(Pixels, Vec<u8>)> {
        let kinds = [
            (1, 1, false, false),
            (2, 1, false, true),
            (2, 3, false, false),
            (4, 1, false, true),
            (4, 3, true, false),
        ];
        let ramp = |(bytes, samples, planar, big)| {
            let pixels = Pixels {
                rows: 50,
                columns: 33,
                bytes,
                samples,
                planar,
                signed: false,
                big,
                luma: false,
            };
            let mut raw = Vec::new();
            for i in 0..33 * 50 * u32::from(samples) {
                let word = (i * 3).to_be_bytes();
                let word = &word[4 - usize::from(bytes)..];
                raw.extend(if big {
                    word.to_vec()
                } else {
                    word.iter().rev().copied().collect()
                });
            }
            raw.extend([1, 2, 3]);
            (pixels, raw)
        };
        kinds.into_iter().map(ramp).collect()
    }

    #[test]
    fn words_of_every_width_come_back_and_ramps_cost_nothing() {
        for (pixels, raw) in ramps() {
            let packed = encode(&raw, &pixels, Level::Best).unwrap();
            assert!(packed.len() * 20 < raw.len(), "{pixels:?} {}", packed.len());
            assert!(decode(&packed, raw.len()).unwrap() == raw);
        }
    }

    /// Read only: another zstd may write other bytes. `KAREZ_WRITE_VECTORS=1` writes them for a new
    /// codec number.
    #[test]
    fn version_1_vectors_of_words_are_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
        for (n, (pixels, raw)) in ramps().iter().enumerate() {
            let path = folder.join(format!("words.{n}"));
            if std::env::var_os("KAREZ_WRITE_VECTORS").is_some() {
                std::fs::write(&path, encode(raw, pixels, Level::Best).unwrap()).unwrap();
            }
            let kept = std::fs::read(&path).unwrap();
            assert!(decode(&kept, raw.len()).unwrap() == *raw, "{n}");
        }
    }
}

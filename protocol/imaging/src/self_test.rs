//! Known answers: the codecs must compute the same numbers here as everywhere.
use thiserror::Error;

use crate::codec::{self, Job, State};
use crate::part::{CodecId, Level};
use crate::plan::{Layout, Pixels};

/// This build or this machine computes other numbers than the format demands. Packing or unpacking
/// with it would lose images: do not start.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the image codec {0} computes other numbers than it must; use another build")]
pub struct SelfTestFailed(&'static str);

struct Case {
    name: &'static str,
    codec: CodecId,
    level: Level,
    pixels: Pixels,
    /// FNV-1a of the streams of three frames.
    answer: u64,
}

const GRAY: Pixels = Pixels {
    rows: 40,
    columns: 52,
    bytes: 2,
    samples: 1,
    planar: false,
    signed: true,
    big: false,
    luma: false,
};
const NARROW: Pixels = Pixels {
    bytes: 1,
    signed: false,
    ..GRAY
};
const COLOUR: Pixels = Pixels {
    samples: 3,
    ..NARROW
};

const CASES: [Case; 7] = [
    case(
        "gray-best",
        CodecId::GRAY,
        Level::Best,
        GRAY,
        0x870C_4C60_D7A0_CC3A,
    ),
    case(
        "gray-mid",
        CodecId::GRAY,
        Level::Mid,
        GRAY,
        0x3F20_BBFE_1153_AE0E,
    ),
    case(
        "narrow-best",
        CodecId::GRAY,
        Level::Best,
        NARROW,
        0x026E_103B_5F5C_D510,
    ),
    case(
        "narrow-mid",
        CodecId::GRAY,
        Level::Mid,
        NARROW,
        0x161C_8654_89C1_5EE2,
    ),
    case(
        "fast",
        CodecId::FAST,
        Level::Fast,
        GRAY,
        0x58FE_1A2B_7D1B_97E6,
    ),
    case(
        "colour-best",
        CodecId::COLOUR,
        Level::Best,
        COLOUR,
        0x6CC7_EF2C_615F_E560,
    ),
    case(
        "colour-mid",
        CodecId::COLOUR,
        Level::Mid,
        COLOUR,
        0x07AD_0C0A_B2B7_AD04,
    ),
];

const fn case(
    name: &'static str,
    codec: CodecId,
    level: Level,
    pixels: Pixels,
    answer: u64,
) -> Case {
    Case {
        name,
        codec,
        level,
        pixels,
        answer,
    }
}

/// Packs and unpacks made pictures and compares with the answers of the format; well under a second.
/// Daemons run it at start.
///
/// # Errors
/// When an answer is another one.
pub fn self_test() -> Result<(), SelfTestFailed> {
    for case in &CASES {
        let failed = || SelfTestFailed(case.name);
        let streams = case.pack().ok_or_else(failed)?;
        if fnv(&streams) != case.answer || !case.unpacks(&streams) {
            return Err(failed());
        }
    }
    Ok(())
}

impl Case {
    /// Flat, smooth and noisy areas and a moving edge, from integers alone.
    fn frame(&self, number: usize) -> Vec<u8> {
        let Pixels {
            rows,
            columns,
            bytes,
            samples,
            ..
        } = self.pixels;
        let mut seed = 1u32;
        let mut raw = Vec::new();
        for y in 0..rows as usize {
            // The upper rows are the last frame's again: so earlier frames are looked at, too.
            seed = if y < 25 {
                seed
            } else {
                seed.wrapping_add(number as u32)
            };
            for x in 0..columns as usize {
                for sample in 0..usize::from(samples) {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = (seed >> 28) as usize;
                    let value = match (x + y / 25 * number) / 13 {
                        0 => 0,
                        1 => 40 + y / 2 + sample,
                        2 => 30 + x + y + noise,
                        _ => 60 + x * y / 20 + noise / 4 + sample * 9,
                    };
                    let wide = (value * if bytes == 2 { 20 } else { 1 }) as u16;
                    raw.extend_from_slice(&wide.to_le_bytes()[..usize::from(bytes)]);
                }
            }
        }
        raw
    }

    fn pack(&self) -> Option<Vec<Vec<u8>>> {
        let layout = Layout::Native {
            pixels: self.pixels,
            first_row: 0,
        };
        let mut streams = Vec::new();
        let mut state: Option<State> = None;
        for number in 0..3 {
            let raw = self.frame(number);
            let job = Job {
                raw: &raw,
                layout,
                level: self.level,
                is_head: false,
            };
            let packed = codec::encode(self.codec, &job, state.as_ref())?;
            state = codec::decode(self.codec, &packed, raw.len() as u64, state)
                .ok()?
                .1;
            streams.push(packed);
        }
        Some(streams)
    }

    fn unpacks(&self, streams: &[Vec<u8>]) -> bool {
        let mut state = None;
        for (number, packed) in streams.iter().enumerate() {
            let raw = self.frame(number);
            match codec::decode(self.codec, packed, raw.len() as u64, state) {
                Ok((back, next)) if back == raw => state = next,
                _ => return false,
            }
        }
        true
    }
}

fn fnv(streams: &[Vec<u8>]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    streams.iter().flatten().fold(0xCBF2_9CE4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn path(case: &Case) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("vectors")
            .join(case.name)
    }

    /// `KAREZ_WRITE_VECTORS=1` writes them: only for a new codec number, never for an old one.
    #[test]
    fn version_1_vectors_are_written_and_read_the_same() {
        for case in &CASES {
            let streams = case.pack().unwrap();
            if std::env::var_os("KAREZ_WRITE_VECTORS").is_some() {
                println!("{} {:#018X}", case.name, fnv(&streams));
                for (number, stream) in streams.iter().enumerate() {
                    std::fs::write(path(case).with_extension(format!("{number}")), stream).unwrap();
                }
            }
            let read = |n| std::fs::read(path(case).with_extension(format!("{n}"))).unwrap();
            let committed: Vec<Vec<u8>> = (0..3).map(read).collect();
            assert!(streams == committed, "{}", case.name);
            assert!(case.unpacks(&committed), "{}", case.name);
        }
    }

    #[test]
    fn the_16_bit_vectors_look_at_earlier_frames() {
        for case in CASES.iter().filter(|case| case.name.starts_with("gray")) {
            let streams = case.pack().unwrap();
            assert!(streams[1][0] & 1 == 1, "{}", case.name);
        }
    }

    #[test]
    fn this_build_knows_the_answers() {
        assert_eq!(self_test(), Ok(()));
    }
}

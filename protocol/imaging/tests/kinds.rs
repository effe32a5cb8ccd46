//! Kinds of pixel data that no corpus of everyday files has: each comes back, and none is packed
//! worse than zstd would.
#![allow(clippy::unwrap_used)]
mod common;

use common::made::Random;
use common::{pack, round_trip};
use karez_imaging::{Level, Packer};

const ROWS: usize = 60;
const COLUMNS: usize = 72;

/// What a head says of its pixels.
#[derive(Clone, Copy)]
struct Kind {
    syntax: &'static str,
    samples: u16,
    allocated: u16,
    stored: u16,
    signed: u16,
    planar: u16,
    frames: usize,
    photometric: &'static [u8],
}

const GRAY: Kind = Kind {
    syntax: "1.2.840.10008.1.2.1\0",
    samples: 1,
    allocated: 16,
    stored: 12,
    signed: 0,
    planar: 0,
    frames: 1,
    photometric: b"MONOCHROME2 ",
};

fn element(tag: [u8; 4], vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let len = (value.len() as u16).to_le_bytes();
    [&tag, vr.as_slice(), &len, value].concat()
}

fn head(kind: &Kind) -> Vec<u8> {
    let number = |element_number: [u8; 2], value: u16| {
        let [low, high] = element_number;
        element([0x28, 0, low, high], b"US", &value.to_le_bytes())
    };
    let frames = format!("{:2}", kind.frames);
    [
        vec![0; 128],
        b"DICM".to_vec(),
        element([2, 0, 0x10, 0], b"UI", kind.syntax.as_bytes()),
        number([2, 0], kind.samples),
        element([0x28, 0, 4, 0], b"CS", kind.photometric),
        number([6, 0], kind.planar),
        element([0x28, 0, 8, 0], b"IS", frames.as_bytes()),
        number([0x10, 0], ROWS as u16),
        number([0x11, 0], COLUMNS as u16),
        number([0, 1], kind.allocated),
        number([1, 1], kind.stored),
        number([3, 1], kind.signed),
    ]
    .concat()
}

fn native(kind: &Kind, pixels: &[u8]) -> Vec<u8> {
    let len = (pixels.len() as u32).to_le_bytes();
    let start = [0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0];
    [&head(kind), start.as_slice(), &len, pixels].concat()
}

/// A slope with noise, by frame.
fn slope(frames: usize, seed: u64) -> Vec<i32> {
    let mut random = Random(seed);
    let mut value = |i: usize| {
        let (x, y, frame) = (i % COLUMNS, i / COLUMNS % ROWS, i / COLUMNS / ROWS);
        (x * 9 + y * 5 + frame * 3 + random.below(8)) as i32
    };
    (0..frames * ROWS * COLUMNS).map(&mut value).collect()
}

fn wide(samples: impl IntoIterator<Item = i32>) -> Vec<u8> {
    samples
        .into_iter()
        .flat_map(|v| (v as i16).to_le_bytes())
        .collect()
}

fn packed_len(level: Level, file: &[u8]) -> usize {
    let packed = pack(&mut Packer::new(level), 1, file);
    packed.parts.iter().map(|p| p.packed.len()).sum()
}

/// Restored at every level, and smaller than a share of the file at `mid` and `best`.
fn check(files: &[Vec<u8>], percent: usize) {
    for level in [Level::Fast, Level::Mid, Level::Best] {
        round_trip(level, files);
    }
    for level in [Level::Mid, Level::Best] {
        let len = packed_len(level, &files[0]);
        assert!(
            len * 100 < files[0].len() * percent,
            "{level}: {len} of {}",
            files[0].len()
        );
    }
}

#[test]
fn signed_values_with_padding_far_below() {
    let kind = Kind {
        signed: 1,
        stored: 16,
        ..GRAY
    };
    let file = |seed| {
        let padded = |(i, v)| if i % COLUMNS < 20 { -2000 } else { v - 300 };
        native(
            &kind,
            &wide(slope(1, seed).into_iter().enumerate().map(padded)),
        )
    };
    check(&[file(1), file(2)], 30);
}

#[test]
fn overlays_in_the_bits_above_those_stored() {
    let file = |seed| {
        let with = |(i, v)| v | if i % 40 < 9 { 0x1000 } else { 0 };
        native(
            &GRAY,
            &wide(slope(1, seed).into_iter().enumerate().map(with)),
        )
    };
    check(&[file(1), file(2)], 55);
}

#[test]
fn samples_in_the_high_bits_of_their_words() {
    let file = |seed| native(&GRAY, &wide(slope(1, seed).into_iter().map(|v| v << 4)));
    check(&[file(1), file(2)], 35);
}

#[test]
fn colour_by_plane_and_by_pixel_and_frames_of_both() {
    for (planar, photometric) in [(0, b"RGB "), (1, b"RGB "), (1, b"YBR ")] {
        let kind = Kind {
            samples: 3,
            allocated: 8,
            stored: 8,
            planar,
            frames: 3,
            photometric,
            ..GRAY
        };
        let gray: Vec<u8> = slope(3, 4).into_iter().map(|v| (v / 5) as u8).collect();
        let pixels: Vec<u8> = if planar == 1 {
            let frames = gray.chunks(ROWS * COLUMNS);
            frames.flat_map(|f| [f, f, f].concat()).collect()
        } else {
            gray.iter().flat_map(|&v| [v, v, v]).collect()
        };
        check(&[native(&kind, &pixels)], 20);
    }
}

#[test]
fn a_palette_in_no_order_and_one_bit_a_pixel() {
    let palette = Kind {
        allocated: 8,
        stored: 8,
        photometric: b"PALETTE COLOR ",
        ..GRAY
    };
    let index = |v: i32| ((v / 40) * 37 % 251) as u8;
    let pixels: Vec<u8> = slope(1, 5).into_iter().map(index).collect();
    check(&[native(&palette, &pixels)], 25);
    let bit = Kind {
        allocated: 1,
        stored: 1,
        ..GRAY
    };
    check(
        &[native(&bit, &[0xF0, 0x0F].repeat(ROWS * COLUMNS / 16))],
        60,
    );
}

#[test]
fn doses_of_32_bits_and_pixels_of_floating_point() {
    let dose = Kind {
        allocated: 32,
        stored: 32,
        frames: 2,
        ..GRAY
    };
    let values = slope(2, 6)
        .into_iter()
        .flat_map(|v| (v * 1000).to_le_bytes());
    check(&[native(&dose, &values.collect::<Vec<u8>>())], 60);
    let floats = slope(1, 7)
        .into_iter()
        .flat_map(|v| (v as f32 / 7.0).to_le_bytes());
    let mut file = native(&dose, &floats.collect::<Vec<u8>>());
    let at = file
        .windows(4)
        .position(|w| w == [0xE0, 0x7F, 0x10, 0])
        .unwrap();
    file[at + 2] = 8;
    check(&[file], 90);
}

#[test]
fn frames_cut_into_several_fragments_and_an_offset_table() {
    let kind = Kind {
        syntax: "1.2.840.10008.1.2.5\0",
        frames: 2,
        ..GRAY
    };
    let mut file = head(&kind);
    file.extend([
        0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
    ]);
    let mut random = Random(8);
    let mut item = |len: usize| {
        let len_bytes = (len as u32).to_le_bytes();
        let value: Vec<u8> = (0..len).map(|_| random.below(3) as u8).collect();
        [&[0xFE, 0xFF, 0, 0xE0], len_bytes.as_slice(), &value].concat()
    };
    for len in [8, 700, 300, 2, 900, 0, 64] {
        file.extend(item(len));
    }
    file.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    check(&[file], 60);
}

#[test]
fn deflated_data_sets_travel_as_they_are() {
    let kind = Kind {
        syntax: "1.2.840.10008.1.2.1.99",
        ..GRAY
    };
    let mut random = Random(9);
    let noise: Vec<u8> = (0..3000).map(|_| random.next() as u8).collect();
    let file = [head(&kind)[..168].to_vec(), noise].concat();
    round_trip(Level::Best, std::slice::from_ref(&file));
    assert!(packed_len(Level::Best, &file) < file.len() + 100);
}

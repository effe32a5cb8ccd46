//! A packer keeps to the codecs that the other end reads.
#![allow(clippy::unwrap_used)]
use karez_imaging::{CodecId, Codecs, Level, PackedItem, Packer, plan};

/// A head without a preamble that says 16 bits, and smooth samples.
fn picture() -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    let mut element = |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| {
        file.extend(tag);
        file.extend(vr);
        file.extend((value.len() as u16).to_le_bytes());
        file.extend(value);
    };
    element([2, 0, 0x10, 0], b"UI", b"1.2.840.10008.1.2.1\0");
    for (tag, value) in [(2, 1), (0x10, 64), (0x11, 64)] {
        element([0x28, 0, tag, 0], b"US", &u16::to_le_bytes(value));
    }
    for (tag, value) in [(0, 16), (1, 12), (3, 0)] {
        element([0x28, 0, tag, 1], b"US", &u16::to_le_bytes(value));
    }
    file.extend([0xe0, 0x7f, 0x10, 0]);
    file.extend(b"OW\0\0");
    file.extend((64 * 64 * 2u32).to_le_bytes());
    for i in 0..64 * 64u16 {
        file.extend((i % 64 * 9 + i / 64 * 5 + i.wrapping_mul(i) % 3).to_le_bytes());
    }
    file
}

fn used(level: Level, codecs: Codecs) -> Vec<CodecId> {
    let file = picture();
    let mut packer = Packer::new(level);
    packer.set_codecs(codecs);
    let mut used = Vec::new();
    let take = &mut |item: PackedItem<'_>| -> Result<(), ()> {
        used.push(item.packed.codec);
        Ok(())
    };
    packer.pack(1, &file, &plan(&file).unwrap(), take).unwrap();
    used
}

#[test]
fn a_packer_uses_no_codec_that_it_was_not_given() {
    for level in [Level::Fast, Level::Mid, Level::Best] {
        let all = used(level, Codecs::KNOWN);
        assert!(all[1].0 > 1, "{all:?}");
        let few = used(level, Codecs::of(&[1]));
        assert!(few.iter().all(|c| c.0 <= 1), "{few:?}");
        let none = used(level, Codecs::of(&[]));
        assert!(none.iter().all(|c| *c == CodecId::STORED), "{none:?}");
    }
}

#[test]
fn numbers_that_this_program_does_not_know_are_left_out() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(Codecs::of(&all), Codecs::KNOWN);
    assert_eq!(Codecs::KNOWN.numbers(), (0..9).collect::<Vec<u8>>());
    assert_eq!(Codecs::of(&[2, 5]).numbers(), [0, 2, 5]);
    assert!(!Codecs::KNOWN.has(CodecId(9)) && !Codecs::KNOWN.has(CodecId(200)));
}

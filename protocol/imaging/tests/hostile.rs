//! Damaged and invented streams give errors or wrong bytes, never a panic, a hang or a flood.
mod common;

use common::made::{self, PLAIN, Random, Shape};
use common::pack;
use karez_imaging::{CodecId, Level, PackedPart, Packer, PartRef, UnpackError, Unpacker};

const AT: PartRef = PartRef { record: 9, part: 1 };

fn unpack_alone(part: &PackedPart) -> Result<Vec<u8>, UnpackError<()>> {
    Unpacker::new().unpack(AT, part, &mut |_| Err(()))
}

fn packed_parts() -> Vec<PackedPart> {
    let shapes = [
        PLAIN,
        Shape { bits: 8, ..PLAIN },
        Shape {
            bits: 8,
            samples: 3,
            ..PLAIN
        },
        Shape {
            bits: 8,
            frames: 3,
            ..PLAIN
        },
    ];
    let mut parts = Vec::new();
    for level in [Level::Fast, Level::Mid, Level::Best] {
        for shape in &shapes {
            let packed = pack(&mut Packer::new(level), 1, &made::file(shape));
            parts.extend(packed.parts.into_iter().skip(1));
        }
    }
    parts
}

#[test]
fn a_damaged_stream_never_gives_more_than_was_declared() {
    let mut random = Random(77);
    let parts = packed_parts();
    for n in 0..3000 {
        let mut part = parts[n % parts.len()].clone();
        for _ in 0..=random.below(4) {
            let reach = if random.below(2) == 0 {
                24
            } else {
                part.packed.len()
            };
            let at = random.below(reach.min(part.packed.len()));
            part.packed[at] = random.next() as u8;
        }
        if random.below(4) == 0 {
            part.packed.truncate(random.below(part.packed.len()));
        }
        if random.below(8) == 0 {
            part.raw_len = random.next() % 20_000;
        }
        if let Ok(raw) = unpack_alone(&part) {
            assert_eq!(raw.len() as u64, part.raw_len);
        }
    }
}

#[test]
fn invented_streams_of_every_codec_are_survived() {
    let mut random = Random(78);
    for n in 0..4000u32 {
        let len = random.below(60);
        let mut packed: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        if let (Some(first), true) = (packed.first_mut(), random.below(2) == 0) {
            *first &= 0x1F;
        }
        let codec = CodecId((n % 9) as u8);
        let part = PackedPart {
            codec,
            raw_len: random.next() % 5000,
            packed,
            refs: Vec::new(),
        };
        if let Ok(raw) = unpack_alone(&part) {
            assert_eq!(raw.len() as u64, part.raw_len);
        }
    }
}

#[test]
fn a_declared_length_beyond_the_bound_is_refused() {
    for raw_len in [u64::MAX, 1 << 40, (32 << 20) + 1] {
        for codec in 0..9 {
            let part = PackedPart {
                codec: CodecId(codec),
                raw_len,
                packed: vec![0; 40],
                refs: Vec::new(),
            };
            assert!(unpack_alone(&part).is_err());
        }
    }
}

#[test]
fn references_that_go_round_or_forward_are_refused() {
    let own = |at: PartRef| PackedPart {
        codec: CodecId::ZSTD,
        raw_len: 10,
        packed: vec![1, 2, 3],
        refs: vec![at],
    };
    let forward = PartRef {
        record: 10,
        part: 0,
    };
    for at in [AT, forward] {
        let result = Unpacker::new().unpack(AT, &own(at), &mut |_| Ok::<_, ()>(own(AT)));
        assert!(matches!(result, Err(UnpackError::Chain)));
    }
    let mut fetched = 0;
    let mut back = |at: PartRef| {
        fetched += 1;
        Ok::<_, ()>(own(PartRef {
            record: at.record - 1,
            part: 0,
        }))
    };
    let far = PartRef {
        record: 1 << 40,
        part: 0,
    };
    let start = PartRef {
        record: (1 << 40) + 1,
        part: 0,
    };
    let result = Unpacker::new().unpack(start, &own(far), &mut back);
    assert!(matches!(result, Err(UnpackError::Chain)));
    assert!(fetched <= 16);
}

#[test]
fn a_part_on_the_wrong_predecessor_is_an_error_or_wrong_bytes_but_no_panic() {
    let parts = packed_parts();
    for first in &parts {
        for second in &parts {
            let mut unpacker = Unpacker::new();
            let refs = vec![PartRef { record: 1, part: 1 }];
            let second = PackedPart {
                refs,
                ..second.clone()
            };
            let mut fetch = |_| {
                Ok::<_, ()>(PackedPart {
                    refs: Vec::new(),
                    ..first.clone()
                })
            };
            let _ = unpacker.unpack(AT, &second, &mut fetch);
        }
    }
}

//! The memory of packing does not grow with the instance. Its own process: the peak is measured.
#![allow(clippy::unwrap_used)]
use std::io;

use karez_imaging::{ByteSource, Level, PackedItem, Packer, plan};

/// A multi-frame image that exists nowhere: frames of 1000 x 1000 samples of 16 bits.
struct Endless {
    head: Vec<u8>,
    frames: u64,
}

const SIDE: u64 = 1000;
const FRAME: u64 = SIDE * SIDE * 2;

impl Endless {
    fn new(frames: u64) -> Self {
        let mut head = vec![0; 128];
        head.extend(b"DICM");
        let mut put = |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| {
            head.extend(tag);
            head.extend(vr);
            head.extend((value.len() as u16).to_le_bytes());
            head.extend(value);
        };
        put([2, 0, 0x10, 0], b"UI", b"1.2.840.10008.1.2.1\0");
        put([0x28, 0, 2, 0], b"US", &1u16.to_le_bytes());
        put([0x28, 0, 0x10, 0], b"US", &1000u16.to_le_bytes());
        put([0x28, 0, 0x11, 0], b"US", &1000u16.to_le_bytes());
        put([0x28, 0, 0, 1], b"US", &16u16.to_le_bytes());
        head.extend([0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0]);
        head.extend(((frames * FRAME) as u32).to_le_bytes());
        Self { head, frames }
    }

    fn byte(&self, at: u64) -> u8 {
        let Some(at) = at.checked_sub(self.head.len() as u64) else {
            return self.head[at as usize];
        };
        let (frame, i) = (at / FRAME, at % FRAME / 2);
        let (x, y) = (i % SIDE, i / SIDE);
        let noise = (at / 2 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let noise = (noise ^ noise >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 59;
        let value = 500 + x / 2 + y + frame + noise;
        (value >> (8 * (at % 2))) as u8
    }
}

impl ByteSource for Endless {
    fn len(&self) -> u64 {
        self.head.len() as u64 + self.frames * FRAME
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        for (at, byte) in (offset..).zip(buf) {
            *byte = self.byte(at);
        }
        Ok(())
    }
}

/// Peak resident memory of this process in MiB (Linux).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

#[test]
fn packing_many_frames_takes_no_more_memory_than_packing_few() {
    for (level, frames) in [(Level::Fast, 30), (Level::Mid, 10), (Level::Best, 6)] {
        let source = Endless::new(frames);
        let plan = plan(&source).unwrap();
        assert!(plan.info.whole);
        let mut packed = 0;
        Packer::new(level)
            .pack(1, &source, &plan, &mut |item: PackedItem<'_>| {
                packed += item.packed.packed.len();
                Ok::<(), ()>(())
            })
            .unwrap();
        assert!((packed as u64) < source.len() / 2);
        println!(
            "{level}: {} MB packed to {packed}, peak {} MiB",
            source.len() >> 20,
            peak()
        );
    }
    assert!(peak() < 64, "{} MiB", peak());
}

//! One number for all streams of some files, to compare builds with:
//! `cargo run --release -p karez-imaging --example streams -- FILE...`
//!
//! The known answers come first: they are packed and unpacked.
#![allow(clippy::print_stdout)]
use std::collections::BTreeSet;

use karez_imaging::{Level, PackedItem, Packer, plan, self_test};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    self_test()?;
    let files: Vec<Vec<u8>> = std::env::args()
        .skip(1)
        .map(std::fs::read)
        .collect::<Result<_, _>>()?;
    for level in [Level::Fast, Level::Mid, Level::Best] {
        let mut packer = Packer::new(level);
        let (mut hash, mut bytes) = (0xCBF2_9CE4_8422_2325u64, 0);
        let mut codecs = BTreeSet::new();
        for (record, file) in (1..).zip(&files) {
            let take = &mut |item: PackedItem<'_>| -> Result<(), ()> {
                bytes += item.packed.packed.len();
                codecs.insert(item.packed.codec.name());
                for &byte in &item.packed.packed {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
                }
                Ok(())
            };
            let packed = packer.pack(record, file, &plan(file)?, take);
            packed.map_err(|_| "a file was not packed")?;
        }
        let (count, codecs) = (
            files.len(),
            codecs.into_iter().collect::<Vec<_>>().join(" "),
        );
        println!("{level}: {count} files, {bytes} bytes, {hash:016x}, {codecs}");
    }
    Ok(())
}

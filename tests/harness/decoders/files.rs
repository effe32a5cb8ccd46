//! Bytes from files: images, packed parts, the store's own files after rot, and profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karez_imaging::{
    CodecId, HEAD, Level, PackedItem, PackedPart, Packer, PartRef, Unpacker, plan,
};
use karez_protocol::id::SegmentId;
use karez_sim::profile::{Profile, Scenario};
use karez_sim::workload::Workload;
use karez_store::{Disk, Kind, MemDisk, OpenMode, Store};

use crate::made::Spec;

/// Longer input is cut: it only makes a run slow.
const FILE_MAX: usize = 1 << 16;
const DIR: &str = "store";
const SEGMENT: SegmentId = SegmentId([6; 16]);
const CHUNKS: u64 = 8;

/// Any file comes back as it was.
pub(super) fn walker(bytes: &[u8]) {
    let file = bytes.get(..FILE_MAX).unwrap_or(bytes).to_vec();
    let plan = plan(&file).unwrap();
    let mut parts = BTreeMap::new();
    let mut keep = |item: PackedItem<'_>| {
        parts.insert(item.part, item.packed);
        Ok::<(), ()>(())
    };
    Packer::new(Level::Fast)
        .pack(1, &file, &plan, &mut keep)
        .unwrap();
    let mut unpacker = Unpacker::new();
    let mut raw = |part: &u32| {
        let at = PartRef {
            record: 1,
            part: *part,
        };
        let mut fetch = |at: PartRef| parts.get(&at.part).cloned().ok_or(());
        unpacker.unpack(at, &parts[part], &mut fetch).unwrap()
    };
    let head = raw(&HEAD);
    let pixels: Vec<u8> = parts.keys().skip(1).flat_map(&mut raw).collect();
    let (prefix, suffix) = head.split_at(plan.head.prefix_len as usize);
    assert!(
        [prefix, &pixels, suffix].concat() == file,
        "a file came back changed"
    );
}

pub(super) fn instances() -> Vec<Vec<u8>> {
    let plain = Spec::new(1, 2000);
    let in_fragments = Spec {
        encapsulated: true,
        syntax: "1.2.840.10008.1.2.4.50".into(),
        ..plain.clone()
    };
    vec![plain.bytes(), in_fragments.bytes(), b"not DICOM".to_vec()]
}

/// A part from a peer: codec, two bytes of declared length, stream. Never more bytes than declared.
pub(super) fn unpack(bytes: &[u8]) {
    let Some(([codec, low, high], packed)) = bytes.split_first_chunk() else {
        return;
    };
    let part = PackedPart {
        codec: CodecId(*codec),
        raw_len: u64::from(u16::from_le_bytes([*low, *high])),
        packed: packed.to_vec(),
        refs: Vec::new(),
    };
    let at = PartRef { record: 1, part: 1 };
    let raw = Unpacker::new().unpack(at, &part, &mut |_| Err(()));
    assert!(raw.is_err() || raw.is_ok_and(|raw| raw.len() as u64 == part.raw_len));
}

pub(super) fn parts() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (level, file) in [Level::Fast, Level::Mid, Level::Best]
        .iter()
        .zip(instances())
    {
        let plan = plan(&file).unwrap();
        let mut keep = |item: PackedItem<'_>| {
            let [low, high, ..] = item.packed.raw_len.to_le_bytes();
            all.push([&[item.packed.codec.0, low, high], &item.packed.packed[..]].concat());
            Ok::<(), ()>(())
        };
        Packer::new(*level)
            .pack(1, &file, &plan, &mut keep)
            .unwrap();
    }
    all
}

/// A store over which bytes were written: which file, where, what. It opens or says why not, and
/// what it still gives is what was put there.
pub(super) fn pack(bytes: &[u8]) {
    let Some(([which, a, b, c], over)) = bytes.split_first_chunk() else {
        return;
    };
    let disk = MemDisk::new();
    fill(&disk);
    let files = files(&disk);
    let path = &files[usize::from(*which) % files.len()];
    let file = disk.open(path, OpenMode::ReadWrite).unwrap();
    let offset = u64::from(u32::from_le_bytes([*a, *b, *c, 0])) % (file.len().unwrap() + 8);
    file.write_at(offset, over).unwrap();
    drop(file);
    let Ok((mut store, _)) = Store::open(Arc::new(disk), Path::new(DIR)) else {
        return;
    };
    for number in 0..CHUNKS {
        if let Ok(read) = store.read(SEGMENT, Kind::Chunk, number) {
            assert_eq!(read, chunk(number), "a damaged chunk was given out");
        }
    }
    if store.has_segment(SEGMENT) {
        let _ = (
            store.chunks(SEGMENT),
            store.records(SEGMENT),
            store.rotten(SEGMENT),
        );
    }
}

pub(super) fn packs() -> Vec<Vec<u8>> {
    // The file, an offset into its first block or its entries, what is written there.
    vec![
        vec![0, 8, 0, 0, 2, 0, 0, 0],
        vec![1, 0, 32, 0, b'k', b'z', b'e', b'n', 1, 1],
        vec![2, 16, 32, 0, 0xff, 0xff, 0xff, 0xff],
    ]
}

fn fill(disk: &MemDisk) {
    let (mut store, _) = Store::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    store.create_segment(SEGMENT, b"head").unwrap();
    for number in 0..CHUNKS {
        store
            .append(SEGMENT, Kind::Chunk, number, &chunk(number))
            .unwrap();
    }
    store.append(SEGMENT, Kind::Record, 0, b"a record").unwrap();
    store.commit().unwrap();
}

fn files(disk: &MemDisk) -> Vec<PathBuf> {
    let dirs = ["packs", "journals"].map(|name| Path::new(DIR).join(name));
    let mut all = Vec::new();
    for dir in dirs {
        all.extend(disk.list(&dir).unwrap().iter().map(|name| dir.join(name)));
    }
    all
}

fn chunk(number: u64) -> Vec<u8> {
    blake3::hash(&number.to_le_bytes()).as_bytes().repeat(9)
}

/// A profile, scenario or workload that a person wrote.
pub(super) fn profile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Profile::from_toml("a file", &text, None);
    let _ = Scenario::from_toml("a file", &text, None);
    let _ = Workload::from_toml("a file", &text);
}

pub(super) fn profiles() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../sim/profiles/rural-3g.toml").to_vec(),
        include_bytes!("../../../sim/scenarios/panjgur.toml").to_vec(),
        include_bytes!("../../../sim/workloads/T1.toml").to_vec(),
    ]
}

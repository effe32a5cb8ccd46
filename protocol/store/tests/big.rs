//! A big segment: what it costs in memory and time. `KAREZ_BIG_MIB` sets its size.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

use std::sync::Arc;
use std::time::Instant;

use karez_protocol::id::SegmentId;
use karez_store::{Kind, RealDisk, Store};

const A: SegmentId = SegmentId([0xaa; 16]);
const CHUNK: usize = 32 * 1024 + 16;
/// Chunks of a part of 4 MiB; the last one is shorter.
const PART: u64 = 128;

/// Peak resident memory of this process so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A chunk that differs from all others, without the cost of a good hash.
fn fill(bytes: &mut Vec<u8>, number: u64) {
    bytes.resize(
        CHUNK
            - if number % PART == PART - 1 {
                1 + (number % 1000) as usize
            } else {
                0
            },
        0x5a,
    );
    bytes[..8].copy_from_slice(&number.to_le_bytes());
}

fn write_all(store: &mut Store, chunks: u64, bytes: &mut Vec<u8>) {
    store.create_segment(A, &[1; 200]).unwrap();
    for number in 0..chunks {
        fill(bytes, number);
        store.append(A, Kind::Chunk, number, bytes).unwrap();
        if number % 32 == 31 || number == chunks - 1 {
            store
                .append(A, Kind::Record, number / 32, &[7; 1100])
                .unwrap();
            store.commit().unwrap();
        }
    }
}

#[test]
fn a_big_segment_is_cheap_to_hold_and_quick_to_open() {
    let mib: u64 = std::env::var("KAREZ_BIG_MIB").map_or(600, |text| text.parse().unwrap());
    let chunks = mib * 32 + 100;
    let temporary = tempfile::tempdir().unwrap();
    let open = || Store::open(Arc::new(RealDisk), temporary.path()).unwrap();
    let before = peak();

    let (mut store, _) = open();
    let mut bytes = Vec::new();
    let start = Instant::now();
    write_all(&mut store, chunks, &mut bytes);
    println!("wrote {mib} MiB in {:.2?}", start.elapsed());
    // As a kill leaves it: the index file lags behind.
    drop(store);

    let start = Instant::now();
    let (store, recovery) = open();
    let (killed, found) = (start.elapsed(), &recovery.segments[&A]);
    println!(
        "opened after a kill in {killed:.2?}, {} bytes read",
        found.scanned
    );
    assert!(!found.rebuilt && found.scanned < 32 << 20);
    store.close().unwrap();

    let start = Instant::now();
    let (mut store, recovery) = open();
    let warm = start.elapsed();
    println!("opened warm in {warm:.2?}");
    assert!(recovery.segments.is_empty() && warm.as_secs() < 2);
    assert!(store.chunks(A) == [0..chunks]);
    let index = std::fs::metadata(temporary.path().join(format!("packs/{A}.index")))
        .unwrap()
        .len();
    println!("index file {index} bytes");

    let start = Instant::now();
    for number in (0..chunks).step_by(97) {
        fill(&mut bytes, number);
        assert!(store.read(A, Kind::Chunk, number).unwrap() == bytes);
    }
    println!(
        "read and proved {} chunks in {:.2?}",
        chunks.div_ceil(97),
        start.elapsed()
    );
    drop(store);

    std::fs::remove_file(temporary.path().join(format!("packs/{A}.index"))).unwrap();
    let start = Instant::now();
    let (store, recovery) = open();
    println!("rebuilt in {:.2?}", start.elapsed());
    assert!(recovery.segments[&A].rebuilt);
    assert!(store.chunks(A) == [0..chunks]);
    let grown = peak() - before;
    println!("peak memory grew by {grown} KiB");
    assert!(grown < 16 * 1024, "{grown} KiB");
}

//! The store as its owners use it, on a disk without faults.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

use std::path::Path;
use std::sync::Arc;

use karez_protocol::id::SegmentId;
use karez_store::{Disk, Error, Kind, MemDisk, Store};

const DIR: &str = "/data";
const A: SegmentId = SegmentId([0xaa; 16]);
const B: SegmentId = SegmentId([0xbb; 16]);

fn open(disk: &MemDisk) -> Store {
    let (store, recovery) = Store::open(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    assert!(recovery.is_clean(), "{recovery:?}");
    store
}

#[test]
fn what_was_committed_is_there_after_reopening_and_what_was_not_is_not_shown() {
    let disk = MemDisk::new();
    let mut store = open(&disk);
    store.create_segment(A, b"head").unwrap();
    for n in 0..10 {
        store.append(A, Kind::Chunk, n, &[n as u8; 1000]).unwrap();
    }
    assert!(!store.contains(A, Kind::Chunk, 3));
    store.append(A, Kind::Record, 0, b"record").unwrap();
    store.append(A, Kind::Note(7), 5, b"note").unwrap();
    let commit = store.commit().unwrap();
    assert_eq!(commit.entries.len(), 12);
    assert_eq!(
        (commit.entries[3].kind(), commit.entries[3].number()),
        (Kind::Chunk, 3)
    );
    drop(store);

    let mut store = open(&disk);
    assert_eq!(store.head(A), Some(&b"head"[..]));
    assert_eq!(store.chunks(A), [0..10]);
    assert_eq!(store.records(A), [0..1]);
    assert_eq!(store.read(A, Kind::Chunk, 9).unwrap(), [9; 1000]);
    let hash = store.hash(A, Kind::Record, 0).unwrap();
    assert_eq!(hash, Some(*blake3::hash(b"record").as_bytes()));
    let mut notes = Vec::new();
    store
        .notes(A, &mut |tag, number, payload| {
            notes.push((tag, number, payload.to_vec()));
        })
        .unwrap();
    assert_eq!(notes, [(7, 5, b"note".to_vec())]);
    assert!(matches!(
        store.read(A, Kind::Chunk, 10),
        Err(Error::NoEntry { .. })
    ));
    assert!(matches!(
        store.read(B, Kind::Chunk, 10),
        Err(Error::NoSegment(_))
    ));
}

#[test]
fn a_repeat_is_proved_again_and_a_contradiction_is_refused() {
    let disk = MemDisk::new();
    let mut store = open(&disk);
    store.create_segment(A, b"").unwrap();
    store.create_segment(A, b"").unwrap();
    assert!(matches!(
        store.create_segment(A, b"x"),
        Err(Error::Conflict { .. })
    ));
    store.append(A, Kind::Chunk, 1, b"one").unwrap();
    store.append(A, Kind::Chunk, 1, b"one").unwrap();
    assert!(matches!(
        store.append(A, Kind::Chunk, 1, b"two"),
        Err(Error::Conflict { .. })
    ));
    assert_eq!(store.commit().unwrap().entries.len(), 1);
    let bytes = store.bytes(A);
    store.append(A, Kind::Chunk, 1, b"one").unwrap();
    assert!(matches!(
        store.append(A, Kind::Chunk, 1, b"two"),
        Err(Error::Conflict { .. })
    ));
    assert_eq!(store.commit().unwrap().entries.len(), 1);
    assert_eq!(store.bytes(A), bytes);
}

#[test]
fn a_journal_keeps_order_and_its_positions_never_name_two_entries() {
    let disk = MemDisk::new();
    let mut store = open(&disk);
    assert_eq!(store.journal_append("ledger", b"a").unwrap(), 0);
    assert_eq!(store.journal_append("ledger", b"b").unwrap(), 1);
    let commit = store.commit().unwrap();
    assert_eq!(
        (commit.notes[1].journal(), commit.notes[1].position()),
        ("ledger", 1)
    );
    assert_eq!(store.journal_rewrite("ledger", [b"ab"]).unwrap(), 2);
    assert_eq!(store.journal_append("ledger", b"c").unwrap(), 3);
    store.commit().unwrap();
    drop(store);

    let mut store = open(&disk);
    let mut seen = Vec::new();
    let rotten = store.journal_read_all("ledger", &mut |p, bytes| seen.push((p, bytes.to_vec())));
    assert_eq!(rotten.unwrap(), 0);
    assert_eq!(seen, [(2, b"ab".to_vec()), (3, b"c".to_vec())]);
    assert_eq!(store.journal_append("ledger", b"d").unwrap(), 4);
    assert!(matches!(
        store.journal_append("../x", b""),
        Err(Error::BadName)
    ));
}

#[test]
fn a_rewritten_segment_holds_what_was_kept_and_a_removed_one_is_gone() {
    let disk = MemDisk::new();
    let mut store = open(&disk);
    for segment in [A, B] {
        store.create_segment(segment, b"head").unwrap();
        for n in 0..100 {
            store
                .append(segment, Kind::Chunk, n, &[n as u8; 3000])
                .unwrap();
        }
    }
    store.rewrite_segment(A, &|_, n| n % 10 == 0).unwrap();
    assert_eq!(store.commit().unwrap().entries.len(), 110);
    assert!(store.bytes(A) < 40_000 && store.bytes(B) > 300_000);
    store.append(A, Kind::Chunk, 1, b"again").unwrap();
    store.commit().unwrap();
    store.remove_segment(B).unwrap();
    store.remove_segment(B).unwrap();
    store.close().unwrap();

    let mut store = open(&disk);
    assert_eq!(store.segments().collect::<Vec<_>>(), [A]);
    assert_eq!(
        store.chunks(A),
        [
            0..2,
            10..11,
            20..21,
            30..31,
            40..41,
            50..51,
            60..61,
            70..71,
            80..81,
            90..91
        ]
    );
    assert_eq!(store.read(A, Kind::Chunk, 90).unwrap(), [90; 3000]);
    assert_eq!(store.read(A, Kind::Chunk, 1).unwrap(), b"again");
    assert_eq!(store.head(A), Some(&b"head"[..]));
    assert_eq!(disk.list(&Path::new(DIR).join("packs")).unwrap().len(), 2);
}

#[test]
fn no_proof_is_handed_out_of_what_was_removed_since() {
    let disk = MemDisk::new();
    let mut store = open(&disk);
    for segment in [A, B] {
        store.create_segment(segment, b"head").unwrap();
        store.append(segment, Kind::Chunk, 0, b"x").unwrap();
    }
    store.journal_append("ledger", b"old").unwrap();
    // Commits by itself; the proofs wait.
    store.journal_rewrite("ledger", [b"new"]).unwrap();
    store.remove_segment(B).unwrap();
    let commit = store.commit().unwrap();
    assert_eq!(commit.entries.len(), 1);
    assert_eq!(commit.entries[0].segment(), A);
    assert!(commit.notes.is_empty());
}

#[test]
fn a_second_store_on_the_same_directory_is_refused_in_words() {
    let disk = MemDisk::new();
    let first = open(&disk);
    let second = Store::open(Arc::new(disk.clone()), Path::new(DIR)).map(drop);
    assert!(matches!(second, Err(Error::Locked)));
    drop(first);
    open(&disk);
}

#[test]
fn what_is_durable_and_nothing_else_is_proved_to_the_core() {
    use karez_protocol::resume::{self, What};

    let disk = MemDisk::new();
    let mut store = open(&disk);
    store.create_segment(A, b"head").unwrap();
    for n in [0, 1, 5] {
        store.append(A, Kind::Chunk, n, &[7; 300]).unwrap();
    }
    assert_eq!(store.held(A, Kind::Chunk).count(), 0);
    let proofs = store.commit().unwrap().entries;
    let tokens: Vec<resume::Stored> = proofs.into_iter().map(Into::into).collect();
    assert!(store.held(A, Kind::Chunk).eq(tokens));
    store.append(A, Kind::Chunk, 6, &[7; 300]).unwrap();
    let numbers = store.held(A, Kind::Chunk).map(|token| token.what());
    assert!(numbers.eq([What::Chunk(0), What::Chunk(1), What::Chunk(5)]));
    assert_eq!(store.held_bytes(A, Kind::Chunk), 900);
    assert_eq!(store.held_bytes(A, Kind::Record), 0);
}

//! The operating system's disk.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use karez_protocol::id::SegmentId;
use karez_store::{Blobs, Disk, Kind, OpenMode, RealDisk, Store, write_atomically};

const A: SegmentId = SegmentId([0xaa; 16]);

fn open(dir: &Path) -> Store {
    let (store, recovery) = Store::open(Arc::new(RealDisk), dir).unwrap();
    assert!(recovery.is_clean(), "{recovery:?}");
    store
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_store_on_a_real_disk_keeps_what_it_is_given() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("a/b");
    let mut store = open(&dir);
    store.create_segment(A, b"head").unwrap();
    for n in 0..1000 {
        store
            .append(A, Kind::Chunk, n, &n.to_le_bytes().repeat(100))
            .unwrap();
    }
    store.journal_append("ledger", b"line").unwrap();
    assert_eq!(store.commit().unwrap().entries.len(), 1000);
    store
        .append(A, Kind::Chunk, 1000, b"not committed")
        .unwrap();
    drop(store);

    let mut store = open(&dir);
    assert!(store.contains(A, Kind::Chunk, 999));
    store.rewrite_segment(A, &|_, n| n < 10).unwrap();
    store.close().unwrap();
    let mut store = open(&dir);
    assert_eq!(
        store.read(A, Kind::Chunk, 9).unwrap(),
        9u64.to_le_bytes().repeat(100)
    );
    assert!(!store.contains(A, Kind::Chunk, 10));
    assert!(store.space().unwrap().free > 0);
    store.remove_segment(A).unwrap();
    assert!(store.bytes_total() > 8192);
}

#[test]
fn nobody_else_may_read_the_files() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("data");
    let mut store = open(&dir);
    store.create_segment(A, b"head").unwrap();
    store.save_index().unwrap();
    write_atomically(&RealDisk, &dir.join("key"), b"secret").unwrap();
    let blobs = Blobs::open(Arc::new(RealDisk), &dir.join("ingest")).unwrap();
    blobs.create("00").unwrap().sync().unwrap();
    for file in [
        "lock",
        "key",
        "ingest/00",
        &format!("packs/{A}.pack"),
        &format!("packs/{A}.index"),
    ] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    for made in ["", "packs", "journals", "ingest"] {
        assert_eq!(mode(&dir.join(made)), 0o700, "{made}");
    }
}

#[test]
fn files_behave_as_the_trait_says() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("f");
    let file = RealDisk.open(&path, OpenMode::CreateNew).unwrap();
    assert!(RealDisk.open(&path, OpenMode::CreateNew).is_err());
    assert!(file.is_empty().unwrap());
    file.write_at(3, b"abc").unwrap();
    let mut bytes = [1; 6];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0abc");
    let short = file.read_at(1, &mut bytes).unwrap_err();
    assert_eq!(short.kind(), std::io::ErrorKind::UnexpectedEof);
    file.set_len(4).unwrap();
    file.sync().unwrap();
    assert_eq!(RealDisk.len(&path).unwrap(), Some(4));
    assert_eq!(RealDisk.len(&temporary.path().join("none")).unwrap(), None);
    let entries = RealDisk.entries(temporary.path()).unwrap();
    assert_eq!(entries[0].name, "f");
}

#[test]
fn a_stamp_changes_with_each_write_and_stays_with_a_rename() {
    fn watch(disk: &dyn Disk, dir: &Path) {
        let (old, new) = (dir.join("old"), dir.join("new"));
        assert_eq!(disk.stamp(&old).unwrap(), None);
        let file = disk.open(&old, OpenMode::CreateNew).unwrap();
        file.write_at(0, b"one").unwrap();
        let first = disk.stamp(&old).unwrap().unwrap();
        assert_eq!(first.len, 3);
        // Clocks of file systems tick every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(30));
        file.write_at(0, b"two").unwrap();
        let second = disk.stamp(&old).unwrap().unwrap();
        assert_eq!(second.len, 3);
        assert!(second.modified > first.modified);
        disk.rename(&old, &new).unwrap();
        assert_eq!(disk.stamp(&new).unwrap(), Some(second));
        assert_eq!(disk.stamp(dir).unwrap(), None);
    }
    let temporary = tempfile::tempdir().unwrap();
    watch(&RealDisk, temporary.path());
    let memory = karez_store::MemDisk::new();
    memory.create_dir_all(Path::new("/in")).unwrap();
    watch(&memory, Path::new("/in"));
}

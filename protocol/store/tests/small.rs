//! Scratch blobs, files written whole, and the hook that sees what is durable.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use karez_store::{
    Blobs, Disk, Error, Fault, Kind, MemDisk, OpenMode, Store, read_whole, write_atomically,
};

fn dir() -> &'static Path {
    Path::new("/data")
}

fn blobs(disk: &MemDisk) -> Blobs {
    Blobs::open(Arc::new(disk.clone()), dir()).unwrap()
}

#[test]
fn a_synced_blob_survives_any_crash_with_its_name() {
    for seed in 0..40 {
        let disk = MemDisk::new();
        let mut blob = blobs(&disk).create("0abc").unwrap();
        blob.append(&[1; 5000]).unwrap();
        blob.append(&[2; 5000]).unwrap();
        blob.sync().unwrap();
        blob.append(&[3; 5000]).unwrap();
        disk.crash(seed);
        assert_eq!(blobs(&disk).names().unwrap(), ["0abc"]);
        let blob = blobs(&disk).get("0abc").unwrap();
        let mut bytes = [0; 10_000];
        blob.read_at(0, &mut bytes).unwrap();
        assert!(bytes[..5000] == [1; 5000] && bytes[5000..] == [2; 5000]);
    }
}

#[test]
fn a_removed_blob_stays_away_once_the_directory_is_synced() {
    for seed in 0..20 {
        let disk = MemDisk::new();
        let blobs = blobs(&disk);
        blobs.create("01").unwrap().sync().unwrap();
        blobs.remove("01").unwrap();
        blobs.remove("01").unwrap();
        blobs.sync().unwrap();
        disk.crash(seed);
        assert!(blobs.names().unwrap().is_empty());
    }
}

#[test]
fn a_blob_ends_where_it_did_when_the_disk_is_full() {
    let disk = MemDisk::new();
    disk.set_capacity(Some(16 * 1024));
    let mut blob = blobs(&disk).create("02").unwrap();
    blob.append(&[1; 10_000]).unwrap();
    let error = blob.append(&[2; 10_000]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Full {
                free: 4096,
                needed: 10_000,
                ..
            }
        ),
        "{error}"
    );
    disk.fail_at(1, Fault::Io, false);
    blob.append(&[2; 100]).unwrap_err();
    blob.append(&[3; 100]).unwrap();
    assert_eq!(blob.len(), 10_100);
    let mut last = [0; 100];
    blob.read_at(10_000, &mut last).unwrap();
    assert_eq!(last, [3; 100]);
}

#[test]
fn a_blob_has_a_hexadecimal_name_of_its_own() {
    let disk = MemDisk::new();
    let blobs = blobs(&disk);
    for bad in ["", "../up", "Anna", "x", &"0".repeat(65)] {
        assert!(
            matches!(blobs.create(bad).map(drop), Err(Error::BadName)),
            "{bad}"
        );
    }
    blobs.create("ff").unwrap();
    assert!(matches!(
        blobs.create("ff").map(drop),
        Err(Error::Conflict { .. })
    ));
    disk.open(&dir().join("stranger"), OpenMode::CreateNew)
        .unwrap();
    assert_eq!(blobs.names().unwrap(), ["ff"]);
}

#[test]
fn a_file_written_atomically_is_old_or_new_and_never_half() {
    let path = dir().join("config.toml");
    let (old, new) = (vec![b'o'; 3000], vec![b'n'; 9000]);
    let (mut kept, mut replaced) = (0, 0);
    for call in 1..10 {
        for seed in 0..30 {
            let disk = MemDisk::new();
            disk.create_dir_all(dir()).unwrap();
            write_atomically(&disk, &path, &old).unwrap();
            disk.kill_at_call(call);
            let written = write_atomically(&disk, &path, &new).is_ok();
            disk.crash(seed);
            let found = read_whole(&disk, &path, 10_000).unwrap().unwrap();
            assert!(
                found == new || (found == old && !written),
                "call {call}, seed {seed}"
            );
            kept += u32::from(found == old);
            replaced += u32::from(found == new && !written);
        }
    }
    assert!(kept > 0 && replaced > 0);
    assert_eq!(read_whole(&MemDisk::new(), &path, 1).unwrap(), None);
}

#[test]
fn a_failed_atomic_write_leaves_the_old_file_and_no_litter() {
    for call in 1..6 {
        for fault in [Fault::Io, Fault::Full] {
            let disk = MemDisk::new();
            disk.create_dir_all(dir()).unwrap();
            let path = dir().join("key");
            write_atomically(&disk, &path, b"old").unwrap();
            disk.fail_at(call, fault, false);
            if write_atomically(&disk, &path, b"new").is_err() {
                assert_eq!(read_whole(&disk, &path, 10).unwrap().unwrap(), b"old");
            }
            assert_eq!(disk.list(dir()).unwrap(), ["key"]);
        }
    }
}

#[test]
fn the_hook_sees_bytes_when_they_become_durable_and_not_before() {
    let disk = MemDisk::new();
    let (syncs, seen) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (count, at) = (Arc::clone(&syncs), Arc::clone(&seen));
    disk.on_sync(move |durable| {
        let now = count.fetch_add(1, Ordering::Relaxed) + 1;
        for path in durable.paths() {
            let bytes = durable.read(path).unwrap();
            if bytes.windows(6).any(|window| window == b"secret") {
                at.lock().unwrap().push((now, path.to_owned()));
            }
        }
    });
    let segment = karez_protocol::id::SegmentId([1; 16]);
    let (mut store, _) = Store::open(Arc::new(disk.clone()), dir()).unwrap();
    store.create_segment(segment, b"head").unwrap();
    store
        .append(segment, Kind::Note(1), 1, b"a secret here")
        .unwrap();
    let before = syncs.load(Ordering::Relaxed);
    assert!(before > 0 && seen.lock().unwrap().is_empty());
    store.commit().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, before + 1);
    assert_eq!(u64::from(before + 1), disk.syncs());
}

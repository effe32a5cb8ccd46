//! Index files lie, formats change, crashes leave litter: the packs are the truth.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

mod common;

use std::path::Path;

use common::closed::{ENTRIES, index, name, pack, stored, the_rest_stands};
use common::{DIR, Step, World, lines, segment};
use karez_store::{Disk, Kind, OpenMode, read_whole};

/// Opens the store and says whether its index was rebuilt.
fn rebuilt(world: &mut World) -> bool {
    world.store = None;
    let recovery = world.open().unwrap();
    assert!(recovery.is_clean(), "{recovery:?}");
    world.check();
    the_rest_stands(world.store.as_mut().unwrap(), &[]);
    recovery
        .segments
        .get(&segment(1))
        .is_some_and(|found| found.rebuilt)
}

fn write(world: &World, path: &Path, bytes: &[u8]) {
    let _ = world.disk.remove(path);
    world
        .disk
        .open(path, OpenMode::CreateNew)
        .unwrap()
        .write_at(0, bytes)
        .unwrap();
}

fn read(world: &World, path: &Path) -> Vec<u8> {
    read_whole(&world.disk, path, 1 << 20).unwrap().unwrap()
}

#[test]
fn an_index_file_that_is_missing_damaged_or_cut_is_rebuilt() {
    assert!(!rebuilt(&mut stored(true)));
    let whole = read(&stored(true), &index());
    for byte in 0..whole.len() as u64 {
        let mut world = stored(true);
        assert!(world.disk.rot(&index(), byte * 8 + byte % 8));
        assert!(rebuilt(&mut world), "byte {byte}");
        let mut world = stored(true);
        write(&world, &index(), &whole[..byte as usize]);
        assert!(rebuilt(&mut world), "cut at {byte}");
    }
    let mut world = stored(true);
    world.disk.remove(&index()).unwrap();
    assert!(rebuilt(&mut world));
}

#[test]
fn a_stale_index_is_brought_up_to_date_and_one_of_another_pack_is_not_believed() {
    let mut world = stored(true);
    let old = read(&world, &index());
    let old_pack = read(&world, &pack());
    world.step(&Step::Append(1, Kind::Chunk, 50, 5000)).unwrap();
    world.step(&Step::Commit).unwrap();
    world.step(&Step::SaveIndex).unwrap();
    world.store = None;
    let new = read(&world, &index());
    write(&world, &index(), &old);
    assert!(!rebuilt(&mut world), "an older index is a good start");
    assert!(
        world
            .store
            .as_ref()
            .unwrap()
            .contains(segment(1), Kind::Chunk, 50)
    );

    // Only the pack restored from an old copy.
    let mut world = stored(true);
    write(&world, &pack(), &old_pack);
    write(&world, &index(), &new);
    assert!(rebuilt(&mut world), "an index of the future");

    // A pack that lost its end.
    let mut world = stored(true);
    let whole = read(&world, &pack());
    write(&world, &pack(), &whole[..whole.len() - 8]);
    let recovery = world.open().unwrap();
    assert!(recovery.segments[&segment(1)].rebuilt);
    assert_eq!(
        recovery.segments[&segment(1)].torn_entries,
        [name(ENTRIES.len() - 1)]
    );
    the_rest_stands(world.store.as_mut().unwrap(), &[ENTRIES.len() - 1]);

    // An index from before the pack was written anew.
    let mut world = stored(true);
    world.step(&Step::Rewrite(1, 1)).unwrap();
    world.store = None;
    write(&world, &index(), &old);
    assert!(rebuilt(&mut world), "an index of another generation");
}

#[test]
fn an_index_from_before_a_rewrite_is_not_believed_even_if_its_last_entry_stands_there_again() {
    let mut world = World::new();
    world.step(&Step::Create(1)).unwrap();
    let store = |world: &mut World, number| {
        let kind = Kind::Chunk;
        world.step(&Step::Append(1, kind, number, 100)).unwrap();
        world.step(&Step::Commit).unwrap();
    };
    [0, 1, 2].into_iter().for_each(|n| store(&mut world, n));
    world.step(&Step::SaveIndex).unwrap();
    let old = read(&world, &index());
    world.step(&Step::Rewrite(1, 3)).unwrap();
    [4, 2].into_iter().for_each(|n| store(&mut world, n));
    world.store = None;
    write(&world, &index(), &old);
    let recovery = world.open().unwrap();
    assert!(recovery.segments[&segment(1)].rebuilt);
    world.check();
    assert_eq!(
        world.store.as_ref().unwrap().chunks(segment(1)),
        [0..1, 2..3, 4..5]
    );
}

#[test]
fn a_newer_format_is_refused_in_words_and_left_alone() {
    let mut world = stored(true);
    world.store = None;
    let before = {
        let mut bytes = read(&world, &pack());
        (bytes[8], bytes[4096 + 8]) = (2, 2);
        write(&world, &pack(), &bytes);
        bytes
    };
    let error = world.open().unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("written by a newer version (format 2, this one knows 1)"),
        "{text}"
    );
    assert_eq!(read(&world, &pack()), before);
}

#[test]
fn what_a_crash_left_unfinished_is_tidied_and_strangers_are_left_alone() {
    let mut world = stored(true);
    for name in ["x.pack.new", "00.index", "notes.txt", "zz.pack"] {
        write(&world, &Path::new(DIR).join("packs").join(name), b"x");
    }
    let recovery = world.open().unwrap();
    assert_eq!(recovery.leftovers, 2);
    let names = world.disk.list(&Path::new(DIR).join("packs")).unwrap();
    assert!(names.contains(&"notes.txt".to_owned()) && names.contains(&"zz.pack".to_owned()));
    assert_eq!(
        lines(world.store.as_mut().unwrap(), "ledger")
            .unwrap()
            .len(),
        ENTRIES.len()
    );
}

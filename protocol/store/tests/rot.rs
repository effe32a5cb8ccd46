//! Bits flip, sectors die, index files lie: the damage is named, and everything else is there.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

mod common;

use std::path::{Path, PathBuf};

use common::{DIR, Step, World, contents, lines, payload, segment};
use karez_store::{Disk, Error, Kind, OpenMode, Recovery, Store, read_whole};

const ENTRIES: [(Kind, u64, usize); 6] = [
    (Kind::Chunk, 0, 100),
    (Kind::Chunk, 1, 100),
    (Kind::Record, 0, 61),
    (Kind::Note(9), 4, 0),
    (Kind::Chunk, 2, 100),
    (Kind::Record, 1, 7),
];

fn pack() -> PathBuf {
    Path::new(DIR).join(format!("packs/{}.pack", segment(1)))
}

fn index() -> PathBuf {
    Path::new(DIR).join(format!("packs/{}.index", segment(1)))
}

fn journal() -> PathBuf {
    Path::new(DIR).join("journals/ledger.journal")
}

/// A closed store of two commits; with `warm`, its index file is up to date.
fn stored(warm: bool) -> World {
    let mut world = World::new();
    world.step(&Step::Create(1)).unwrap();
    for (n, (kind, number, length)) in ENTRIES.into_iter().enumerate() {
        world.step(&Step::Append(1, kind, number, length)).unwrap();
        world.step(&Step::Note(0, 30)).unwrap();
        if n == 3 {
            world.step(&Step::Commit).unwrap();
        }
    }
    world.step(&Step::Commit).unwrap();
    if warm {
        world.step(&Step::SaveIndex).unwrap();
    }
    world.store = None;
    world
}

/// Where each entry stands in the file: start, end of the payload, end.
fn places(lengths: impl IntoIterator<Item = usize>) -> Vec<(u64, u64, u64)> {
    let mut at = 8192;
    let mut places = Vec::new();
    for length in lengths {
        let end = at + 64 + length as u64;
        places.push((at, end, end.next_multiple_of(8)));
        at = end.next_multiple_of(8);
    }
    places
}

fn name(of: usize) -> (Kind, u64) {
    (ENTRIES[of].0, ENTRIES[of].1)
}

fn bytes(of: usize) -> Vec<u8> {
    payload(1, ENTRIES[of].0, ENTRIES[of].1, ENTRIES[of].2)
}

/// Everything but the entries in `lost` is there, and they can be stored anew.
fn the_rest_stands(store: &mut Store, lost: &[usize]) {
    let there = contents(store, segment(1)).unwrap();
    for of in 0..ENTRIES.len() {
        let expected = (!lost.contains(&of)).then(|| bytes(of));
        assert_eq!(
            there.get(&name(of)),
            expected.as_ref(),
            "entry {of}, lost {lost:?}"
        );
    }
    for of in 0..ENTRIES.len() {
        let (kind, number) = name(of);
        store.append(segment(1), kind, number, &bytes(of)).unwrap();
    }
    assert_eq!(store.commit().unwrap().entries.len(), ENTRIES.len());
}

#[test]
fn a_flipped_bit_anywhere_in_a_pack_costs_the_one_entry_that_it_hit() {
    let places = places(ENTRIES.map(|(.., length)| length));
    for warm in [false, true] {
        for byte in 8192..places[ENTRIES.len() - 1].2 {
            let mut world = stored(warm);
            assert!(world.disk.rot(&pack(), byte * 8 + byte % 8));
            let hit = places
                .iter()
                .position(|place| (place.0..place.1).contains(&byte));
            let recovery = world.open().unwrap();
            let store = world.store.as_mut().unwrap();
            let rotten = store.verify(segment(1)).unwrap();
            let lost: Vec<usize> = hit.into_iter().collect();
            let told = !recovery.is_clean() || !rotten.is_empty();
            assert_eq!(told, hit.is_some(), "byte {byte}: {recovery:?}, {rotten:?}");
            the_rest_stands(store, &lost);
            world.store = None;
            let again = world.open().unwrap();
            assert!(
                again
                    .segments
                    .get(&segment(1))
                    .is_none_or(|f| f.rotten.is_empty()),
                "{again:?}"
            );
            the_rest_stands(world.store.as_mut().unwrap(), &[]);
        }
    }
}

#[test]
fn rot_of_what_was_committed_is_told_from_what_a_crash_tore() {
    let places = places(ENTRIES.map(|(.., length)| length));
    let look = |byte: u64| -> Recovery {
        let mut world = stored(false);
        assert!(world.disk.rot(&pack(), byte * 8));
        world.open().unwrap()
    };
    let first = look(places[1].0 + 70);
    assert_eq!(first.segments[&segment(1)].rotten, [name(1)]);
    let header = look(places[1].0 + 20);
    assert_eq!(
        header.segments[&segment(1)].damaged,
        [places[1].0..places[1].2]
    );
    let inside = look(places[4].0 + 70);
    assert_eq!(inside.segments[&segment(1)].torn_entries, [name(4)]);
    assert_eq!(inside.segments[&segment(1)].torn, places[4].2 - places[4].0);
    let tail = look(places[5].0 + 70);
    assert_eq!(tail.segments[&segment(1)].torn_entries, [name(5)]);
    assert_eq!(tail.segments[&segment(1)].cut, places[5].2 - places[5].0);
}

#[test]
fn a_preamble_block_is_mended_from_the_other() {
    for block in [0, 4096] {
        for byte in (0..128 + 64 + 100).filter(|byte| !(72..128).contains(byte)) {
            let mut world = stored(true);
            assert!(world.disk.rot(&pack(), (block + byte) * 8 + 5));
            assert!(world.disk.rot(&journal(), (block + byte.min(71)) * 8 + 5));
            let recovery = world.open().unwrap();
            assert!(recovery.segments[&segment(1)].repaired, "{block} {byte}");
            assert!(recovery.journals["ledger"].repaired, "{block} {byte}");
            world.check();
            world.store = None;
            assert!(world.open().unwrap().is_clean());
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_journal_costs_one_line() {
    let places = places([30; ENTRIES.len()]);
    for byte in 8192..places[ENTRIES.len() - 1].2 {
        let mut world = stored(true);
        assert!(world.disk.rot(&journal(), byte * 8 + byte % 8));
        let hit = places
            .iter()
            .position(|place| (place.0..place.1).contains(&byte));
        let recovery = world.open().unwrap();
        assert_eq!(recovery.is_clean(), hit.is_none(), "byte {byte}");
        let mut seen = Vec::new();
        let store = world.store.as_mut().unwrap();
        let gone = store
            .journal_read_all("ledger", &mut |position, _| seen.push(position))
            .unwrap();
        let all = 0..ENTRIES.len() as u64;
        assert_eq!(
            seen,
            all.filter(|n| Some(*n as usize) != hit).collect::<Vec<_>>(),
            "byte {byte}"
        );
        assert_eq!(
            gone > 0,
            hit.is_some_and(|n| n < 4),
            "byte {byte}: the torn are no more"
        );
    }
}

#[test]
fn an_unreadable_sector_costs_what_it_holds_and_can_be_given_up() {
    let mut world = stored(true);
    world.open().unwrap();
    let places = places(ENTRIES.map(|(.., length)| length));
    assert!(world.disk.spoil(&pack(), places[4].0 + 3));
    let store = world.store.as_mut().unwrap();
    let verified = store.verify_some(segment(1), None, u64::MAX).unwrap();
    assert!(verified.rotten.is_empty() && !verified.unreadable.is_empty());
    let error = store.read(segment(1), Kind::Chunk, 2).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    let gone = verified.unreadable.clone();
    for (kind, number) in verified.unreadable {
        store.condemn(segment(1), kind, number);
    }
    assert_eq!(store.rotten(segment(1)), gone);
    let lost: Vec<usize> = (0..ENTRIES.len())
        .filter(|of| gone.contains(&name(*of)))
        .collect();
    the_rest_stands(store, &lost);
    world.store = None;

    // Without an index the whole file is read, around the hole.
    let mut world = stored(false);
    assert!(world.disk.spoil(&pack(), places[1].0 + 3));
    let recovery = world.open().unwrap();
    assert!(
        recovery.segments[&segment(1)].failed.is_none(),
        "{recovery:?}"
    );
    assert!(!recovery.is_clean());
    let there = contents(world.store.as_mut().unwrap(), segment(1)).unwrap();
    assert!(there.contains_key(&name(5)), "{:?}", there.keys());
}

#[test]
fn a_scrub_in_steps_meets_every_entry_once() {
    let mut world = stored(true);
    world.open().unwrap();
    let store = world.store.as_mut().unwrap();
    let (mut cursor, mut bytes, mut steps) = (None, 0, 0);
    loop {
        let verified = store.verify_some(segment(1), cursor, 1).unwrap();
        (bytes, steps, cursor) = (bytes + verified.bytes, steps + 1, verified.next);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(
        bytes,
        ENTRIES
            .iter()
            .map(|(.., length)| *length as u64)
            .sum::<u64>()
    );
    assert!(steps >= 4, "{steps}");
}

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

    // An index from before the pack was written anew.
    let mut world = stored(true);
    world.step(&Step::Rewrite(1, 1)).unwrap();
    world.store = None;
    write(&world, &index(), &old);
    assert!(rebuilt(&mut world), "an index of another generation");
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

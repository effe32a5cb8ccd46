//! Bits flip, sectors die: the damage is named, and everything else is there.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

mod common;

use common::closed::{ENTRIES, journal, name, pack, places, stored, the_rest_stands};
use common::{contents, lines, segment};
use karez_store::{Error, Kind, Recovery};

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
fn behind_a_bad_header_only_a_whole_sound_entry_is_taken_for_one() {
    let places = places(ENTRIES.map(|(.., length)| length));
    let mut world = stored(false);
    assert!(world.disk.rot(&pack(), (places[0].0 + 20) * 8));
    assert!(world.disk.rot(&pack(), (places[1].0 + 70) * 8));
    let recovery = world.open().unwrap();
    let found = &recovery.segments[&segment(1)];
    assert_eq!(found.damaged, [places[0].0..places[2].0]);
    the_rest_stands(world.store.as_mut().unwrap(), &[0, 1]);
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
fn a_sector_that_cannot_be_read_for_a_while_costs_nothing_for_good() {
    let places = places(ENTRIES.map(|(.., length)| length));
    for (start, ..) in places {
        let mut world = stored(false);
        assert!(world.disk.spoil(&pack(), start + 3));
        assert!(world.disk.spoil(&journal(), start.min(8700)));
        let recovery = world.open().unwrap();
        assert!(!recovery.is_clean());
        let store = world.store.as_mut().unwrap();
        assert!(store.journal_append("ledger", b"new").unwrap() >= ENTRIES.len() as u64);
        store.append(segment(1), Kind::Chunk, 90, b"new").unwrap();
        store.commit().unwrap();
        store.save_index().unwrap();
        world.store = None;
        world.disk.mend();
        let recovery = world.open().unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        let store = world.store.as_mut().unwrap();
        assert!(store.contains(segment(1), Kind::Chunk, 90));
        the_rest_stands(store, &[]);
        assert_eq!(lines(store, "ledger").unwrap().len(), ENTRIES.len() + 1);
    }
}

#[test]
fn a_rewrite_waits_for_what_cannot_be_read_and_drops_only_what_was_given_up() {
    let mut world = stored(true);
    world.open().unwrap();
    assert!(world.disk.spoil(&pack(), places([100])[0].0 + 3));
    let store = world.store.as_mut().unwrap();
    store.rewrite_segment(segment(1), &|_, _| true).unwrap_err();
    let unreadable = store
        .verify_some(segment(1), None, u64::MAX)
        .unwrap()
        .unreadable;
    assert!((1..ENTRIES.len()).contains(&unreadable.len()));
    unreadable
        .iter()
        .for_each(|(kind, number)| store.condemn(segment(1), *kind, *number));
    store.rewrite_segment(segment(1), &|_, _| true).unwrap();
    let lost: Vec<usize> = (0..ENTRIES.len())
        .filter(|of| unreadable.contains(&name(*of)))
        .collect();
    the_rest_stands(store, &lost);
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

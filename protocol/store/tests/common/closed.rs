//! A small closed store whose every byte has a known meaning.

use std::path::{Path, PathBuf};

use karez_store::{Kind, Store};

use super::{DIR, Step, World, contents, payload, segment};

pub(crate) const ENTRIES: [(Kind, u64, usize); 6] = [
    (Kind::Chunk, 0, 100),
    (Kind::Chunk, 1, 100),
    (Kind::Record, 0, 61),
    (Kind::Note(9), 4, 0),
    (Kind::Chunk, 2, 100),
    (Kind::Record, 1, 7),
];

pub(crate) fn pack() -> PathBuf {
    Path::new(DIR).join(format!("packs/{}.pack", segment(1)))
}

pub(crate) fn index() -> PathBuf {
    Path::new(DIR).join(format!("packs/{}.index", segment(1)))
}

pub(crate) fn journal() -> PathBuf {
    Path::new(DIR).join("journals/ledger.journal")
}

/// A closed store of two commits; with `warm`, its index file is up to date.
pub(crate) fn stored(warm: bool) -> World {
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
pub(crate) fn places(lengths: impl IntoIterator<Item = usize>) -> Vec<(u64, u64, u64)> {
    let mut at = 8192;
    let mut places = Vec::new();
    for length in lengths {
        let end = at + 64 + length as u64;
        places.push((at, end, end.next_multiple_of(8)));
        at = end.next_multiple_of(8);
    }
    places
}

pub(crate) fn name(of: usize) -> (Kind, u64) {
    (ENTRIES[of].0, ENTRIES[of].1)
}

pub(crate) fn bytes(of: usize) -> Vec<u8> {
    payload(1, ENTRIES[of].0, ENTRIES[of].1, ENTRIES[of].2)
}

/// Everything but the entries in `lost` is there, and they can be stored anew.
pub(crate) fn the_rest_stands(store: &mut Store, lost: &[usize]) {
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

//! Errors, full disks, read-only disks: the store says what is wrong and goes on after it.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

mod common;

use common::{DIR, Step, World, script, segment};
use karez_store::{Disk, Error, Fault, Kind, Retry};

/// Runs the script with one fault; each failed step is tried again, then all must hold.
fn run(call: u64, fault: Fault, for_good: bool) -> u32 {
    let mut world = World::new();
    world.disk.fail_at(call, fault, for_good);
    let mut failures = 0;
    for step in script() {
        while let Err(error) = world.step(&step) {
            failures += 1;
            assert!(failures < 20, "{error}");
            if for_good && failures == 3 {
                world.disk.fail_at(0, fault, false);
            }
        }
    }
    world.disk.fail_at(0, fault, false);
    world.check();
    // What a failed commit dropped is appended and committed anew.
    for step in script() {
        world.step(&step).unwrap();
    }
    world.check();
    world.crash(call);
    failures
}

#[test]
fn an_input_output_error_at_any_call_costs_only_what_was_not_durable() {
    let mut met = 0;
    for call in 1..300 {
        met += u32::from(run(call, Fault::Io, false) > 0);
        met += u32::from(run(call, Fault::Io, true) > 0);
    }
    assert!(met > 500, "{met}");
}

#[test]
fn a_full_disk_at_any_call_costs_only_what_was_not_durable() {
    let mut met = 0;
    for call in 1..300 {
        met += u32::from(run(call, Fault::Full, false) > 0);
        met += u32::from(run(call, Fault::Full, true) > 0);
    }
    assert!(met > 300, "{met}");
}

#[test]
fn a_full_disk_is_named_with_its_figures_and_the_store_goes_on_after_it() {
    let mut world = World::new();
    world.disk.set_capacity(Some(68 * 1024));
    world.step(&Step::Create(1)).unwrap();
    let mut number = 0;
    let error = loop {
        if let Err(error) = world.step(&Step::Append(1, Kind::Chunk, number, 9000)) {
            break error;
        }
        number += 1;
    };
    let text = error.to_string();
    assert!(
        text.starts_with("disk full at pack 01010101: 4096 bytes free, 9000 needed"),
        "{text}"
    );
    assert_eq!(error.retry(), Retry::Later);
    world.step(&Step::Commit).unwrap();
    world.check();
    let store = world.store.as_mut().unwrap();
    assert_eq!(
        store.chunks(segment(1)),
        [0..number],
        "the entries before it were kept"
    );
    world.disk.set_capacity(None);
    world
        .step(&Step::Append(1, Kind::Chunk, number, 9000))
        .unwrap();
    world.step(&Step::Commit).unwrap();
    world.crash(1);
    assert_eq!(
        world.store.as_ref().unwrap().chunks(segment(1)),
        [0..number + 1]
    );
}

#[test]
fn a_failed_sync_is_not_followed_by_trust_in_the_page_cache() {
    for seed in 0..50 {
        let mut world = World::new();
        world.step(&Step::Create(1)).unwrap();
        world.step(&Step::Append(1, Kind::Chunk, 0, 5000)).unwrap();
        world.step(&Step::Commit).unwrap();
        world.step(&Step::Append(1, Kind::Chunk, 1, 5000)).unwrap();
        world.disk.fail_at(1, Fault::Io, false);
        assert!(world.step(&Step::Commit).is_err());
        let bytes = world.store.as_ref().unwrap().bytes(segment(1));
        let pack = std::path::Path::new(DIR).join(format!("packs/{}.pack", segment(1)));
        assert_eq!(
            world.disk.len(&pack).unwrap(),
            Some(bytes),
            "it is cut back at once"
        );
        world.step(&Step::Commit).unwrap();
        let store = world.store.as_mut().unwrap();
        assert_eq!(
            store.chunks(segment(1)),
            [0..1],
            "a second commit proves nothing that failed"
        );
        for number in 1..4 {
            world
                .step(&Step::Append(1, Kind::Chunk, number, 5000))
                .unwrap();
        }
        world.step(&Step::Commit).unwrap();
        world.crash(seed);
        assert_eq!(world.store.as_ref().unwrap().chunks(segment(1)), [0..4]);
    }
}

#[test]
fn a_read_only_disk_still_gives_what_it_holds() {
    let mut world = World::new();
    for step in script() {
        world.step(&step).unwrap();
    }
    world.disk.set_read_only(true);
    world.check();
    let error = world
        .step(&Step::Append(1, Kind::Chunk, 99, 10))
        .unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    assert!(world.step(&Step::Create(9)).is_err());
    world.disk.set_read_only(false);
    world.step(&Step::Append(1, Kind::Chunk, 99, 10)).unwrap();
    world.step(&Step::Commit).unwrap();
    world.crash(5);
}

#[test]
fn a_disk_that_cannot_be_read_at_one_file_serves_the_others() {
    let mut world = World::new();
    for step in script() {
        world.step(&step).unwrap();
    }
    world.store = None;
    let path = std::path::Path::new(DIR).join(format!("packs/{}.pack", segment(1)));
    for byte in [0, 4096] {
        assert!(world.disk.rot(&path, byte * 8 + 3));
    }
    let recovery = world.open().unwrap();
    assert!(matches!(
        recovery.segments[&segment(1)].failed,
        Some(Error::Damaged { .. })
    ));
    let store = world.store.as_mut().unwrap();
    assert!(store.has_segment(segment(2)) && !store.has_segment(segment(1)));
    assert!(
        store.create_segment(segment(1), b"").is_err(),
        "its bytes are not written over"
    );
    for byte in [0, 4096] {
        assert!(world.disk.rot(&path, byte * 8 + 3));
    }
    let recovery = world.store.as_mut().unwrap().open_again().unwrap();
    assert!(recovery.is_clean());
    world.check();
}

#[test]
fn a_file_whose_sectors_are_dead_does_not_stop_the_others_and_is_tried_again() {
    let mut world = World::new();
    for step in script() {
        world.step(&step).unwrap();
    }
    world.store = None;
    let path = std::path::Path::new(DIR).join(format!("packs/{}.pack", segment(1)));
    for block in [0, 4096] {
        assert!(world.disk.spoil(&path, block));
    }
    let recovery = world.open().unwrap();
    let failed = recovery.segments[&segment(1)].failed.as_ref().unwrap();
    assert_eq!(failed.retry(), Retry::Later, "{failed}");
    assert!(world.store.as_ref().unwrap().has_segment(segment(2)));
    world.disk.mend();
    let recovery = world.store.as_mut().unwrap().open_again().unwrap();
    assert!(recovery.is_clean(), "{recovery:?}");
    world.check();
}

#[test]
fn a_failed_write_is_taken_back_at_once() {
    for fault in [Fault::Io, Fault::Full] {
        let mut world = World::new();
        world.step(&Step::Create(1)).unwrap();
        world.step(&Step::Append(1, Kind::Chunk, 0, 1000)).unwrap();
        let path = std::path::Path::new(DIR).join(format!("packs/{}.pack", segment(1)));
        let before = world.disk.len(&path).unwrap();
        world.disk.fail_at(1, fault, false);
        assert!(world.step(&Step::Append(1, Kind::Chunk, 1, 1000)).is_err());
        assert_eq!(world.disk.len(&path).unwrap(), before);
        world.step(&Step::Commit).unwrap();
        assert_eq!(world.store.as_ref().unwrap().chunks(segment(1)), [0..1]);
    }
}

#[test]
fn what_is_committed_after_a_rewrite_whose_name_did_not_sync_is_safe() {
    let rewrites = [Step::Rewrite(1, 2), Step::Checkpoint(0, 2)];
    let failed = (1..40).flat_map(|call| rewrites.iter().map(move |rewrite| (call, rewrite)));
    for (call, rewrite) in failed {
        for seed in 0..6 {
            let mut world = World::new();
            for step in [Step::Create(1), Step::Note(0, 9), Step::Commit] {
                world.step(&step).unwrap();
            }
            world.disk.fail_at(call, Fault::Io, false);
            // It may fail; nothing is tried again.
            drop(world.step(rewrite));
            world.disk.fail_at(0, Fault::Io, false);
            for step in [
                Step::Append(1, Kind::Chunk, 2, 50),
                Step::Note(0, 8),
                Step::Commit,
            ] {
                world.step(&step).unwrap();
            }
            world.crash(seed);
        }
    }
}

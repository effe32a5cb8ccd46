//! The power goes at every sync and at every call; nothing promised is ever missing.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

mod common;

use common::{Step, World, script};

/// Runs the script until the disk dies, crashes, and then finishes it.
fn run(kill: impl Fn(&World), seed: u64) -> bool {
    let mut world = World::new();
    kill(&world);
    let died = script().iter().any(|step| world.step(step).is_err());
    world.crash(seed);
    for step in script() {
        world.step(&step).unwrap();
    }
    world.check();
    world.crash(seed ^ 1);
    died
}

#[test]
fn a_crash_at_any_sync_loses_nothing_that_was_committed() {
    let mut syncs = 0;
    while run(|world| world.disk.kill_at_sync(syncs + 1), syncs) {
        for seed in 0..40 {
            run(
                |world| world.disk.kill_at_sync(syncs + 1),
                seed * 1_000_003 + syncs,
            );
        }
        syncs += 1;
    }
    println!("crashed at each of {syncs} syncs, 41 ways");
    assert!(syncs > 50, "{syncs}");
}

#[test]
fn a_crash_at_any_call_loses_nothing_that_was_committed() {
    let mut calls = 0;
    while run(|world| world.disk.kill_at_call(calls + 1), calls) {
        for seed in 0..5 {
            run(
                |world| world.disk.kill_at_call(calls + 1),
                seed * 1_000_003 + calls,
            );
        }
        calls += 1;
    }
    println!("crashed at each of {calls} calls, 6 ways");
    assert!(calls > 300, "{calls}");
}

#[test]
fn a_kill_during_the_recovery_from_a_kill_loses_nothing_either() {
    let mut deaths = 0;
    for first in (3..60).step_by(4) {
        for second in 1..40 {
            let mut world = World::new();
            world.disk.kill_at_sync(first);
            let _ = script().iter().try_for_each(|step| world.step(step));
            world.store = None;
            world.disk.crash(first * 100 + second);
            world.disk.kill_at_call(second * 2);
            deaths += u32::from(world.step(&Step::Reopen).is_err());
            world.crash(second);
        }
    }
    println!("{deaths} kills within a recovery");
    assert!(deaths > 200, "{deaths}");
}

#[test]
fn a_dead_process_on_a_living_machine_leaves_what_the_next_one_may_trust() {
    for call in 1..400 {
        let mut world = World::new();
        world.disk.fail_at(call, karez_store::Fault::Io, true);
        let _ = script().iter().try_for_each(|step| world.step(step));
        world.disk.fail_at(0, karez_store::Fault::Io, true);
        // The page cache holds what the failing disk never took: what the next process shows as
        // stored must survive the power cut after it.
        world.step(&Step::Reopen).unwrap();
        world.check();
        world.crash(call);
    }
}

//! Random workloads, faults and crashes against the model.
#![allow(clippy::unwrap_used, reason = "a helper fails its test")]
#![allow(clippy::single_range_in_vec_init, reason = "runs are ranges")]

mod common;

use common::{Step, World};
use karez_store::{Fault, Kind};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Step(Step),
    FailAt(u64, Fault, bool),
    KillAt(u64),
    Crash(u64),
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Record),
        Just(Kind::Chunk),
        Just(Kind::Chunk),
        (0u8..3).prop_map(Kind::Note)
    ]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), 0usize..200, Just(3000), 0usize..65_537]
}

fn step() -> impl Strategy<Value = Step> {
    let name = || (1u8..4, kind(), 0u64..12);
    prop_oneof![
        2 => (1u8..4).prop_map(Step::Create),
        12 => (name(), length()).prop_map(|((s, k, n), l)| Step::Append(s, k, n, l)),
        6 => Just(Step::Commit),
        1 => (1u8..4, 1u64..4).prop_map(|(s, m)| Step::Rewrite(s, m)),
        1 => (1u8..4).prop_map(Step::Remove),
        4 => (0usize..2, length()).prop_map(|(j, l)| Step::Note(j, l)),
        1 => (0usize..2, 0usize..4).prop_map(|(j, c)| Step::Checkpoint(j, c)),
        1 => Just(Step::SaveIndex),
        2 => name().prop_map(|(s, k, n)| Step::Read(s, k, n)),
        1 => Just(Step::Reopen),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => step().prop_map(Event::Step),
        1 => (1u64..30, any::<bool>(), any::<bool>()).prop_map(|(n, full, good)| {
            Event::FailAt(n, if full { Fault::Full } else { Fault::Io }, good)
        }),
        1 => (1u64..30).prop_map(Event::KillAt),
        2 => any::<u64>().prop_map(Event::Crash),
    ]
}

/// How many cases; `KAREZ_CASES` says otherwise.
fn cases() -> u32 {
    std::env::var("KAREZ_CASES").map_or(2000, |text| text.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_store_keeps_its_promises(
        events in prop::collection::vec(event(), 1..120),
        seed in any::<u64>(),
    ) {
        let mut world = World::new();
        for event in events {
            match event {
                // A failed step is the disk's doing; the checks are the model's.
                Event::Step(step) => drop(world.step(&step)),
                Event::FailAt(n, fault, for_good) => world.disk.fail_at(n, fault, for_good),
                Event::KillAt(n) => world.disk.kill_at_call(n),
                Event::Crash(seed) => {
                    world.disk.fail_at(0, Fault::Io, false);
                    world.crash(seed);
                }
            }
        }
        world.disk.fail_at(0, Fault::Io, false);
        world.crash(seed);
    }
}

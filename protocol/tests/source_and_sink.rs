//! Source against Sink through a bad world: lost connections, repeated frames, lanes that
//! overtake each other, restarts of either side, lost memory, a full disk. Whatever happens,
//! once the world is well again everything arrives, and nothing twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod world;

use proptest::prelude::*;
use world::{Fault, World};

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        12 => (1_usize..40).prop_map(Fault::Deliver),
        4 => (1_u8..5, any::<u8>()).prop_map(|(parts, content)| Fault::Accept { parts, content }),
        3 => Just(Fault::Sync),
        2 => (1_u64..8).prop_map(Fault::Wait),
        2 => Just(Fault::Cut),
        1 => Just(Fault::Connect),
        1 => Just(Fault::RestartSource),
        1 => Just(Fault::KillSink),
        1 => Just(Fault::Repeat),
        1 => any::<u8>().prop_map(Fault::Rot),
        1 => Just(Fault::Full),
        1 => Just(Fault::Free),
        1 => any::<u8>().prop_map(Fault::Prioritise),
        1 => Just(Fault::Flip),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn everything_arrives_whatever_happens(
        faults in prop::collection::vec(fault(), 1..70), seed: u64,
    ) {
        let mut world = World::new(seed);
        world.apply(Fault::Accept { parts: 3, content: 7 });
        for fault in faults {
            world.apply(fault);
            world.check();
        }
        world.heal();
        world.check_complete();
    }
}

#[test]
fn a_cut_costs_no_more_than_what_was_on_its_way() {
    let mut world = World::new(1);
    for content in 0..20 {
        world.apply(Fault::Accept { parts: 4, content });
    }
    for _ in 0..12 {
        world.apply(Fault::Connect);
        world.apply(Fault::Deliver(9));
        world.apply(Fault::Sync);
        world.apply(Fault::Cut);
    }
    world.heal();
    world.check_complete();
    assert!(
        world.arrived_twice() == 0,
        "{} chunks came twice",
        world.arrived_twice()
    );
}

#[test]
fn a_restarted_source_waits_for_word_instead_of_sending_again() {
    let mut world = World::new(2);
    for content in 0..10 {
        world.apply(Fault::Accept { parts: 4, content });
    }
    world.apply(Fault::Connect);
    world.apply(Fault::Deliver(60));
    world.apply(Fault::Sync);
    world.apply(Fault::RestartSource);
    world.heal();
    world.check_complete();
    assert_eq!(world.arrived_twice(), 0);
}

#[test]
fn a_repeated_part_is_not_sent_again() {
    let mut world = World::new(3);
    world.apply(Fault::Accept {
        parts: 4,
        content: 1,
    });
    world.heal();
    let before = world.chunks_sent();
    world.apply(Fault::Accept {
        parts: 4,
        content: 1,
    });
    world.heal();
    world.check_complete();
    assert_eq!(world.chunks_sent(), before, "the parts were there already");
}

#[test]
fn a_part_of_another_clinic_never_stands_in_for_one_with_the_same_tag() {
    let mut one = World::new(4);
    let mut other = World::new(5);
    let accept = Fault::Accept {
        parts: 4,
        content: 1,
    };
    one.apply(accept);
    one.heal();
    // As its copy, or a thief who has its tags, would ask.
    other.offers_what(&one);
    other.apply(accept);
    other.heal();
    other.check_complete();
    assert_eq!(other.chunks_sent(), one.chunks_sent(), "nothing is linked");
}

//! A power cut at every sync of the whole way from a modality to the released study, on either
//! side: nothing is lost, doubled or altered.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod cycle;

use cycle::plan;
use karez_sim::swarm::{Event, Who, play};

#[test]
fn a_power_cut_at_every_sync_of_either_side_loses_doubles_and_alters_nothing() {
    let quiet = play(&plan(None), false);
    assert!(quiet.holds(), "{:?}", quiet.broken);
    let mut cuts = 0;
    for (who, syncs) in [Who::Hub, Who::Clinic(0)].into_iter().zip(&quiet.syncs) {
        assert!(*syncs > 20, "{who:?}: {syncs} syncs");
        for at in 1..=*syncs {
            let cut = Event::KillAtSync {
                who,
                syncs: at,
                within_ms: 60_000,
                off_ms: 5_000,
            };
            let verdict = play(&plan(Some(cut)), false);
            assert!(verdict.holds(), "{who:?}, sync {at}: {:?}", verdict.broken);
            cuts += 1;
        }
    }
    println!(
        "{cuts} power cuts: {:?} syncs of hub and clinic",
        quiet.syncs
    );
}

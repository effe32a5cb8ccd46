//! A power cut at every sync of the whole way from a modality to the released study, on either
//! side: nothing is lost, doubled or altered.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use karez_sim::swarm::{Event, LinePlan, Plan, Timed, Who, play};

/// One clinic with two studies of two images, a late one and a repeat, on a good line.
fn plan(cut: Option<(Who, u64)>) -> Plan {
    let line = LinePlan {
        rate_kbit: 4000,
        delay_ms: 20,
        lost_permille: 0,
        doubled_permille: 0,
        late_permille: 0,
        damaged_of_10_000: 0,
        new_address_s: 0,
    };
    let image = |study, number| Event::HandIn {
        clinic: 0,
        study,
        number,
        bytes: 40_000,
        class: 2,
    };
    let images = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0)];
    let mut events: Vec<Timed> = (1..)
        .zip(images)
        .map(|(n, (study, number))| Timed {
            at_ms: n * 3000,
            event: image(study, number),
        })
        .collect();
    if let Some((who, syncs)) = cut {
        let event = Event::KillAtSync {
            who,
            syncs,
            within_ms: 60_000,
            off_ms: 5_000,
        };
        events.push(Timed { at_ms: 100, event });
    }
    events.sort_by_key(|timed| timed.at_ms);
    Plan {
        // The hub drops at once what is stored, so that eviction is cut through too.
        seed: 3,
        lines: vec![line],
        events,
    }
}

#[test]
fn a_power_cut_at_every_sync_of_either_side_loses_doubles_and_alters_nothing() {
    let quiet = play(&plan(None), false);
    assert!(quiet.holds(), "{:?}", quiet.broken);
    let mut cuts = 0;
    for (who, syncs) in [Who::Hub, Who::Clinic(0)].into_iter().zip(&quiet.syncs) {
        assert!(*syncs > 20, "{who:?}: {syncs} syncs");
        for at in 1..=*syncs {
            let verdict = play(&plan(Some((who, at))), false);
            assert!(verdict.holds(), "{who:?}, sync {at}: {:?}", verdict.broken);
            cuts += 1;
        }
    }
    println!(
        "{cuts} power cuts: {:?} syncs of hub and clinic",
        quiet.syncs
    );
}

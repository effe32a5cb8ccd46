//! A disk that fails once, at any call of the whole way from a modality to the released study, on
//! either side, with an error or for want of room: nothing is lost, doubled or altered, and all of
//! it arrives as soon as the disk works again. One call in so many; all with KAREZ_LONG.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use karez_sim::swarm::{Event, LinePlan, Plan, Timed, Who, play};

/// Of so many calls one is tried, unless it is to take long.
const SHARE: usize = 61;

/// One clinic with two studies of two images, a late one and a repeat, on a good line.
fn plan(fault: Option<Event>) -> Plan {
    let line = LinePlan {
        rate_kbit: 4000,
        delay_ms: 20,
        lost_permille: 0,
        doubled_permille: 0,
        late_permille: 0,
        damaged_of_10_000: 0,
        new_address_s: 0,
    };
    let images = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0)];
    let image = |(at, (study, number)): (u64, (u64, u64))| Timed {
        at_ms: at * 3000,
        event: Event::HandIn {
            clinic: 0,
            study,
            number,
            bytes: 40_000,
            class: 2,
        },
    };
    let mut events: Vec<Timed> = (1..).zip(images).map(image).collect();
    events.extend(fault.map(|event| Timed { at_ms: 100, event }));
    events.sort_by_key(|timed| timed.at_ms);
    Plan {
        // The hub drops at once what is stored, so that eviction fails too.
        seed: 3,
        lines: vec![line],
        events,
    }
}

#[test]
fn a_disk_that_fails_at_any_call_of_either_side_loses_doubles_and_alters_nothing() {
    let quiet = play(&plan(None), false);
    assert!(quiet.holds(), "{:?}", quiet.broken);
    let share = if std::env::var_os("KAREZ_LONG").is_some() {
        1
    } else {
        SHARE
    };
    let (mut faults, mut said) = (0, 0);
    for (who, calls) in [Who::Hub, Who::Clinic(0)].into_iter().zip(&quiet.calls) {
        assert!(*calls > 200, "{who:?}: {calls} calls");
        // Another offset for each side and fault, so that a run of the short form sees more.
        for at in (1..=*calls).step_by(share) {
            let io = Event::DiskFault { who, calls: at };
            let full = Event::NoRoom {
                who,
                calls: at + share as u64 / 2,
            };
            for fault in [io, full] {
                let verdict = play(&plan(Some(fault)), false);
                assert!(verdict.holds(), "{fault:?}: {:?}", verdict.broken);
                faults += 1;
                said += u64::from(verdict.said > 0);
            }
        }
    }
    println!(
        "{faults} faults in {:?} calls of hub and clinic; {said} of them were said",
        quiet.calls
    );
    assert!(said > 0);
}

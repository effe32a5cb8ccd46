//! A disk that fails once, at any call of the whole way from a modality to the released study, on
//! either side, with an error or for want of room: nothing is lost, doubled or altered, and all of
//! it arrives as soon as the disk works again. One call in so many; all with KAREZ_LONG.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod cycle;

use cycle::plan;
use karez_sim::swarm::{Event, Who, play};

/// Of so many calls one is tried, unless it is to take long.
const SHARE: usize = 61;

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

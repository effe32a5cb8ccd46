//! K1: an encapsulated multi-frame of 600 MiB (5 GiB in `tests/long.sh`) goes through both
//! daemons in less than 128 MiB of memory each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::time::{Duration, Instant};

use harness::folder::wait_for;
use harness::made;
use harness::pair::Pair;
use harness::relay::Shape;

const BOUND: u64 = 128 << 20;

#[test]
fn a_large_instance_needs_little_memory() {
    let bytes = if harness::long() { 5 << 30 } else { 600 << 20 };
    // No relay in the way of the bytes: it is memory that is measured.
    let pair = Pair::start(Shape {
        rate: 4e9,
        queue: 8 << 20,
        ..Shape::CLEAN
    });
    let file = pair.scratch().join("large.dcm");
    let expected = made::write_large(&file, bytes);
    let started = Instant::now();
    pair.send(&[&file]);
    let accepted = started.elapsed();
    let patience = Duration::from_secs(120 + bytes / 2_000_000);
    assert_eq!(
        wait_for(&pair.folder, &[expected], patience),
        1,
        "identical"
    );
    let (clinic, hub) = (pair.sender.peak_memory(), pair.receiver.peak_memory());
    println!(
        "{bytes} bytes: accepted in {accepted:?}, there after {:?}; peak memory sender {} MiB, \
         receiver {} MiB",
        started.elapsed(),
        clinic >> 20,
        hub >> 20
    );
    assert!(clinic > 0 && clinic < BOUND, "sender: {clinic} bytes");
    assert!(hub > 0 && hub < BOUND, "receiver: {hub} bytes");
}

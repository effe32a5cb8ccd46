//! K1: twenty SIGKILLs of either daemon at random moments of a 64 MiB transfer over a link of
//! 10 Mbit/s with 50 ms and 1 % loss. Identical, nothing twice, little sent again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::time::{Duration, Instant};

use harness::folder::{contents, fingerprints, wait_for};
use harness::made::{Spec, random};
use harness::pair::Pair;
use harness::relay::Shape;

const TOTAL: usize = 64 << 20;
const FILES: usize = 16;
const KILLS: u64 = 20;

#[test]
fn twenty_kills_cost_little_and_change_nothing() {
    let mut pair = Pair::start(Shape::ORDINARY);
    let folder = pair.scratch().join("study");
    std::fs::create_dir_all(&folder).unwrap();
    let mut files = Vec::new();
    for index in 0..FILES {
        let mut spec = Spec::new(index as u64, TOTAL / FILES);
        spec.study = format!("1.2.826.0.1.7.{}", index / 4);
        files.push(folder.join(format!("{index}.dcm")));
        std::fs::write(&files[index], spec.bytes()).unwrap();
    }
    let expected = fingerprints(&files);
    let started = Instant::now();
    pair.send(&[&folder]);
    let mut dice = random(4, 2 * KILLS as usize).into_iter();
    let mut counted = Counted::default();
    for kill in 0..KILLS {
        let wait = 1500 + u64::from(dice.next().unwrap_or(0)) * 8;
        std::thread::sleep(Duration::from_millis(wait));
        counted.note(&pair);
        if dice.next().unwrap_or(0).is_multiple_of(2) {
            pair.sender.kill();
            pair.sender.start();
        } else {
            pair.receiver.kill();
            pair.receiver.start();
        }
        println!(
            "kill {kill} at {:?}: {} bytes there",
            started.elapsed(),
            counted.payload
        );
    }
    let arrived = wait_for(&pair.folder, &expected, Duration::from_secs(600));
    assert_eq!(arrived, FILES, "all identical");
    pair.wait_stored(Duration::from_secs(60));
    counted.note(&pair);
    let there = contents(&pair.folder);
    assert!(
        there.len() == FILES && there.values().all(|n| *n == 1),
        "nothing twice"
    );
    let share = counted.resent as f64 / counted.payload as f64;
    let (up, down) = pair.relay.wire_bytes();
    println!(
        "{KILLS} kills, {:?}: payload {} bytes, resent {} ({:.2} %), on the air {up} up, {down} down",
        started.elapsed(),
        counted.payload,
        counted.resent,
        share * 100.0
    );
    assert!(
        counted.payload as usize >= TOTAL,
        "{} bytes",
        counted.payload
    );
    assert!(share <= 0.03, "resent {share}");
}

/// The hub's counters over its lives: each life counts from where the last note was.
#[derive(Default)]
struct Counted {
    payload: u64,
    resent: u64,
}

impl Counted {
    fn note(&mut self, pair: &Pair) {
        let status = pair.receiver.status();
        let total = |key: &str| {
            status["totals"][key]
                .as_u64()
                .unwrap_or_else(|| panic!("{status:#}"))
        };
        let (payload, resent) = (total("payload_bytes"), total("resent_bytes"));
        assert!(
            payload >= self.payload,
            "what is durable is not forgotten by a kill"
        );
        assert!(
            resent >= self.resent,
            "what was resent is not forgotten by a kill"
        );
        (self.payload, self.resent) = (payload, resent);
    }
}

//! K1: twenty SIGKILLs of either daemon at random moments of a 64 MiB transfer over a link of
//! 10 Mbit/s with 50 ms and 1 % loss. Identical, nothing twice, little sent again. And, with
//! KAREZ_LONG, two hundred in half an hour of studies that keep coming, on the real disk.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::folder::{contents, fingerprints, wait_for};
use harness::made::{Spec, random};
use harness::pair::Pair;
use harness::process::run;
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

const MANY_KILLS: u64 = 200;
/// Seconds from the first kill to the last, unless KAREZ_KILLS_SECONDS says otherwise.
const HALF_AN_HOUR: u64 = 1800;
/// Images that come before each kill, and bytes of each: most of what the link carries meanwhile.
const LOAD: (u64, usize) = (2, 450_000);
const BUSY: Shape = Shape {
    rate: 1e6,
    delay: Duration::from_millis(50),
    loss: 0.01,
    queue: 64 * 1024,
};

/// K4: nothing lost, doubled or altered, and both audit logs whole with every head that was seen.
#[test]
fn two_hundred_kills_in_half_an_hour_lose_double_and_alter_nothing() {
    if !harness::long() {
        println!("skipped: it takes half an hour; KAREZ_LONG=1 runs it");
        return;
    }
    let mut pair = Pair::start(BUSY);
    let within = std::env::var("KAREZ_KILLS_SECONDS").ok();
    let within = within.map_or(HALF_AN_HOUR, |seconds| seconds.parse().unwrap());
    let (started, mut files) = (Instant::now(), Vec::new());
    let mut dice = random(9, 4 * MANY_KILLS as usize).into_iter();
    let mut roll = || u64::from(dice.next().unwrap_or(0));
    let mut killed = Killed::default();
    for kill in 0..MANY_KILLS {
        let due = Duration::from_millis(within * 1000 * (kill + 1) / MANY_KILLS);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let fresh = images(pair.scratch(), kill);
        files.extend(fresh.clone());
        let data = pair.sender.data().to_owned();
        let handing = std::thread::spawn(move || hand_in(&data, fresh));
        std::thread::sleep(Duration::from_millis(roll() * 2));
        killed.one(&mut pair, roll() % 3);
        let left = handing.join().unwrap();
        killed.handed_in_again += left.len() as u64;
        // What was not accepted is given again; what was, and not answered, comes twice.
        let (mut left, patience) = (left, Instant::now() + Duration::from_secs(60));
        while !left.is_empty() {
            left = hand_in(pair.sender.data(), left);
            assert!(Instant::now() < patience, "the clinic takes nothing");
        }
    }
    let expected = fingerprints(&files);
    let arrived = wait_for(&pair.folder, &expected, Duration::from_secs(900));
    assert_eq!(arrived, files.len(), "all identical");
    pair.wait_stored(Duration::from_secs(120));
    let there = contents(&pair.folder);
    assert!(
        there.len() == files.len() && there.values().all(|n| *n == 1),
        "nothing twice, nothing else"
    );
    println!(
        "{killed:?} in {:?}: {} images identical, once each",
        started.elapsed(),
        files.len()
    );
    println!("{}", audited(&pair));
}

#[derive(Debug, Default)]
struct Killed {
    senders: u64,
    receivers: u64,
    handed_in_again: u64,
}

impl Killed {
    fn one(&mut self, pair: &mut Pair, which: u64) {
        if which != 1 {
            self.senders += 1;
            pair.sender.kill();
        }
        if which != 2 {
            self.receivers += 1;
            pair.receiver.kill();
            pair.receiver.start();
        }
        if which != 1 {
            pair.sender.start();
        }
    }
}

/// Writes the images that come before a kill.
fn images(scratch: &Path, kill: u64) -> Vec<PathBuf> {
    let folder = scratch.join("studies");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |n| {
        let mut spec = Spec::new(kill * LOAD.0 + n, LOAD.1);
        spec.study = format!("1.2.826.0.1.77.{}", kill / 5);
        let file = folder.join(format!("{kill}-{n}.dcm"));
        std::fs::write(&file, spec.bytes()).unwrap();
        file
    };
    (0..LOAD.0).map(write).collect()
}

/// Hands files in one by one; those that were refused, or got no answer.
fn hand_in(data: &Path, files: Vec<PathBuf>) -> Vec<PathBuf> {
    let refused = |file: &PathBuf| {
        let given = file.display().to_string();
        !run("karez-sender", data, &["send", &given])
            .status
            .success()
    };
    files.into_iter().filter(refused).collect()
}

/// What both audit logs say of themselves, the hub's with what the clinic has seen.
fn audited(pair: &Pair) -> String {
    let witnesses = pair.scratch().join("witnesses.json");
    std::fs::write(&witnesses, pair.sender.command(&["audit", "witnesses"])).unwrap();
    let seen = witnesses.display().to_string();
    let hub = pair
        .receiver
        .command(&["audit", "verify", "--witnesses", &seen]);
    format!(
        "hub: {hub}clinic: {}",
        pair.sender.command(&["audit", "verify"])
    )
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

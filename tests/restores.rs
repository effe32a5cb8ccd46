//! K1: an index deleted, a day-old copy restored, a clinic cloned, a reboot in the middle of a
//! study. Everything arrives that still exists, nothing twice, and what is gone is named.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::folder::{contents, fingerprints, wait_for};
use harness::made::Spec;
use harness::pair::{Pair, wait_status};
use harness::process::Daemon;
use harness::relay::Shape;

const SLOW: Shape = Shape {
    rate: 4e6,
    delay: Duration::from_millis(20),
    loss: 0.0,
    queue: 128 * 1024,
};

/// Writes `count` images of `size` bytes of one study into a folder of their own.
fn study(pair: &Pair, name: &str, seed: u64, count: u64, size: usize) -> (PathBuf, Vec<[u8; 32]>) {
    let folder = pair.scratch().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let files: Vec<PathBuf> = (0..count)
        .map(|index| {
            let mut spec = Spec::new(seed * 100 + index, size);
            spec.study = format!("1.2.826.0.1.9.{seed}");
            let file = folder.join(format!("{index}.dcm"));
            std::fs::write(&file, spec.bytes()).unwrap();
            file
        })
        .collect();
    let expected = fingerprints(&files);
    (folder, expected)
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}

fn once_each(pair: &Pair, expected: &[[u8; 32]]) {
    let there = contents(&pair.folder);
    assert_eq!(
        expected
            .iter()
            .filter(|e| there.get(*e) == Some(&1))
            .count(),
        expected.len()
    );
    assert_eq!(there.len(), expected.len(), "and nothing else");
}

fn half_way(pair: &Pair, bytes: u64) {
    wait_status(
        &pair.receiver,
        "half of it there",
        Duration::from_secs(60),
        |status| {
            status["totals"]["payload_bytes"]
                .as_u64()
                .is_some_and(|n| n > bytes)
        },
    );
}

fn delete_indexes(data: &Path) -> usize {
    let files = harness::folder::files_below(data);
    let indexes = files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "index"));
    indexes.map(|f| std::fs::remove_file(f).unwrap()).count()
}

#[test]
fn deleted_indexes_on_both_sides_cost_nothing() {
    let mut pair = Pair::start(SLOW);
    let (folder, expected) = study(&pair, "study", 1, 8, 500_000);
    pair.send(&[&folder]);
    half_way(&pair, 1_500_000);
    assert_eq!(
        (pair.sender.stop(), pair.receiver.stop()),
        (Some(0), Some(0)),
        "a clean stop"
    );
    let gone = delete_indexes(pair.sender.data()) + delete_indexes(pair.receiver.data());
    assert!(gone > 0, "there were indexes to delete");
    pair.receiver.start();
    pair.sender.start();
    assert_eq!(
        wait_for(&pair.folder, &expected, Duration::from_secs(90)),
        expected.len()
    );
    pair.wait_stored(Duration::from_secs(30));
    once_each(&pair, &expected);
}

#[test]
fn a_clinic_restored_from_yesterday_sends_what_it_has_and_names_what_is_gone() {
    let mut pair = Pair::start(SLOW);
    let (first, one) = study(&pair, "first", 1, 3, 300_000);
    pair.send(&[&first]);
    pair.wait_stored(Duration::from_secs(60));
    pair.sender.kill();
    let backup = pair.scratch().join("backup");
    copy(pair.sender.data(), &backup);
    pair.sender.start();
    let (second, two) = study(&pair, "second", 2, 6, 500_000);
    pair.send(&[&second]);
    half_way(&pair, 2_000_000);
    pair.sender.kill();
    std::fs::remove_dir_all(pair.sender.data()).unwrap();
    copy(&backup, pair.sender.data());
    pair.sender.start();
    let status = wait_status(
        &pair.receiver,
        "lost at source",
        Duration::from_secs(60),
        |status| status.to_string().contains("lost at source"),
    );
    println!("{}", status["parked"]);
    // The technician sends the study again: only now is it whole, and the first one is not sent
    // again.
    pair.send(&[&second]);
    assert_eq!(
        wait_for(&pair.folder, &two, Duration::from_secs(90)),
        two.len()
    );
    pair.wait_stored(Duration::from_secs(30));
    once_each(&pair, &[one, two].concat());
}

#[test]
fn a_hub_restored_from_yesterday_gets_again_what_it_lacks_and_delivers_nothing_twice() {
    let mut pair = Pair::start(SLOW);
    let (first, one) = study(&pair, "first", 1, 4, 400_000);
    pair.send(&[&first]);
    half_way(&pair, 800_000);
    pair.receiver.kill();
    let backup = pair.scratch().join("backup");
    copy(pair.receiver.data(), &backup);
    pair.receiver.start();
    pair.wait_stored(Duration::from_secs(60));
    let (second, two) = study(&pair, "second", 2, 6, 400_000);
    pair.send(&[&second]);
    wait_for(&pair.folder, &two[..1], Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(2));
    pair.receiver.kill();
    std::fs::remove_dir_all(pair.receiver.data()).unwrap();
    copy(&backup, pair.receiver.data());
    pair.receiver.start();
    assert_eq!(
        wait_for(&pair.folder, &two, Duration::from_secs(90)),
        two.len()
    );
    pair.wait_stored(Duration::from_secs(60));
    once_each(&pair, &[one, two].concat());
}

#[test]
fn a_cloned_clinic_delivers_both_lives_and_is_named() {
    let mut pair = Pair::start(Shape::CLEAN);
    let (first, one) = study(&pair, "first", 1, 2, 200_000);
    pair.send(&[&first]);
    pair.wait_stored(Duration::from_secs(30));
    pair.sender.kill();
    let twin_data = pair.scratch().join("twin");
    copy(pair.sender.data(), &twin_data);
    pair.sender.start();
    let mut twin = Daemon::new("karez-sender", &twin_data, &pair.scratch().join("twin.log"));
    twin.start();
    let (second, two) = study(&pair, "second", 2, 3, 200_000);
    let (third, three) = study(&pair, "third", 3, 3, 200_000);
    pair.send(&[&second]);
    twin.command(&["send", &third.display().to_string()]);
    let all = [one, two, three].concat();
    assert_eq!(
        wait_for(&pair.folder, &all, Duration::from_secs(60)),
        all.len()
    );
    let status = wait_status(
        &pair.receiver,
        "an alarm",
        Duration::from_secs(30),
        |status| status["alarms"].to_string().contains("clinic-one"),
    );
    println!("{}", status["alarms"]);
    once_each(&pair, &all);
}

#[test]
fn an_image_after_a_reboot_joins_its_study() {
    let mut pair = Pair::start(Shape::CLEAN);
    let (folder, expected) = study(&pair, "study", 1, 2, 200_000);
    pair.send(&[&folder.join("0.dcm")]);
    pair.wait_stored(Duration::from_secs(30));
    pair.sender.kill();
    pair.sender.start();
    pair.send(&[&folder.join("1.dcm")]);
    assert_eq!(
        wait_for(&pair.folder, &expected, Duration::from_secs(30)),
        2
    );
    let status = pair.wait_stored(Duration::from_secs(30));
    let studies = status["studies"].as_array().unwrap();
    assert_eq!(studies.len(), 1, "one study: {status:#}");
    assert_eq!(studies[0]["instances"], 2);
    let hub = pair.receiver.status();
    assert_eq!(
        hub["studies"].as_array().unwrap().len(),
        1,
        "one study at the hub too"
    );
}

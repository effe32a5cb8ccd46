//! K1: a wrong key, a revoked clinic, a mistyped invitation, a full disk: each with a clear
//! message, and nothing lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::folder::{contents, fingerprints, wait_for};
use harness::made::Spec;
use harness::pair::{Pair, wait_status};
use harness::process::{run, run_with_input, texts};
use harness::relay::Shape;

fn image(pair: &Pair, name: &str, seed: u64, size: usize) -> (PathBuf, Vec<[u8; 32]>) {
    let file = pair.scratch().join(name);
    std::fs::write(&file, Spec::new(seed, size).bytes()).unwrap();
    let expected = fingerprints(std::slice::from_ref(&file));
    (file, expected)
}

#[test]
fn a_revoked_clinic_is_cut_off_told_so_and_keeps_its_studies() {
    let pair = Pair::start(Shape::CLEAN);
    wait_status(&pair.sender, "connected", Duration::from_secs(20), |s| {
        s["hub"]["connected"] == true
    });
    pair.receiver.command(&["revoke", "clinic-one"]);
    let status = wait_status(&pair.sender, "told", Duration::from_secs(30), |status| {
        status["hub"]["connected"] == false && status.to_string().contains("revoked")
    });
    println!("{}", status["hub"]);
    let (file, expected) = image(&pair, "late.dcm", 1, 100_000);
    pair.send(&[&file]);
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        contents(&pair.folder).is_empty(),
        "a revoked clinic delivers nothing"
    );
    let kept = pair.sender.status();
    assert_eq!(
        kept["studies"].as_array().unwrap().len(),
        1,
        "and loses nothing: {kept:#}"
    );
    assert!(!expected.is_empty());
}

#[test]
fn a_hub_with_another_key_is_not_spoken_to_and_the_right_one_gets_all_later() {
    let mut pair = Pair::start(Shape::CLEAN);
    wait_status(&pair.sender, "connected", Duration::from_secs(20), |s| {
        s["hub"]["connected"] == true
    });
    let impostor = Pair::prepare(Shape::CLEAN, &[], &[]);
    let mut other = impostor;
    other.receiver.start();
    pair.relay.set_hub(hub_address(&other));
    pair.receiver.kill();
    let (file, expected) = image(&pair, "secret.dcm", 2, 100_000);
    pair.send(&[&file]);
    let status = wait_status(&pair.sender, "named", Duration::from_secs(90), |status| {
        status["hub"]["connected"] == false && status.to_string().contains("key")
    });
    println!("{}", status["hub"]);
    assert!(contents(&other.folder).is_empty());
    pair.relay.set_hub(hub_address(&pair));
    pair.receiver.start();
    assert_eq!(
        wait_for(&pair.folder, &expected, Duration::from_secs(60)),
        1
    );
}

fn hub_address(pair: &Pair) -> std::net::SocketAddr {
    let config = std::fs::read_to_string(pair.receiver.data().join("config.toml")).unwrap();
    let line = config
        .lines()
        .find(|l| l.trim_start().starts_with("listen"))
        .unwrap();
    line.split('"').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_mistyped_invitation_and_a_second_use_of_one_are_refused_in_words() {
    let pair = Pair::start(Shape::CLEAN);
    let other = pair.scratch().join("other");
    let mut line = pair.invite("clinic-two");
    let second = pair.scratch().join("second");
    let used = line.clone();
    let typo = if line.ends_with('7') { '8' } else { '7' };
    line.pop();
    line.push(typo);
    let output = run("karez-sender", &other, &["join", &line]);
    let (_, error) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("invitation"), "{error}");
    let first = run("karez-sender", &other, &["join", &used]);
    assert!(first.status.success(), "{}", texts(&first).1);
    let mut joined =
        harness::process::Daemon::new("karez-sender", &other, &pair.scratch().join("o.log"));
    joined.start();
    wait_status(&joined, "joined", Duration::from_secs(20), |s| {
        s["hub"]["connected"] == true
    });
    let again = run("karez-sender", &second, &["join", &used]);
    println!("a second use with the line up or down: {}", texts(&again).1);
    let mut thief =
        harness::process::Daemon::new("karez-sender", &second, &pair.scratch().join("s.log"));
    thief.start();
    let status = wait_status(&thief, "refused", Duration::from_secs(30), |status| {
        status["hub"]["connected"] == false && status.to_string().contains("invitation")
    });
    println!("{}", status["hub"]);
}

#[test]
fn a_hub_is_rebuilt_from_its_sheet_on_a_bare_machine() {
    let mut pair = Pair::prepare(Shape::CLEAN, &[], &[]);
    let bare = pair.scratch().join("bare");
    let sheet_hub = pair.scratch().join("sheet-hub");
    let target = format!("folder:{}", pair.folder.display());
    let listen = hub_address(&pair).to_string();
    let init = [
        "init",
        "--name",
        "Quetta",
        "--listen",
        &listen,
        "--handoff",
        &target,
    ];
    let printed = harness::process::run_ok("karez-receiver", &sheet_hub, &init);
    let recovered = run_with_input("karez-receiver", &bare, &["recover"], &sheet(&printed));
    assert!(recovered.status.success(), "{:?}", texts(&recovered));
    let key = |data: &Path| std::fs::read(data.join("keys/seed")).unwrap();
    assert_eq!(key(&sheet_hub), key(&bare), "the same seed");
    let wrong = run_with_input(
        "karez-receiver",
        &pair.scratch().join("w"),
        &["recover"],
        "ABC",
    );
    assert_eq!(wrong.status.code(), Some(1));
    println!("{}", texts(&wrong).1);
    pair.receiver.kill();
}

/// The words of a printed recovery sheet: groups of seven characters.
fn sheet(printed: &str) -> String {
    let words = printed
        .split_whitespace()
        .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()));
    let is_word = |w: &&str| {
        w.len() == 7
            && w.chars()
                .all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
    };
    words.filter(is_word).collect::<Vec<_>>().join(" ")
}

/// A small file system of its own; `None` where the test may not mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let option = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &option, "tmpfs"])
            .arg(at)
            .status();
        mount
            .is_ok_and(|s| s.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_at_the_hub_is_said_and_the_rest_goes_on_when_there_is_room() {
    let mut pair = Pair::prepare(Shape::CLEAN, &[], &[]);
    let data = pair.receiver.data().to_owned();
    let kept = pair.scratch().join("kept");
    std::fs::rename(&data, &kept).unwrap();
    let Some(_small) = Small::mount(&data, "24m") else {
        println!("skipped: this user may not mount a tmpfs");
        return;
    };
    let copied = Command::new("cp")
        .arg("-a")
        .arg(kept.join("."))
        .arg(&data)
        .status()
        .unwrap();
    assert!(copied.success());
    let ballast = data.join("ballast");
    std::fs::write(&ballast, vec![0; 18 << 20]).unwrap();
    pair.receiver.start();
    let invitation = pair.invite("clinic-one");
    pair.join(&invitation);
    pair.sender.start();
    let (file, expected) = image(&pair, "big.dcm", 3, 12 << 20);
    pair.send(&[&file]);
    let status = wait_status(&pair.receiver, "full", Duration::from_secs(60), |status| {
        status["alarms"].to_string().contains("disk")
    });
    println!("{}", status["alarms"]);
    assert!(pair.receiver.runs() && contents(&pair.folder).is_empty());
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(
        wait_for(&pair.folder, &expected, Duration::from_secs(90)),
        1
    );
    pair.receiver.kill();
}

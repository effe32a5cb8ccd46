//! K2, 1: the demo's own judge: what is whole gives exit code 0, one flipped bit gives 1.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use karez_sim::made::{MadeFile, head_ct};
use karez_sim::seed::Seed;

fn demo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_karez-sim"));
    command.arg("demo").args(arguments).output().unwrap()
}

fn write(folder: &Path, made: &[MadeFile]) {
    std::fs::create_dir(folder).unwrap();
    for file in made {
        std::fs::write(folder.join(&file.name), &file.bytes).unwrap();
    }
}

/// Two studies, the smaller of which the demo takes for STAT.
fn studies() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    write(&scratch.path().join("large"), &head_ct(Seed::new(1), 4));
    write(&scratch.path().join("small"), &head_ct(Seed::new(2), 1));
    std::fs::write(scratch.path().join("small/notes.txt"), "no image").unwrap();
    scratch
}

#[test]
fn every_byte_of_the_images_reaches_the_archive_and_the_demo_says_so() {
    let studies = studies();
    let output = demo(&[
        "--speed",
        "8",
        "--studies",
        studies.path().to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("yes, every byte").count(), 2, "{said}");
}

#[test]
fn one_flipped_bit_is_seen_and_the_exit_code_is_1() {
    let studies = studies();
    let folder = studies.path().to_str().unwrap();
    let output = demo(&["--speed", "8", "--spoil", "--studies", folder]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("NO: ").count(), 1, "{said}");
}

#[test]
fn the_stat_radiograph_overtakes_the_ct() {
    let output = demo(&["--speed", "4"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("yes, every byte").count(), 2, "{said}");
    let overtook = "The chest X-ray (stat) came after the CT head (routine) and was stored before";
    assert!(said.contains(overtook), "{said}");
}

#[test]
fn wrong_usage_gives_exit_code_2() {
    assert_eq!(demo(&["--speed", "0"]).status.code(), Some(2));
    assert_eq!(demo(&["--no-such-flag"]).status.code(), Some(2));
}

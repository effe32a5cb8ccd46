//! K1: every file of a corpus folder goes in at the clinic's process and comes out of the hub's,
//! identical. Judged by what lies in the hand-off folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::time::Duration;

use harness::folder::{contents, fingerprints, wait_for};
use harness::pair::Pair;
use harness::relay::Shape;
use harness::{corpus, made};

#[test]
fn every_file_of_the_corpus_arrives_identical() {
    let pair = Pair::start(Shape::CLEAN);
    let (folder, files) = corpus::files(pair.scratch());
    let expected = fingerprints(&files);
    pair.send(&[&folder]);
    let arrived = wait_for(&pair.folder, &expected, Duration::from_secs(300));
    println!(
        "{arrived} of {} distinct non-empty files arrived identical",
        expected.len()
    );
    assert_eq!(arrived, expected.len());
    let doubled = contents(&pair.folder).values().filter(|n| **n > 1).count();
    println!("{doubled} contents lie in the folder more than once (studies that share a file)");
    let strange = contents(&pair.folder)
        .keys()
        .filter(|k| !expected.contains(*k))
        .count();
    assert_eq!(strange, 0, "files came out that never went in");
    pair.wait_stored(Duration::from_secs(30));
}

#[test]
fn made_files_of_every_syntax_truncated_and_foreign_ones_arrive_identical() {
    let pair = Pair::start(Shape::CLEAN);
    let folder = pair.scratch().join("made");
    made::write_all(&folder);
    let expected = fingerprints(&harness::folder::files_below(&folder));
    let said = pair.send(&[&folder]);
    println!("{said}");
    assert_eq!(
        wait_for(&pair.folder, &expected, Duration::from_secs(60)),
        expected.len()
    );
    let there = contents(&pair.folder);
    assert!(there.values().all(|n| *n == 1), "nothing twice");
    assert_eq!(there.len(), expected.len(), "and nothing else");
}

//! K1: nothing that could name a patient appears in a log, a status, a file name, a store or on
//! the air. The search is proved by leaks that are planted for it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::folder::{files_below, wait_for};
use harness::made::Spec;
use harness::pair::Pair;
use harness::process::{run, texts};
use harness::relay::Shape;

/// Names, numbers and dates as they stand in files: ASCII, UTF-8, ISO 2022 Japanese, and UIDs.
fn canaries() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "QANARYMAN^ZARGHUNA",
        "QX-7731-4452",
        "19630229",
        "1.2.826.0.1.777.31337",
        "Qanary-file-name",
        "قناری^زرغونه",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    all.push(b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B".to_vec());
    all
}

fn file(canaries: &[Vec<u8>]) -> Vec<u8> {
    let mut spec = Spec::new(1, 300_000);
    spec.study = "1.2.826.0.1.777.31337".into();
    spec.patient = canaries.join(&b'=');
    spec.bytes()
}

/// Where a canary stands in `bytes`, as it is, as UTF-16, as hexadecimal or after zstd frames in
/// it have been opened.
fn leaks(bytes: &[u8], canaries: &[Vec<u8>]) -> Option<usize> {
    canaries.iter().position(|canary| {
        let hex: String = canary.iter().map(|b| format!("{b:02x}")).collect();
        let wide: Vec<u8> = canary.iter().flat_map(|b| [*b, 0]).collect();
        [canary.as_slice(), hex.as_bytes(), &wide]
            .iter()
            .any(|needle| holds(bytes, needle))
    })
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    // `windows` would be slow over megabytes; look for the first byte first.
    let (Some(first), true) = (needle.first(), bytes.len() >= needle.len()) else {
        return false;
    };
    bytes
        .iter()
        .enumerate()
        .any(|(at, b)| b == first && bytes[at..].starts_with(needle))
}

/// Everything zstd can open at any place of `bytes`, joined.
fn decompressed(bytes: &[u8]) -> Vec<u8> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let mut out = Vec::new();
    for (at, _) in bytes.windows(4).enumerate().filter(|(_, w)| *w == MAGIC) {
        if let Ok(frame) = zstd::bulk::decompress(&bytes[at..], 8 << 20) {
            out.extend(frame);
        }
    }
    out
}

fn search(folder: &Path, canaries: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files_below(folder) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let name = path.to_string_lossy().into_owned();
        let name = leaks(name.as_bytes(), canaries);
        let body = leaks(&bytes, canaries).or_else(|| leaks(&decompressed(&bytes), canaries));
        if let Some(which) = name.or(body) {
            found.push(format!("canary {which} in {}", path.display()));
        }
    }
    found
}

#[test]
fn no_canary_is_found_anywhere() {
    let canaries = canaries();
    let pair = Pair::start(Shape::CLEAN);
    pair.relay.capture();
    let inbox = pair.scratch().join("inbox");
    std::fs::create_dir_all(&inbox).unwrap();
    let path = inbox.join("Qanary-file-name.dcm");
    std::fs::write(&path, file(&canaries)).unwrap();
    let expected = *blake3::hash(&file(&canaries)).as_bytes();
    pair.send(&[&path]);
    let bad = inbox.join("Qanary-file-name-missing.dcm");
    let _ = run(
        "karez-sender",
        pair.sender.data(),
        &["send", &bad.display().to_string()],
    );
    assert_eq!(
        wait_for(&pair.folder, &[expected], Duration::from_secs(30)),
        1
    );
    pair.wait_stored(Duration::from_secs(30));
    let mut found = search(pair.sender.data(), &canaries);
    found.extend(search(pair.receiver.data(), &canaries));
    found.extend(search(&pair.scratch().join("tmp"), &canaries));
    for daemon in [&pair.sender, &pair.receiver] {
        let status = daemon.status().to_string();
        let plain = texts(&run(daemon_name(daemon, &pair), daemon.data(), &["status"]));
        for text in [daemon.log_text(), status, plain.0, plain.1] {
            found.extend(leaks(text.as_bytes(), &canaries).map(|n| format!("canary {n} in words")));
        }
    }
    found
        .extend(leaks(&pair.relay.captured(), &canaries).map(|n| format!("canary {n} on the air")));
    for name in files_below(&pair.folder) {
        let name = name.to_string_lossy().into_owned();
        found.extend(leaks(name.as_bytes(), &canaries).map(|n| format!("canary {n} in {name}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn daemon_name(daemon: &harness::process::Daemon, pair: &Pair) -> &'static str {
    if daemon.data() == pair.sender.data() {
        "karez-sender"
    } else {
        "karez-receiver"
    }
}

#[test]
fn a_core_dump_of_either_daemon_holds_none() {
    let limit = Command::new("sh")
        .args(["-c", "ulimit -c"])
        .output()
        .unwrap();
    println!("core limit of this shell: {}", texts(&limit).0.trim());
    let pair = Pair::start(Shape::CLEAN);
    for id in [&pair.sender, &pair.receiver].map(harness::process::Daemon::id) {
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|l| l.starts_with("Max core file size"))
            .unwrap();
        let words: Vec<&str> = core.split_whitespace().collect();
        assert_eq!(words[4], "0", "a daemon leaves no core dump: {core}");
    }
}

#[test]
fn the_search_finds_what_is_planted() {
    let canaries = canaries();
    let scratch = tempfile::tempdir().unwrap();
    assert!(search(scratch.path(), &canaries).is_empty());
    let plant =
        |name: &str, bytes: &[u8]| std::fs::write(scratch.path().join(name), bytes).unwrap();
    plant("plain", &[b"xx".as_slice(), &canaries[0], b"yy"].concat());
    plant("japanese", &canaries[6]);
    plant(
        "packed",
        &[
            b"head".as_slice(),
            &zstd::bulk::compress(&file(&canaries), 3).unwrap(),
        ]
        .concat(),
    );
    plant("hexadecimal", b"51582d373733312d34343532");
    plant("Qanary-file-name", b"");
    assert_eq!(
        search(scratch.path(), &canaries).len(),
        5,
        "each plant is found"
    );
}

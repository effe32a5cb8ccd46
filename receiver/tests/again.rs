//! What a study costs on the wire when it is sent again: every instance of it is a new record, and
//! the hub hands it off and gives its receipt anew, but its pixels are not sent.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{Clinic, Hub, Link, World, all_stored, dicom, fast, send_all};

/// Bytes that a small box packs, or a hub rebuilds, in a second.
const SPEED: u64 = 10_000_000;

/// The files of a corpus' folder, at most so many; without a corpus, made ones of `rows` rows.
fn study(folder: &str, count: usize, rows: u16) -> Vec<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("KAREZ_CORPUS").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(corpus.join(folder)) else {
        return (0..count as u64)
            .map(|n| dicom("1.2.3", "CANARY^ONE", rows, n))
            .collect();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files = paths.iter().take(count).map(std::fs::read);
    files.map(Result::unwrap).collect()
}

/// The same with another patient's name (0010,0010), of another length.
fn corrected(file: &[u8]) -> Vec<u8> {
    let at = file
        .windows(4)
        .position(|w| w == [0x10, 0, 0x10, 0])
        .unwrap();
    let explicit = &file[at + 4..at + 6] == b"PN";
    let from = if explicit { at + 6 } else { at + 4 };
    let value = from + if explicit { 2 } else { 4 };
    let length = usize::from(u16::from_le_bytes([file[from], file[from + 1]]));
    let name = b"CANARY^CORRECTED^BY^HAND";
    let size = (name.len() as u32).to_le_bytes();
    let (before, after) = (&file[..from], &file[value + length..]);
    [before, &size[..value - from], name, after].concat()
}

/// IP bytes up and down so far.
async fn wire(clinic: &Clinic) -> (u64, u64) {
    let totals = clinic.status().await.totals;
    (totals.wire_bytes_up, totals.wire_bytes_down)
}

/// Sends a study, then the same, then one with a corrected name; what each costs of the first.
async fn costs(what: &str, link: Link, files: &[Vec<u8>]) -> [f64; 2] {
    let net = World::new(1, link);
    let hub = Hub::new(&net, 1).await;
    let clinic = hub.clinic(&net, "chagai", 1).await;
    hub.env.set_speed(SPEED);
    clinic.env.set_speed(SPEED);
    let other: Vec<_> = files.iter().map(|file| corrected(file)).collect();
    let mut all = Vec::new();
    for (round, files) in (1..).zip([files, files, &other]) {
        let start = wire(&clinic).await;
        send_all(&clinic, files).await;
        all_stored(&clinic, round * files.len() as u64).await;
        // What the receipts make necessary belongs to it.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let end = wire(&clinic).await;
        all.push((end.0 - start.0, end.1 - start.1));
    }
    hub.holds_exactly(&[files, &other].concat());
    let (first, images) = (all[0].0 + all[0].1, files.len() as u64);
    let share = |(up, down): (u64, u64)| (up + down) as f64 / first as f64;
    for ((up, down), name) in all.iter().copied().zip(["first", "same", "corrected"]) {
        println!(
            "{what}, {name}: {} B up and {} B down an image, {:.2} % of the first",
            up / images,
            down / images,
            100.0 * share((up, down))
        );
    }
    [share(all[1]), share(all[2])]
}

fn thin() -> Link {
    Link {
        loss: 0.01,
        ..Link::thin()
    }
}

/// 64 kbit/s.
fn thinnest() -> Link {
    Link {
        bits_per_s: 64e3,
        ..Link::thin()
    }
}

fn holds([same, corrected]: [f64; 2]) {
    assert!(same < 0.01, "the same study: {same}");
    assert!(corrected < 0.02, "a corrected name: {corrected}");
}

#[tokio::test(start_paused = true)]
async fn a_ct_again_costs_less_than_1_percent_and_with_a_corrected_name_less_than_2() {
    let files = study("ct_sinus_series", 8, 2000);
    holds(costs("CT, 512 kbit/s", thin(), &files).await);
}

#[tokio::test(start_paused = true)]
async fn so_do_small_images_on_a_thin_link() {
    let files = study("made_ct_cranium", 32, 420);
    holds(costs("small, 512 kbit/s", thin(), &files).await);
}

#[tokio::test(start_paused = true)]
async fn so_do_small_images_on_the_thinnest_link() {
    if std::env::var_os("KAREZ_LONG").is_none() {
        return;
    }
    let files = study("made_ct_cranium", 32, 420);
    holds(costs("small, 64 kbit/s", thinnest(), &files).await);
}

#[tokio::test(start_paused = true)]
async fn so_do_small_images_on_a_rich_link() {
    if std::env::var_os("KAREZ_LONG").is_none() {
        return;
    }
    let files = study("made_ct_cranium", 32, 420);
    holds(costs("small, 50 Mbit/s", fast(), &files).await);
}

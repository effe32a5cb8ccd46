//! Studies travel from a real sender to a real hub and into its folder, whatever happens to
//! either.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::time::Duration;

use karez_protocol::priority::Class;
use support::{Clinic, Hub, World, all_stored, dicom, fast, noise, send_all, until};

/// Files of every kind that the packer treats differently; the last is the first again.
fn files() -> Vec<Vec<u8>> {
    let mut files = vec![
        b"x".to_vec(),
        b"not DICOM at all".to_vec(),
        noise(1, 65_536),
        noise(2, 65_537),
        noise(3, 3_000_000),
        vec![0; 9_000_000],
    ];
    files.extend((0..6).map(|n| dicom("1.2.3", "CANARY^ONE", 64, n)));
    files.extend((0..3).map(|n| dicom(&format!("1.2.{n}"), "CANARY^TWO", 512, n)));
    files
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_file_arrives_identical_is_counted_and_released() {
    let net = World::new(1, fast());
    let hub = Hub::new(&net, 1).await;
    let clinic = hub.clinic(&net, "chagai", 1).await;
    let files = files();
    send_all(&clinic, &files).await;
    all_stored(&clinic, files.len() as u64).await;
    hub.holds_exactly(&files);
    let status = hub.status().await;
    let sum = |key: &str| {
        let studies = status["studies"].as_array().unwrap();
        studies
            .iter()
            .map(|s| s[key].as_u64().unwrap())
            .sum::<u64>()
    };
    let count = files.len() as u64;
    assert_eq!(
        (sum("instances"), sum("stored")),
        (count, count),
        "{status:#}"
    );
    assert_eq!(status["totals"]["resent_bytes"], 0);
    assert_eq!(status["clinics"][0]["studies_open"], 0);
    assert_eq!(status["parked"], serde_json::json!([]));
    assert!(!status.to_string().contains("CANARY"));
}

#[tokio::test(start_paused = true)]
async fn the_same_file_again_is_asked_about_and_not_handed_off_twice() {
    let net = World::new(2, fast());
    let hub = Hub::new(&net, 2).await;
    let clinic = hub.clinic(&net, "chagai", 2).await;
    let file = dicom("1.2.3", "A^B", 512, 1);
    send_all(&clinic, std::slice::from_ref(&file)).await;
    all_stored(&clinic, 1).await;
    send_all(&clinic, &[file.clone(), file.clone()]).await;
    all_stored(&clinic, 3).await;
    hub.holds_exactly(&[file]);
    assert_eq!(hub.status().await["studies"][0]["stored"], 3);
}

#[tokio::test(start_paused = true)]
async fn pixels_that_are_here_already_are_not_sent_again_and_are_rebuilt_from_where_they_are() {
    let net = World::new(7, fast());
    let mut hub = Hub::new(&net, 7).await;
    let clinic = hub.clinic(&net, "chagai", 7).await;
    let first = dicom("1.2.3", "A^B", 3000, 1);
    send_all(&clinic, std::slice::from_ref(&first)).await;
    all_stored(&clinic, 1).await;
    let before = payload(&hub).await;
    // The name was corrected; then once more, after a restart of the hub.
    let second = dicom("1.2.3", "A^BB", 3000, 1);
    send_all(&clinic, std::slice::from_ref(&second)).await;
    all_stored(&clinic, 2).await;
    hub.kill(1).await;
    hub.start().await.unwrap();
    let third = dicom("1.2.4", "A^BBB", 3000, 1);
    send_all(&clinic, std::slice::from_ref(&third)).await;
    all_stored(&clinic, 3).await;
    let after = payload(&hub).await;
    assert!(after - before < before / 10, "{before} then {after}");
    hub.holds_exactly(&[first, second, third]);
}

async fn payload(hub: &Hub) -> u64 {
    hub.status().await["totals"]["payload_bytes"]
        .as_u64()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_restarted_hub_knows_what_is_done_and_hands_nothing_off_again() {
    let net = World::new(3, fast());
    let mut hub = Hub::new(&net, 3).await;
    let clinic = hub.clinic(&net, "chagai", 3).await;
    let files: Vec<_> = (0..4).map(|n| dicom("1.2.3", "A^B", 64, n)).collect();
    send_all(&clinic, &files).await;
    all_stored(&clinic, 4).await;
    let before = hub.status().await;
    hub.kill(9).await;
    for path in hub.files().keys() {
        karez_store::Disk::remove(&hub.env.disk, path).unwrap();
    }
    hub.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(hub.files().is_empty(), "the archive may move what it got");
    let after = hub.status().await;
    assert_eq!(after["studies"], before["studies"]);
    assert_eq!(after["totals"], before["totals"]);
}

/// A transfer during which the hub loses power at the `n`-th sync from the first chunk on;
/// whether there were so many.
async fn cut_at(n: u64) -> bool {
    let net = World::new(n, fast());
    let mut hub = Hub::new(&net, n).await;
    let clinic = hub.clinic(&net, "chagai", n).await;
    until("joined", async || clinic.status().await.hub.connected).await;
    let files = [
        dicom("1.2.3", "A^B", 400, n),
        dicom("1.2.3", "A^B", 300, n + 1000),
        noise(n, 90_000),
    ];
    hub.env.disk.kill_at_sync(n);
    send_all(&clinic, &files).await;
    let count = files.len() as u64;
    let handle = clinic.handle();
    until("stored or dead", async || {
        let stored = handle.progress(vec![(0, count)]).await.unwrap().stored == count;
        stored || dead(&hub)
    })
    .await;
    let died = dead(&hub);
    if died {
        hub.kill(n * 7).await;
        hub.start().await.unwrap();
    }
    all_stored(&clinic, count).await;
    hub.holds_exactly(&files);
    died
}

/// Whether the disk has failed for good.
fn dead(hub: &Hub) -> bool {
    let space = std::path::Path::new(support::DIR);
    karez_store::Disk::space(&hub.env.disk, space).is_err()
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_of_the_hub_at_every_sync_loses_and_doubles_nothing() {
    let mut cuts = 0;
    while cut_at(cuts + 1).await {
        cuts += 1;
    }
    println!("{cuts} syncs, a power cut at each");
    assert!(cuts > 20, "the sync counter counts: {cuts}");
}

#[tokio::test(start_paused = true)]
async fn both_ends_may_die_again_and_again() {
    let net = World::new(5, fast());
    let mut hub = Hub::new(&net, 5).await;
    let mut clinic: Clinic = hub.clinic(&net, "chagai", 5).await;
    let files: Vec<_> = (0..8).map(|n| noise(n, 700_000)).collect();
    send_all(&clinic, &files).await;
    for life in 0..12 {
        tokio::time::sleep(Duration::from_millis(150 + 37 * life)).await;
        if life % 2 == 0 {
            hub.kill(life).await;
            hub.start().await.unwrap();
        } else {
            clinic.kill(life).await;
            clinic.start().unwrap();
        }
    }
    all_stored(&clinic, 8).await;
    hub.holds_exactly(&files);
    let totals = hub.status().await["totals"].clone();
    println!("{totals}");
    let (payload, resent) = (&totals["payload_bytes"], &totals["resent_bytes"]);
    assert!(
        resent.as_u64().unwrap() * 33 <= payload.as_u64().unwrap(),
        "{totals}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_is_handed_off_first_and_the_newest_of_it() {
    let net = World::new(6, fast());
    let hub = Hub::new(&net, 6).await;
    let clinic = hub.clinic(&net, "chagai", 6).await;
    let pause = karez_receiver::Command::TargetPause {
        name: "folder".into(),
        paused: true,
    };
    hub.ask(pause).await.unwrap();
    let study = |n: u64| dicom(&format!("1.2.{n}"), "A^B", 64, n);
    for (n, class) in [
        (1, Class::Bulk),
        (2, Class::Stat),
        (3, Class::Routine),
        (4, Class::Stat),
    ] {
        clinic.send(&study(n), Some(class)).await.unwrap();
        until("verified", async || {
            let status = hub.status().await;
            let studies = status["studies"].as_array().unwrap();
            studies.iter().filter(|s| s["verified"] == 1).count() as u64 == n
        })
        .await;
    }
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = seen.clone();
    hub.env.disk.on_sync(move |durable| {
        for path in durable
            .paths()
            .filter(|p| p.extension().is_some_and(|e| e == "dcm"))
        {
            let mut seen = into.lock().unwrap();
            let bytes = durable.read(path).unwrap_or_default();
            if !seen.contains(&bytes) {
                seen.push(bytes);
            }
        }
    });
    let resume = karez_receiver::Command::TargetPause {
        name: "folder".into(),
        paused: false,
    };
    hub.ask(resume).await.unwrap();
    all_stored(&clinic, 4).await;
    let order: Vec<Vec<u8>> = seen.lock().unwrap().clone();
    // Two are on their way at a time.
    assert!(
        order[..2].contains(&study(4)) && order[..2].contains(&study(2)),
        "STAT first"
    );
    assert!(order[3] == study(1), "bulk last");
}

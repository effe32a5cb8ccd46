//! One study is packed on several cores, a group of instances on each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::time::Duration;

use support::clinic::Clinic;
use support::dicom;
use support::hub::Hub;
use support::net::World;
use support::transfer::{all_stored, fast, names, rebuilt};
use tokio::time::Instant;

/// Bytes that a core packs in a second.
const SPEED: u64 = 500_000;

struct Sent {
    took: Duration,
    wire: u64,
    segments: usize,
}

fn study(images: u64) -> Vec<Vec<u8>> {
    (0..images)
        .map(|n| dicom("1.2.3", "CANARY^ONE", 200, n))
        .collect()
}

/// A clinic that joins only when all files wait to be packed.
async fn clinic(net: &World, hub: &Hub, cores: usize, files: &[Vec<u8>]) -> Clinic {
    let mut clinic = Clinic::alone(net, 1);
    clinic.env.set_cores(cores);
    clinic.start().unwrap();
    for file in files {
        clinic.send(file, None).await.unwrap();
    }
    clinic.env.set_speed(SPEED);
    clinic.handle().join(&hub.invitation()).await.unwrap();
    clinic
}

/// So many images of one study, through as many cores.
async fn send(images: u64, cores: usize) -> Sent {
    let net = World::new(1, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let files = study(images);
    let clinic = clinic(&net, &hub, cores, &files).await;
    let start = Instant::now();
    all_stored(&clinic, images).await;
    assert_eq!(rebuilt(&hub), names(&files));
    let totals = clinic.status().await.totals;
    Sent {
        took: start.elapsed(),
        wire: totals.wire_bytes_up,
        segments: hub.segment_keys().len(),
    }
}

#[tokio::test(start_paused = true)]
async fn two_cores_pack_a_study_in_half_the_time_for_the_same_bytes() {
    let (one, two) = (send(64, 1).await, send(64, 2).await);
    let ratio = one.took.as_secs_f64() / two.took.as_secs_f64();
    println!(
        "{:?} and {:?}: {ratio:.2}; {} and {} bytes",
        one.took, two.took, one.wire, two.wire
    );
    assert!(ratio > 1.7, "{:?} and {:?}", one.took, two.took);
    assert_eq!((one.segments, two.segments), (1, 2));
    assert!(
        two.wire * 200 < one.wire * 201,
        "{} and {} bytes",
        one.wire,
        two.wire
    );
}

#[tokio::test(start_paused = true)]
async fn what_one_core_will_soon_have_packed_stays_in_one_segment() {
    assert_eq!(send(17, 2).await.segments, 1);
}

#[tokio::test(start_paused = true)]
async fn power_cuts_with_two_segments_open_lose_and_double_nothing() {
    for life in 1..5 {
        let net = World::new(life, fast());
        let hub = Hub::new();
        let _serving = hub.serve(&net);
        let files = study(40);
        let mut clinic = clinic(&net, &hub, 2, &files).await;
        tokio::time::sleep(Duration::from_millis(270 * life)).await;
        clinic.kill(life).await;
        clinic.start().unwrap();
        all_stored(&clinic, 40).await;
        assert_eq!(rebuilt(&hub), names(&files), "life {life}");
    }
}

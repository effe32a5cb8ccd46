//! What all targets have goes from the hub's disk when its time is over or the disk fills, and
//! nothing is lost, sent or handed off again by that.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use karez_receiver::Command;
use karez_store::Disk;
use support::{Clinic, Hub, World, all_stored, dicom, fast, noise, send_all};

const HOUR: Duration = Duration::from_secs(3600);

/// A hub that keeps stored studies for an hour.
async fn hub(net: &World, seed: u64) -> Hub {
    let mut hub = Hub::new(net, seed).await;
    hub.stop().await;
    hub.settings.store.keep_stored.0 = 3_600_000;
    hub.start().await.unwrap();
    hub
}

/// Time goes by, on the hub's clock too.
async fn pass(hub: &Hub, time: Duration) {
    *hub.env.wall.lock().unwrap() += time.as_secs() as i64;
    tokio::time::sleep(time).await;
}

fn used(hub: &Hub) -> u64 {
    let space = hub.env.disk.space(Path::new("/hub")).unwrap();
    space.total - space.free
}

async fn payload(hub: &Hub) -> u64 {
    let status = hub.status().await;
    status["totals"]["payload_bytes"].as_u64().unwrap()
}

/// A slice that is much like the others of its series, and like nothing else.
fn slice(number: u64) -> Vec<u8> {
    let mut file = dicom("1.2.3", "A^B", 256, 1);
    let fresh = noise(100 + number, 256 * 64 * 2);
    let pixels = file.len() - fresh.len();
    for (pixel, fresh) in file[pixels..].chunks_mut(2).zip(fresh.chunks(2)) {
        pixel[0] = (pixel[0] & !1) | (fresh[0] & 1);
    }
    file
}

#[tokio::test(start_paused = true)]
async fn stored_studies_go_after_their_time_and_count_as_stored_for_ever() {
    let net = World::new(1, fast());
    let mut hub = hub(&net, 1).await;
    let clinic = hub.clinic(&net, "chagai", 1).await;
    let files: Vec<_> = (0..4)
        .map(|n| dicom(&format!("1.2.{n}"), "A^B", 3000, n))
        .collect();
    send_all(&clinic, &files).await;
    all_stored(&clinic, 4).await;
    let (full, sent) = (used(&hub), payload(&hub).await);
    pass(&hub, HOUR / 2).await;
    assert_eq!(used(&hub), full, "its time is not over");
    pass(&hub, HOUR).await;
    let at_archive: u64 = files.iter().map(|f| f.len() as u64).sum();
    println!("{full} bytes, then {}", used(&hub));
    assert!(used(&hub) < at_archive + sent / 5, "chunks went");
    hub.kill(1).await;
    hub.start().await.unwrap();
    pass(&hub, HOUR).await;
    all_stored(&clinic, 4).await;
    hub.holds_exactly(&files);
    assert_eq!(payload(&hub).await, sent, "nothing came again");
    assert_eq!(hub.status().await["totals"]["resent_bytes"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_images_after_that_come_anew_and_are_not_handed_off_twice() {
    let net = World::new(2, fast());
    let hub = hub(&net, 2).await;
    let clinic = hub.clinic(&net, "chagai", 2).await;
    let first = dicom("1.2.3", "A^B", 3000, 1);
    send_all(&clinic, std::slice::from_ref(&first)).await;
    all_stored(&clinic, 1).await;
    pass(&hub, HOUR * 2).await;
    let other = dicom("1.2.4", "A^BB", 3000, 1);
    send_all(&clinic, &[first.clone(), other.clone()]).await;
    all_stored(&clinic, 3).await;
    hub.holds_exactly(&[first, other]);
}

#[tokio::test(start_paused = true)]
async fn a_late_image_that_builds_on_what_went_brings_it_back() {
    let net = World::new(3, fast());
    let mut hub = hub(&net, 3).await;
    hub.stop().await;
    hub.settings.store.keep_stored.0 = 0;
    hub.start().await.unwrap();
    let clinic = clinic_that_waits(&hub, &net).await;
    let slices: Vec<_> = (0..4).map(slice).collect();
    send_all(&clinic, &slices[..3]).await;
    all_stored(&clinic, 3).await;
    pass(&hub, HOUR).await;
    let before = payload(&hub).await;
    // What its workers remember goes too.
    hub.kill(3).await;
    hub.start().await.unwrap();
    send_all(&clinic, &slices[3..]).await;
    all_stored(&clinic, 4).await;
    println!("{before} bytes of payload, then {}", payload(&hub).await);
    hub.holds_exactly(&slices);
}

#[tokio::test(start_paused = true)]
async fn a_filling_disk_takes_the_oldest_first_and_stops_there() {
    let net = World::new(4, fast());
    let mut hub = Hub::new(&net, 4).await;
    hub.stop().await;
    hub.settings.store.evict_below.0 = 1_000_000;
    hub.start().await.unwrap();
    hub.env.disk.set_capacity(Some(12_000_000));
    let clinic = hub.clinic(&net, "chagai", 4).await;
    let files: Vec<_> = (0..36)
        .map(|n| dicom(&format!("1.2.{n}"), "A^B", 3000, n))
        .collect();
    for (count, file) in (1..).zip(&files) {
        send_all(&clinic, std::slice::from_ref(file)).await;
        all_stored(&clinic, count).await;
        // The archive moves what it gets to a disk of its own.
        for path in hub.files().keys() {
            hub.env.disk.remove(path).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let sent: usize = files.iter().map(Vec::len).sum();
    let free = hub.env.disk.space(Path::new("/hub")).unwrap().free;
    println!("{sent} bytes through a disk of 12 MB, {free} free");
    assert!(used(&hub) < 12_000_000 && (500_000..3_000_000).contains(&free));
    assert_eq!(hub.status().await["parked"], serde_json::json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_went_cannot_be_handed_off_again_and_the_answer_says_so() {
    let net = World::new(5, fast());
    let hub = hub(&net, 5).await;
    let clinic = hub.clinic(&net, "chagai", 5).await;
    let first = dicom("1.2.3", "A^B", 3000, 1);
    send_all(&clinic, std::slice::from_ref(&first)).await;
    all_stored(&clinic, 1).await;
    pass(&hub, HOUR * 2).await;
    let second = dicom("1.2.4", "A^B", 3000, 2);
    send_all(&clinic, std::slice::from_ref(&second)).await;
    all_stored(&clinic, 2).await;
    let resend = Command::Resend {
        target: "folder".into(),
        since: 0,
        study: None,
    };
    let answer = hub.ask(resend).await.unwrap();
    assert_eq!(answer["instances"], 1);
    assert_eq!(answer["removed"], 1);
    hub.holds_exactly(&[first, second]);
}

/// A clinic whose studies stay open for a day.
async fn clinic_that_waits(hub: &Hub, net: &World) -> Clinic {
    let mut clinic = Clinic::alone(net, 3);
    clinic.settings.study.quiet.0 = 86_400_000;
    clinic.start().unwrap();
    let invitation = hub.invite("chagai").await;
    clinic.handle().join(&invitation).await.unwrap();
    clinic
}

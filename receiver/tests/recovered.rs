//! The hub is gone with its machine. It is rebuilt from its recovery sheet; its clinics, with two
//! weeks of studies and the receipts of earlier ones, are invited again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use karez_protocol::seal::HubSeed;
use karez_receiver::keys;
use karez_store::{Disk, MemDisk};
use support::{DIR, Hub, PACS, SEED, World, all_stored, fast, noise, send_all, target, until};

const DAYS: u64 = 14;
const CLINICS: u64 = 2;

/// A bare machine on which the words of the sheet were typed.
fn recovered() -> MemDisk {
    let sheet = HubSeed::new(SEED).sheet().join(" ");
    let seed = HubSeed::from_sheet(&sheet).unwrap();
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    keys::store(&disk, Path::new(DIR), &seed).unwrap();
    disk
}

#[tokio::test(start_paused = true)]
async fn two_weeks_of_studies_arrive_at_a_hub_rebuilt_from_its_sheet() {
    let net = World::new(14, fast());
    let mut hub = Hub::new(&net, 14).await;
    let mut clinics = Vec::new();
    for n in 0..CLINICS {
        let clinic = hub.clinic(&net, &format!("clinic-{n}"), n).await;
        send_all(
            &clinic,
            &[noise(n * 1000, 60_000), noise(n * 1000 + 1, 60_000)],
        )
        .await;
        clinics.push(clinic);
    }
    for clinic in &clinics {
        all_stored(clinic, 2).await;
    }
    hub.stop().await;
    // Each day a study of two images, and one day on which the clinic's power goes.
    let mut owed = Vec::new();
    for day in 0..DAYS {
        for (n, clinic) in (0..).zip(&mut clinics) {
            let seed = n * 1000 + 10 + 2 * day;
            let files = [noise(seed, 40_000), noise(seed + 1, 40_000)];
            send_all(clinic, &files).await;
            owed.extend(files);
            if day == 7 {
                clinic.kill(day).await;
                clinic.start().unwrap();
            }
        }
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    }
    let mut hub = Hub::with(recovered(), &net, 15);
    hub.ask_offline(target("folder", PACS)).unwrap();
    hub.start().await.unwrap();
    let began = tokio::time::Instant::now();
    for (n, clinic) in clinics.iter().enumerate() {
        let refused = async || !clinic.status().await.hub.problem.is_empty();
        until("told to join again", refused).await;
        let line = hub.invite(&format!("clinic-{n}")).await;
        clinic.handle().join(&line).await.unwrap();
    }
    for clinic in &clinics {
        all_stored(clinic, 2 + 2 * DAYS).await;
    }
    println!(
        "{} images of {DAYS} days arrived {:?} after the hub came back",
        owed.len(),
        began.elapsed()
    );
    // What was stored before is in the archive: its receipts spare it another journey.
    hub.holds_exactly(&owed);
    let audit = karez_receiver::Command::AuditVerify {
        witnesses: Vec::new(),
    };
    assert_eq!(hub.ask(audit).await.unwrap()["whole"], true);
}

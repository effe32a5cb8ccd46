//! Targets that are gone, full, or hold other bytes, and what people decide about it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use karez_receiver::Command;
use karez_receiver::command::Decision;
use karez_store::{Disk, OpenMode};
use support::{Clinic, Hub, PACS, World, all_stored, dicom, fast, noise, send_all, target, until};

async fn hub_and_clinic(seed: u64) -> (World, Hub, Clinic) {
    let net = World::new(seed, fast());
    let hub = Hub::new(&net, seed).await;
    let clinic = hub.clinic(&net, "chagai", seed).await;
    (net, hub, clinic)
}

fn write(hub: &Hub, path: &Path, bytes: &[u8]) {
    let disk = &hub.env.disk;
    disk.create_dir_all(path.parent().unwrap()).unwrap();
    let file = disk.open(path, OpenMode::CreateNew).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir(path.parent().unwrap()).unwrap();
}

/// Where the next instance of the clinic's only study will lie.
async fn path_of(hub: &Hub, file: &[u8]) -> PathBuf {
    let study = hub.status().await["studies"][0]["study"]
        .as_str()
        .unwrap()
        .to_owned();
    let name = format!("{}.dcm", blake3::hash(file).to_hex());
    Path::new(PACS).join("chagai").join(study).join(name)
}

#[tokio::test(start_paused = true)]
async fn a_folder_whose_disk_is_not_mounted_is_waited_for_and_not_made_anew() {
    let (_net, hub, clinic) = hub_and_clinic(1).await;
    let marker = Path::new(PACS).join(".karez-target");
    hub.env.disk.remove(&marker).unwrap();
    let file = dicom("1.2.3", "A^B", 64, 1);
    send_all(&clinic, std::slice::from_ref(&file)).await;
    until("shown", async || {
        let status = hub.status().await;
        let handoff = &status["studies"][0]["handoff"][0];
        handoff["state"] == "waiting" && handoff["reason"].as_str().unwrap().contains("mounted")
    })
    .await;
    let status = hub.status().await;
    assert!(
        status["alarms"].to_string().contains("mounted"),
        "{status:#}"
    );
    tokio::time::sleep(Duration::from_secs(7 * 24 * 3600)).await;
    assert!(hub.files().is_empty());
    write(&hub, &marker, b"");
    let back = tokio::time::Instant::now();
    all_stored(&clinic, 1).await;
    assert!(
        back.elapsed() < Duration::from_secs(320),
        "{:?}",
        back.elapsed()
    );
    hub.holds_exactly(&[file]);
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_that_lie_there_already_count_and_are_not_written_again() {
    let (_net, hub, clinic) = hub_and_clinic(2).await;
    let first = dicom("1.2.3", "A^B", 64, 1);
    send_all(&clinic, std::slice::from_ref(&first)).await;
    all_stored(&clinic, 1).await;
    let second = dicom("1.2.3", "A^B", 64, 2);
    write(&hub, &path_of(&hub, &second).await, &second);
    hub.env.disk.set_read_only(false);
    send_all(&clinic, std::slice::from_ref(&second)).await;
    all_stored(&clinic, 2).await;
    hub.holds_exactly(&[first, second]);
}

#[tokio::test(start_paused = true)]
async fn other_bytes_in_its_place_park_one_instance_and_hold_up_no_other() {
    let (_net, mut hub, clinic) = hub_and_clinic(3).await;
    let first = dicom("1.2.3", "A^B", 64, 1);
    send_all(&clinic, std::slice::from_ref(&first)).await;
    all_stored(&clinic, 1).await;
    let (second, third) = (dicom("1.2.3", "A^B", 64, 2), dicom("1.2.3", "A^B", 64, 3));
    let place = path_of(&hub, &second).await;
    write(&hub, &place, b"something else");
    send_all(&clinic, &[second.clone(), third.clone()]).await;
    until("parked", async || {
        hub.status().await["studies"][0]["parked"] == 1
    })
    .await;
    until("the others stored", async || {
        hub.status().await["studies"][0]["stored"] == 2
    })
    .await;
    until("the clinic knows", async || {
        clinic.status().await.studies[0].parked == 1
    })
    .await;
    hub.kill(5).await;
    hub.start().await.unwrap();
    let parked = hub.ask(Command::Parked {}).await.unwrap();
    assert!(
        parked[0]["reason"]
            .as_str()
            .unwrap()
            .contains("other bytes"),
        "{parked}"
    );
    assert!(
        parked[0]["actions"].to_string().contains("release"),
        "{parked}"
    );
    let item = parked[0]["item"].as_str().unwrap().to_owned();
    let wrong = hub
        .ask(decide("nothing", Decision::Retry))
        .await
        .unwrap_err();
    assert!(wrong.fix.contains("parked list"), "{wrong}");
    hub.ask(decide(&item, Decision::Retry)).await.unwrap();
    until("parked again", async || {
        hub.status().await["studies"][0]["parked"] == 1
    })
    .await;
    hub.ask(decide(&item, Decision::Release)).await.unwrap();
    all_stored(&clinic, 3).await;
    hub.holds_exactly(&[first, second, third]);
}

fn decide(item: &str, decision: Decision) -> Command {
    Command::Decide {
        item: item.to_owned(),
        decision,
    }
}

#[tokio::test(start_paused = true)]
async fn a_discarded_instance_is_given_up_here_and_stays_owed_at_the_clinic() {
    let (_net, mut hub, clinic) = hub_and_clinic(4).await;
    let first = dicom("1.2.3", "A^B", 64, 1);
    send_all(&clinic, std::slice::from_ref(&first)).await;
    all_stored(&clinic, 1).await;
    let second = dicom("1.2.3", "A^B", 64, 2);
    write(&hub, &path_of(&hub, &second).await, b"something else");
    send_all(&clinic, &[second]).await;
    until("parked", async || {
        hub.status().await["studies"][0]["parked"] == 1
    })
    .await;
    let parked = hub.ask(Command::Parked {}).await.unwrap();
    let item = parked[0]["item"].as_str().unwrap().to_owned();
    let out = Path::new("/export.dcm");
    let bytes = hub.handle().export(&item, out).await.unwrap();
    assert!(bytes > 1000 && hub.env.disk.len(out).unwrap() == Some(bytes));
    let why = Decision::Discard("sent by mistake".into());
    hub.ask(decide(&item, why)).await.unwrap();
    hub.kill(6).await;
    hub.start().await.unwrap();
    let status = hub.status().await;
    assert_eq!(status["studies"][0]["discarded"], 1, "{status:#}");
    assert_eq!(status["clinics"][0]["studies_open"], 0, "{status:#}");
    let handle = clinic.handle();
    let progress = handle.progress(vec![(0, 2)]).await.unwrap();
    assert_eq!(progress.stored, 1);
}

#[tokio::test(start_paused = true)]
async fn stored_means_at_all_targets_and_a_target_may_come_and_go() {
    let (_net, hub, clinic) = hub_and_clinic(5).await;
    hub.ask(target("second", "/second")).await.unwrap();
    let marker = Path::new("/second").join(".karez-target");
    hub.env.disk.remove(&marker).unwrap();
    let file = noise(5, 30_000);
    send_all(&clinic, std::slice::from_ref(&file)).await;
    until("at the first", async || hub.files().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(hub.status().await["studies"][0]["stored"], 0);
    hub.ask(Command::TargetRemove {
        name: "second".into(),
    })
    .await
    .unwrap();
    all_stored(&clinic, 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_archive_lost_is_handed_off_again_and_nothing_else() {
    let (_net, hub, clinic) = hub_and_clinic(6).await;
    let files: Vec<_> = (0..3).map(|n| dicom("1.2.3", "A^B", 64, n)).collect();
    send_all(&clinic, &files).await;
    all_stored(&clinic, 3).await;
    let lost = hub.files().into_keys().next().unwrap();
    hub.env.disk.remove(&lost).unwrap();
    let resend = |since| Command::Resend {
        target: "folder".into(),
        since,
        study: None,
    };
    let late = hub.ask(resend(i64::MAX)).await.unwrap();
    assert_eq!(late["instances"], 0);
    let all = hub.ask(resend(0)).await.unwrap();
    assert_eq!(all["instances"], 3);
    until("again", async || hub.files().len() == 3).await;
    hub.holds_exactly(&files);
    until("stored", async || {
        hub.status().await["studies"][0]["stored"] == 3
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_same_image_again_is_asked_about_and_what_the_archive_lost_is_there_again() {
    let (_net, hub, clinic) = hub_and_clinic(7).await;
    let file = dicom("1.2.3", "A^B", 64, 1);
    send_all(&clinic, std::slice::from_ref(&file)).await;
    all_stored(&clinic, 1).await;
    let lost = hub.files().into_keys().next().unwrap();
    hub.env.disk.remove(&lost).unwrap();
    send_all(&clinic, std::slice::from_ref(&file)).await;
    all_stored(&clinic, 2).await;
    hub.holds_exactly(&[file]);
}

//! What the hub does when its disk is full, has rotted or was restored, and when a clinic is
//! restored, copied or revoked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use karez_receiver::Command;
use karez_store::Disk;
use support::{
    Clinic, DIR, Hub, Link, World, all_stored, copy, dicom, fast, invite, noise, send_all, until,
};

fn says(status: &serde_json::Value, key: &str, words: &str) -> bool {
    status[key].to_string().contains(words)
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_said_and_the_rest_goes_on_by_itself_when_there_is_room() {
    let net = World::new(1, fast());
    let hub = Hub::new(&net, 1).await;
    let clinic = hub.clinic(&net, "chagai", 1).await;
    let files: Vec<_> = (0..4).map(|n| noise(n, 800_000)).collect();
    hub.env.disk.set_capacity(Some(1_500_000));
    send_all(&clinic, &files).await;
    until("full", async || {
        says(&hub.status().await, "alarms", "disk is full")
    })
    .await;
    until("the clinic is told", async || {
        clinic.status().await.hub.problem.contains("disk is full")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    hub.env.disk.set_capacity(None);
    all_stored(&clinic, 4).await;
    hub.holds_exactly(&files);
    assert!(!says(&hub.status().await, "alarms", "disk is full"));
}

#[tokio::test(start_paused = true)]
async fn the_reserve_is_kept_for_journals_and_other_programs() {
    let net = World::new(2, fast());
    let mut hub = Hub::new(&net, 2).await;
    hub.stop().await;
    hub.settings.store.reserve.0 = 1_000_000;
    hub.env.disk.set_capacity(Some(20_000_000));
    hub.start().await.unwrap();
    let clinic = hub.clinic(&net, "chagai", 2).await;
    let files: Vec<_> = (0..30).map(|n| noise(n, 800_000)).collect();
    send_all(&clinic, &files).await;
    until("full", async || {
        says(&hub.status().await, "alarms", "disk is full")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let free = hub.env.disk.space(Path::new(DIR)).unwrap().free;
    assert!(
        free > 0,
        "the twentieth part of a small disk is not filled: {free}"
    );
    hub.env.disk.set_capacity(None);
    all_stored(&clinic, 30).await;
    hub.holds_exactly(&files);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_lets_one_key_in_as_often_as_it_asks_and_no_other() {
    let net = World::new(3, fast());
    let hub = Hub::new(&net, 3).await;
    let line = hub.invite("chagai").await;
    let joined = |clinic: Clinic| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        (clinic.status().await.hub, clinic)
    };
    let mut first = Clinic::alone(&net, 3);
    first.start().unwrap();
    first.handle().join(&line).await.unwrap();
    let (state, first) = joined(first).await;
    assert!(state.connected);
    first.handle().join(&line).await.unwrap();
    let mut thief = Clinic::alone(&net, 4);
    thief.start().unwrap();
    thief.handle().join(&line).await.unwrap();
    let (state, thief) = joined(thief).await;
    assert!(
        !state.connected && state.problem.contains("another PC"),
        "{state:?}"
    );
    let again = hub.ask(invite("chagai", false)).await.unwrap_err();
    assert!(again.fix.contains("--replace"), "{again}");
    // The PC is stolen: a new one takes its place, and the old key is out.
    let answer = hub.ask(invite("chagai", true)).await.unwrap();
    let line = answer["invitation"].as_str().unwrap();
    thief.handle().join(line).await.unwrap();
    let (state, _thief) = joined(thief).await;
    assert!(state.connected, "{state:?}");
    let (state, _first) = joined(first).await;
    assert!(
        !state.connected && state.problem.contains("revoked"),
        "{state:?}"
    );
    let clinics = hub.ask(Command::Clinics {}).await.unwrap();
    let revoked: Vec<_> = clinics
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["revoked"])
        .collect();
    assert_eq!(
        revoked.iter().filter(|r| ***r == true).count(),
        1,
        "{clinics}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revoked_clinic_is_cut_off_and_what_was_here_whole_is_still_handed_off() {
    let net = World::new(4, fast());
    let mut hub = Hub::new(&net, 4).await;
    let clinic = hub.clinic(&net, "chagai", 4).await;
    let file = dicom("1.2.3", "A^B", 64, 1);
    send_all(&clinic, std::slice::from_ref(&file)).await;
    all_stored(&clinic, 1).await;
    hub.ask(Command::Revoke {
        name: "chagai".into(),
    })
    .await
    .unwrap();
    until("told", async || {
        let hub = clinic.status().await.hub;
        !hub.connected && hub.problem.contains("revoked")
    })
    .await;
    clinic.send(&noise(1, 50_000), None).await.unwrap();
    hub.kill(1).await;
    hub.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    hub.holds_exactly(&[file]);
    assert_eq!(
        clinic.status().await.studies.len(),
        2,
        "nothing is lost at the clinic"
    );
}

#[tokio::test(start_paused = true)]
async fn a_copied_clinic_is_served_and_named_and_a_restarted_one_is_not_called_a_copy() {
    let net = World::new(5, fast());
    let hub = Hub::new(&net, 5).await;
    let mut clinic = hub.clinic(&net, "chagai", 5).await;
    send_all(&clinic, &[noise(1, 10_000)]).await;
    all_stored(&clinic, 1).await;
    clinic.kill(1).await;
    let disk = clinic.copy_disk();
    clinic.start().unwrap();
    send_all(&clinic, &[noise(2, 10_000)]).await;
    all_stored(&clinic, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = hub.status().await;
    assert!(!says(&status, "alarms", "runs twice"), "{status:#}");
    let mut twin = Clinic::with(disk, &net, 6);
    twin.start().unwrap();
    send_all(&twin, &[noise(3, 10_000)]).await;
    send_all(&clinic, &[noise(4, 10_000)]).await;
    all_stored(&clinic, 3).await;
    all_stored(&twin, 2).await;
    until("named", async || {
        says(&hub.status().await, "alarms", "`chagai` runs twice")
    })
    .await;
    hub.holds_exactly(&[1, 2, 3, 4].map(|n| noise(n, 10_000)));
}

#[tokio::test(start_paused = true)]
async fn a_restored_hub_gets_what_later_images_build_on_and_doubles_nothing() {
    let net = World::new(6, fast());
    let mut hub = Hub::new(&net, 6).await;
    let clinic = hub.clinic(&net, "chagai", 6).await;
    until("joined", async || clinic.status().await.hub.connected).await;
    hub.kill(1).await;
    let backup = copy(&hub.env.disk);
    hub.start().await.unwrap();
    // Images of one study in one segment: each builds on the one before.
    let images: Vec<_> = (0..6).map(|n| dicom("1.2.3", "A^B", 200, n)).collect();
    send_all(&clinic, &images[..4]).await;
    all_stored(&clinic, 4).await;
    let files = hub.files();
    hub.kill(2).await;
    let mut restored = Hub::with(backup, &net, 66);
    // The archive keeps what it got; only the hub's own disk is that of yesterday.
    for (path, bytes) in &files {
        restored
            .env
            .disk
            .create_dir_all(path.parent().unwrap())
            .unwrap();
        let file = restored
            .env
            .disk
            .open(path, karez_store::OpenMode::CreateNew)
            .unwrap();
        file.write_at(0, bytes).unwrap();
        file.sync().unwrap();
        restored.env.disk.sync_dir(path.parent().unwrap()).unwrap();
    }
    restored.start().await.unwrap();
    send_all(&clinic, &images[4..]).await;
    all_stored(&clinic, 6).await;
    restored.holds_exactly(&images);
}

#[tokio::test(start_paused = true)]
async fn what_has_rotted_is_found_asked_for_again_and_the_instance_still_arrives() {
    let net = World::new(7, fast());
    let mut hub = Hub::new(&net, 7).await;
    let clinic = hub.clinic(&net, "chagai", 7).await;
    let pause = |paused| Command::TargetPause {
        name: "folder".into(),
        paused,
    };
    hub.ask(pause(true)).await.unwrap();
    let file = noise(7, 400_000);
    send_all(&clinic, std::slice::from_ref(&file)).await;
    until("verified", async || {
        hub.status().await["studies"][0]["verified"] == 1
    })
    .await;
    hub.stop().await;
    let pack = packs(&hub).remove(0);
    assert!(hub.env.disk.rot(&pack, 8 * 200_000));
    hub.start().await.unwrap();
    let mut verifying = hub.handle().verify();
    let mut bad = 0;
    while let Some(work) = verifying.step().await.unwrap() {
        bad = work.bad;
    }
    assert_eq!(bad, 1);
    hub.ask(pause(false)).await.unwrap();
    all_stored(&clinic, 1).await;
    hub.holds_exactly(&[file]);
}

/// How long a study takes over a slow link whose hub is restarted in the middle.
async fn half_sent(rots: bool) -> Duration {
    let slow = Link {
        bits_per_s: 100e3,
        ..fast()
    };
    let net = World::new(9, slow);
    let mut hub = Hub::new(&net, 9).await;
    let clinic = hub.clinic(&net, "chagai", 9).await;
    let file = noise(9, 3_000_000);
    let began = tokio::time::Instant::now();
    send_all(&clinic, std::slice::from_ref(&file)).await;
    until("a third of it", async || {
        hub.status().await["totals"]["payload_bytes"].as_u64() > Some(1_000_000)
    })
    .await;
    hub.stop().await;
    let pack = packs(&hub).remove(0);
    assert!(!rots || hub.env.disk.rot(&pack, 8 * 200_000));
    hub.start().await.unwrap();
    let mut verifying = hub.handle().verify();
    let mut bad = 0;
    while let Some(work) = verifying.step().await.unwrap() {
        bad = work.bad;
    }
    assert_eq!(bad, u64::from(rots));
    all_stored(&clinic, 1).await;
    hub.holds_exactly(&[file]);
    began.elapsed()
}

/// A clinic asks by itself only about what has arrived whole, and each minute: of the rest it hears
/// by the epoch.
#[tokio::test(start_paused = true)]
async fn what_rots_of_a_half_sent_study_is_sent_again_with_the_rest_because_the_epoch_is_another() {
    let (sound, rotten) = (half_sent(false).await, half_sent(true).await);
    println!("sound {sound:?}, rotten {rotten:?}");
    assert!(rotten < sound + Duration::from_secs(15));
}

fn packs(hub: &Hub) -> Vec<PathBuf> {
    let dir = Path::new(DIR).join("packs");
    let names = hub.env.disk.list(&dir).unwrap();
    let packs = names.into_iter().filter(|n| n.ends_with(".pack"));
    packs.map(|name| dir.join(name)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_restored_clinic_is_asked_and_what_is_gone_is_named_not_waited_for() {
    let mut link = fast();
    link.bits_per_s = 2e6;
    let net = World::new(8, link);
    let hub = Hub::new(&net, 8).await;
    let mut clinic = hub.clinic(&net, "chagai", 8).await;
    until("joined", async || clinic.status().await.hub.connected).await;
    clinic.kill(1).await;
    let yesterday = clinic.copy_disk();
    clinic.start().unwrap();
    let file = noise(8, 900_000);
    send_all(&clinic, std::slice::from_ref(&file)).await;
    until("half of it", async || {
        hub.status().await["totals"]["payload_bytes"]
            .as_u64()
            .unwrap()
            > 300_000
    })
    .await;
    clinic.kill(2).await;
    let mut restored = Clinic::with(yesterday, &net, 108);
    restored.start().unwrap();
    until("named", async || {
        says(
            &hub.status().await,
            "parked",
            "1 instances are lost at source",
        )
    })
    .await;
    let status = hub.status().await;
    assert_eq!(status["clinics"][0]["studies_open"], 0, "{status:#}");
    send_all(&restored, std::slice::from_ref(&file)).await;
    all_stored(&restored, 1).await;
    hub.holds_exactly(&[file]);
}

#[tokio::test(start_paused = true)]
async fn a_clinic_that_lost_the_end_of_a_segment_still_gets_its_receipt_for_the_rest() {
    let net = World::new(10, fast());
    let hub = Hub::new(&net, 10).await;
    let mut clinic = hub.clinic(&net, "chagai", 10).await;
    let pause = |paused| Command::TargetPause {
        name: "folder".into(),
        paused,
    };
    hub.ask(pause(true)).await.unwrap();
    let images: Vec<_> = (0..4).map(|n| dicom("1.2.3", "A^B", 64, n)).collect();
    send_all(&clinic, &images[..2]).await;
    until("two verified", async || {
        hub.status().await["studies"][0]["verified"] == 2
    })
    .await;
    let early = clinic.copy_disk();
    send_all(&clinic, &images[2..]).await;
    until("four verified", async || {
        hub.status().await["studies"][0]["verified"] == 4
    })
    .await;
    clinic.kill(1).await;
    hub.ask(pause(false)).await.unwrap();
    until("all stored", async || {
        hub.status().await["studies"][0]["stored"] == 4
    })
    .await;
    let mut restored = Clinic::with(early, &net, 110);
    restored.start().unwrap();
    all_stored(&restored, 2).await;
    hub.holds_exactly(&images);
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_recovery_sheet_is_an_alarm_until_it_is_confirmed() {
    let net = World::new(9, fast());
    let mut hub = Hub::new(&net, 9).await;
    assert!(says(&hub.status().await, "alarms", "confirm-backup"));
    hub.ask(Command::ConfirmBackup).await.unwrap();
    hub.kill(3).await;
    hub.start().await.unwrap();
    assert!(!says(&hub.status().await, "alarms", "confirm-backup"));
}

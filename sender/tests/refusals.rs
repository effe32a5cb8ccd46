//! What does not go well, and what is said about it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use karez_protocol::priority::Class;
use karez_sender::{Given, Sender, Work};
use karez_store::{Disk, Fault, OpenMode};
use support::clinic::{Clinic, DIR};
use support::hub::Hub;
use support::net::{Link, World};
use support::{dicom, noise, until};

fn link() -> Link {
    Link {
        bits_per_s: 50e6,
        delay: Duration::from_millis(5),
        loss: 0.0,
        queue: Duration::from_secs(2),
    }
}

async fn stored(clinic: &Clinic, count: u64) {
    let handle = clinic.handle();
    until("all stored", async || {
        handle.progress(vec![(0, count)]).await.unwrap().stored == count
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_file_and_a_second_process_are_refused() {
    let net = World::new(1, link());
    let mut clinic = Clinic::alone(&net, 1);
    clinic.start().unwrap();
    let empty = clinic.send(b"", None).await.unwrap_err();
    assert!(empty.cause.contains("empty"), "{empty}");
    let second = Sender::start(
        clinic.env.clone(),
        Path::new(DIR),
        clinic.settings.clone(),
        Work::Accept,
    );
    let second = second.err().unwrap();
    assert!(second.cause.contains("another process"), "{second}");
    assert_eq!(
        clinic
            .env
            .disk
            .entries(Path::new("/clinic/ingest"))
            .unwrap(),
        []
    );
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_up_refuses_in_words_and_goes_on_when_there_is_room() {
    let net = World::new(2, link());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 2).await;
    net.set_down(true);
    let mut accepted = 0;
    clinic.env.disk.set_capacity(Some(3_000_000));
    let refused = loop {
        match clinic.send(&noise(accepted, 400_000), None).await {
            Ok(_) => accepted += 1,
            Err(failure) => break failure,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    assert!(
        accepted >= 2 && refused.cause.contains("disk full"),
        "{accepted} {refused}"
    );
    assert!(!refused.fix.is_empty(), "{refused}");
    net.set_down(false);
    tokio::time::sleep(Duration::from_secs(600)).await;
    clinic.env.disk.set_capacity(None);
    stored(&clinic, accepted).await;
    assert_eq!(hub.rebuilt() as u64, accepted);
    let status = clinic.status().await;
    assert!(
        status.spool.problem.is_empty() && status.parked.is_empty(),
        "{status:?}"
    );
    clinic.send(&noise(99, 400_000), None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn room_is_kept_for_stat_and_released_studies_make_room() {
    let net = World::new(3, link());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut clinic = Clinic::new(&net, &hub, 3).await;
    for n in 0..4 {
        clinic
            .send(&dicom(&format!("1.{n}"), "A", 2000, n), None)
            .await
            .unwrap();
    }
    stored(&clinic, 4).await;
    clinic.stop().await;
    clinic.env.disk.set_capacity(Some(4_000_000));
    clinic.settings.spool.keep_free.0 = 3_900_000;
    clinic.settings.spool.evict_below.0 = 3_900_000;
    clinic.start().unwrap();
    let refused = clinic.send(&noise(1, 1000), None).await.unwrap_err();
    assert!(refused.cause.contains("disk full"), "{refused}");
    clinic
        .send(&noise(2, 1000), Some(Class::Stat))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let status = clinic.status().await;
    assert!(
        status.studies.len() <= 1,
        "what was released went: {status:?}"
    );
    assert_eq!(
        clinic.handle().progress(vec![(0, 5)]).await.unwrap().stored,
        5
    );
    // What was evicted is not missed after a restart, by either side.
    clinic.kill(3).await;
    clinic.settings.spool.keep_free.0 = 0;
    clinic.start().unwrap();
    hub.restart();
    clinic.send(&noise(3, 1000), None).await.unwrap();
    stored(&clinic, 6).await;
    let state = hub.state.lock().unwrap();
    assert!(
        state.gone.is_empty() && state.rebuilt.len() == 6,
        "{:?}",
        state.gone
    );
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_refuses_is_quoted_and_dialled_again() {
    let net = World::new(4, link());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 4).await;
    clinic.send(&noise(1, 1000), None).await.unwrap();
    stored(&clinic, 1).await;
    // Of another version.
    hub.state.lock().unwrap().speaks = (7, 9);
    net.set_down(true);
    net.block_ports_of(6);
    net.set_down(false);
    let problem = async |word: &str| {
        until(word, async || {
            clinic.status().await.hub.problem.contains(word)
        })
        .await;
    };
    clinic.send(&noise(2, 1000), None).await.unwrap();
    problem("versions").await;
    hub.state.lock().unwrap().speaks = (1, 1);
    hub.state.lock().unwrap().revoked = true;
    problem("revoked").await;
    assert!(!clinic.status().await.hub.connected);
    hub.state.lock().unwrap().revoked = false;
    stored(&clinic, 2).await;
    assert!(clinic.status().await.hub.problem.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_invitation_says_what_is_wrong_with_it() {
    let net = World::new(5, link());
    let hub = Hub::new();
    let mut clinic = Clinic::alone(&net, 5);
    clinic.start().unwrap();
    let line = hub.invitation();
    let mistyped = line.replacen(&line[20..22], "00", 1);
    let failure = clinic.handle().join(&mistyped).await.unwrap_err();
    assert!(failure.cause.contains("mistyped"), "{failure}");
    clinic.handle().join(&line).await.unwrap();
    let mut other = karez_protocol::invitation::Invitation::from_line(&line).unwrap();
    other.hub.0[0] ^= 1;
    let failure = clinic
        .handle()
        .join(&other.to_line().unwrap())
        .await
        .unwrap_err();
    assert!(failure.cause.contains("another hub"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn an_ingest_file_that_rotted_parks_its_image_and_no_other() {
    let net = World::new(6, link());
    let mut clinic = Clinic::alone(&net, 6);
    clinic.start().unwrap();
    clinic.send(&noise(1, 200_000), None).await.unwrap();
    let ingest = Path::new("/clinic/ingest");
    let name = clinic.env.disk.entries(ingest).unwrap().remove(0).name;
    clinic.send(&noise(2, 200_000), None).await.unwrap();
    assert!(clinic.env.disk.rot(&ingest.join(name), 8 * 150_000));
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    clinic.handle().join(&hub.invitation()).await.unwrap();
    let handle = clinic.handle();
    until("done", async || {
        handle.progress(vec![(0, 2)]).await.unwrap().done()
    })
    .await;
    let status = clinic.status().await;
    assert_eq!((hub.rebuilt(), status.parked.len()), (1, 1), "{status:?}");
    assert!(status.parked[0].item.contains("image 0"), "{status:?}");
    clinic.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_for_an_hour_parks_nothing() {
    let net = World::new(9, link());
    let mut clinic = Clinic::alone(&net, 9);
    clinic.start().unwrap();
    clinic.send(&noise(1, 200_000), None).await.unwrap();
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    clinic.handle().join(&hub.invitation()).await.unwrap();
    clinic.env.disk.fail_at(1, Fault::Io, true);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let status = clinic.status().await;
    let said = format!("{}{}", status.spool.problem, status.hub.problem);
    assert!(said.contains("simulated input/output error"), "{status:?}");
    clinic.env.disk.fail_at(0, Fault::Io, false);
    stored(&clinic, 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = clinic.status().await;
    assert!(
        status.spool.problem.is_empty() && status.parked.is_empty(),
        "{status:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_intake_that_is_given_up_leaves_nothing() {
    let net = World::new(7, link());
    let mut clinic = Clinic::alone(&net, 7);
    clinic.start().unwrap();
    let mut intake = clinic.handle().intake(Given::default()).unwrap();
    intake.write(&noise(1, 2_000_000)).await.unwrap();
    drop(intake);
    assert_eq!(
        clinic
            .env
            .disk
            .entries(Path::new("/clinic/ingest"))
            .unwrap(),
        []
    );
    // One that a dead process left is removed at the next start.
    let stray = Path::new("/clinic/ingest/00ff");
    clinic.env.disk.open(stray, OpenMode::CreateNew).unwrap();
    clinic.stop().await;
    clinic.start().unwrap();
    assert_eq!(
        clinic
            .env
            .disk
            .entries(Path::new("/clinic/ingest"))
            .unwrap(),
        []
    );
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_study_is_not_sent() {
    let net = World::new(8, link());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 8).await;
    net.set_down(true);
    let ticket = clinic
        .send(&dicom("1.1", "WRONG", 100, 1), None)
        .await
        .unwrap();
    clinic
        .handle()
        .withdraw(&ticket.study, "wrong patient")
        .await
        .unwrap();
    clinic
        .send(&dicom("1.2", "RIGHT", 100, 2), None)
        .await
        .unwrap();
    net.set_down(false);
    let handle = clinic.handle();
    until("the other", async || {
        handle.progress(vec![(1, 2)]).await.unwrap().stored == 1
    })
    .await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hub.rebuilt(), 1);
    let studies = clinic.status().await.studies;
    let withdrawn = studies.iter().find(|s| s.study == ticket.study).unwrap();
    assert!(
        withdrawn.withdrawn && withdrawn.receipt == "none",
        "{withdrawn:?}"
    );
    let none = clinic.handle().withdraw("ffff", "x").await.unwrap_err();
    assert!(none.cause.contains("no such study"), "{none}");
}

//! Instances travel from a sender to a hub, whatever happens to either.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use karez_protocol::manifest::ReceiptKind;
use karez_protocol::priority::Class;
use support::clinic::Clinic;
use support::hub::Hub;
use support::net::{Link, World};
use support::transfer::{all_stored, end, fast, name, names, rebuilt};
use support::{dicom, noise, until};

/// Files of every kind that the packer treats differently.
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
    files.push(dicom("1.2.3", "CANARY^ONE", 64, 0));
    files
}

#[tokio::test(start_paused = true)]
async fn every_file_arrives_identical_and_is_signed_for() {
    let net = World::new(1, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 1).await;
    for file in files() {
        clinic.send(&file, None).await.unwrap();
    }
    let count = files().len() as u64;
    all_stored(&clinic, count).await;
    assert_eq!(rebuilt(&hub), names(&files()));
    let status = clinic.status().await;
    assert!(
        status.hub.connected && status.hub.name == "clinic one",
        "{status:?}"
    );
    assert_eq!(status.spool.unsealed_bytes, 0);
    assert!(
        status
            .studies
            .iter()
            .all(|s| s.receipt == "stored" && s.parked == 0 && s.eta_s == Some(0))
    );
    assert_eq!(
        status.studies.iter().map(|s| s.instances).sum::<u64>(),
        count
    );
    assert_eq!(status.totals.resent_bytes, 0);
    assert_eq!(hub.state.lock().unwrap().chunks_twice, 0);
    // The last file repeats an earlier one: its pixels were not sent again.
    assert!(
        status.totals.payload_bytes < 3_600_000,
        "{:?}",
        status.totals
    );
    // And once the studies are quiet, the hub is told that they are complete.
    tokio::time::sleep(Duration::from_secs(70)).await;
    let revised = hub.state.lock().unwrap().revised.clone();
    assert_eq!(revised.len(), status.studies.len());
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_before_there_was_a_hub_travels_when_there_is_one() {
    let net = World::new(2, fast());
    let mut clinic = Clinic::alone(&net, 2);
    clinic.start().unwrap();
    clinic.send(&noise(1, 200_000), None).await.unwrap();
    clinic.stop().await;
    clinic.start().unwrap();
    let status = clinic.status().await;
    assert_eq!(status.spool.unsealed_bytes, 200_000);
    assert!(
        status.hub.problem.contains("join"),
        "{}",
        status.hub.problem
    );
    let hub = Hub::new();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let _serving = hub.serve(&net);
    all_stored(&clinic, 1).await;
    assert_eq!(rebuilt(&hub), [name(&noise(1, 200_000))]);
}

#[tokio::test(start_paused = true)]
async fn an_urgent_study_overtakes_one_under_way() {
    let net = World::new(
        4,
        Link {
            bits_per_s: 256e3,
            ..fast()
        },
    );
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 4).await;
    clinic
        .send(&dicom("1.1", "A", 16_000, 1), Some(Class::Bulk))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ticket = clinic
        .send(&dicom("1.2", "B", 100, 2), Some(Class::Stat))
        .await
        .unwrap();
    until("the urgent one is stored", async || {
        clinic
            .handle()
            .progress(vec![(ticket.order, ticket.order + 1)])
            .await
            .unwrap()
            .stored
            == 1
    })
    .await;
    assert_eq!(hub.rebuilt(), 1, "the urgent one came first");
    let status = clinic.status().await;
    assert_eq!(status.studies[0].priority, Class::Stat);
    assert!(status.studies[1].eta_s.unwrap() > 5, "{status:?}");
    // And the other way round while it is under way: by hand.
    let bulk = status.studies[1].study.clone();
    clinic
        .handle()
        .prioritise(&bulk, Class::Urgent)
        .await
        .unwrap();
    all_stored(&clinic, 2).await;
    let classes = hub.state.lock().unwrap().classes.clone();
    let said: Vec<Class> = classes.iter().map(|(_, c)| *c).collect();
    assert!(
        said.contains(&Class::Urgent) && said.contains(&Class::Stat),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_day_without_a_line_and_restarts_on_both_sides_cost_nothing() {
    let net = World::new(5, fast());
    let hub = Hub::new();
    let serving = hub.serve(&net);
    let mut clinic = Clinic::new(&net, &hub, 5).await;
    let ticket = clinic.send(&noise(1, 400_000), None).await.unwrap();
    all_stored(&clinic, 1).await;
    net.set_down(true);
    clinic.send(&noise(2, 400_000), None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let status = clinic.status().await;
    assert!(
        status.hub.last_contact_s.unwrap() > 86_400 - 3600,
        "{:?}",
        status.hub
    );
    clinic.kill(1).await;
    hub.restart();
    end(serving).await;
    net.set_down(false);
    let _serving = hub.serve(&net);
    clinic.start().unwrap();
    all_stored(&clinic, 2).await;
    assert_eq!(rebuilt(&hub).len(), 2);
    let third = clinic.send(&noise(3, 1000), None).await.unwrap();
    assert_eq!(
        (third.study, third.order),
        (ticket.study, 2),
        "the same study as before"
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_the_data_directory_runs_beside_the_original() {
    let net = World::new(6, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut first = Clinic::new(&net, &hub, 6).await;
    first.send(&noise(1, 300_000), None).await.unwrap();
    all_stored(&first, 1).await;
    first.stop().await;
    let mut second = Clinic::with(first.copy_disk(), &net, 7);
    first.start().unwrap();
    second.start().unwrap();
    first.send(&noise(2, 300_000), None).await.unwrap();
    second.send(&noise(3, 300_000), None).await.unwrap();
    all_stored(&first, 2).await;
    all_stored(&second, 2).await;
    let expected = names(&[noise(1, 300_000), noise(2, 300_000), noise(3, 300_000)]);
    assert_eq!(rebuilt(&hub), expected);
    let state = hub.state.lock().unwrap();
    let mut processes: Vec<_> = state.hellos.iter().map(|h| h.process).collect();
    processes.sort();
    processes.dedup();
    assert!(processes.len() >= 3, "each process has a name of its own");
}

#[tokio::test(start_paused = true)]
async fn an_older_copy_of_the_disk_says_what_it_has_lost_and_goes_on() {
    let net = World::new(8, fast());
    let hub = Hub::new();
    hub.state.lock().unwrap().signs = false;
    let serving = hub.serve(&net);
    let mut clinic = Clinic::new(&net, &hub, 8).await;
    clinic.send(&noise(1, 100_000), None).await.unwrap();
    until("the first is there", async || hub.rebuilt() == 1).await;
    clinic.stop().await;
    let yesterday = clinic.copy_disk();
    clinic.start().unwrap();
    net.set_down(false);
    let slow = dicom("9.9", "LOST", 9_000, 3);
    clinic.send(&slow, None).await.unwrap();
    // Some of it arrives, then the disk dies and yesterday's backup is restored.
    until("some chunks", async || {
        hub.state.lock().unwrap().chunks_taken > 8
    })
    .await;
    clinic.kill(1).await;
    end(serving).await;
    let mut restored = Clinic::with(yesterday, &net, 9);
    hub.restart();
    let _serving = hub.serve(&net);
    hub.state.lock().unwrap().signs = true;
    restored.start().unwrap();
    restored.send(&noise(4, 100_000), None).await.unwrap();
    until("the new one is there", async || {
        rebuilt(&hub).contains(&name(&noise(4, 100_000)))
    })
    .await;
    let whole = rebuilt(&hub).contains(&name(&slow));
    if !whole {
        until("what is lost was told", async || {
            !hub.state.lock().unwrap().gone.is_empty()
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_hub_parks_is_shown_and_does_not_hold_up_the_rest() {
    let net = World::new(10, fast());
    let hub = Hub::new();
    hub.state.lock().unwrap().kinds = vec![ReceiptKind::Parked];
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 10).await;
    clinic.send(&dicom("1.1", "A", 64, 1), None).await.unwrap();
    until("parked", async || clinic.status().await.parked.len() == 1).await;
    let parked = clinic.status().await.parked.remove(0);
    assert!(
        parked.reason == "on purpose" && parked.owner == "hub",
        "{parked:?}"
    );
    hub.state.lock().unwrap().kinds = vec![ReceiptKind::Stored];
    clinic.send(&dicom("1.2", "B", 64, 2), None).await.unwrap();
    let handle = clinic.handle();
    until("done", async || {
        handle.progress(vec![(0, 2)]).await.unwrap().done()
    })
    .await;
    assert_eq!(
        clinic
            .status()
            .await
            .studies
            .iter()
            .map(|s| s.parked)
            .sum::<u64>(),
        1
    );
}

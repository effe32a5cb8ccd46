//! What one clinic may have at the hub, and the stores' own search for rot.
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
use karez_store::{Disk, MemDisk};
use support::{DIR, Hub, World, all_stored, fast, noise, send_all, until};

const QUOTA: u64 = 400_000;

#[tokio::test(start_paused = true)]
async fn a_clinic_over_its_quota_waits_by_name_and_others_go_on() {
    let net = World::new(1, fast());
    let mut hub = Hub::new(&net, 1).await;
    hub.stop().await;
    hub.settings.store.quota.0 = QUOTA;
    hub.start().await.unwrap();
    let greedy = hub.clinic(&net, "greedy", 1).await;
    let modest = hub.clinic(&net, "modest", 2).await;
    let files: Vec<Vec<u8>> = (0..10).map(|n| noise(n, 100_000)).collect();
    send_all(&greedy, &files).await;
    until("named", async || {
        hub.status().await["alarms"].to_string().contains("greedy")
    })
    .await;
    send_all(&modest, &[noise(50, 100_000)]).await;
    all_stored(&modest, 1).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let status = hub.status().await;
    let clinics = status["clinics"].as_array().unwrap();
    let of = |name: &str| clinics.iter().find(|c| c["name"] == name).unwrap().clone();
    println!("{} {}", of("greedy"), status["alarms"]);
    assert_eq!(of("greedy")["over_quota"], true);
    assert_eq!(of("modest")["over_quota"], false);
    let claimed = of("greedy")["claimed_bytes"].as_u64().unwrap();
    assert!(claimed <= QUOTA, "{claimed} bytes for a quota of {QUOTA}");
    let studies = status["studies"].as_array().unwrap();
    let theirs = studies.iter().find(|s| s["clinic"] == "greedy").unwrap();
    let stored = theirs["stored"].as_u64().unwrap();
    assert!((2..=3).contains(&stored), "what fits is taken: {stored}");
    let told = greedy.status().await.hub.problem;
    assert!(told.contains("quota"), "the clinic knows why: {told}");
    // Nothing is lost: with more room all of it arrives.
    hub.stop().await;
    hub.settings.store.quota.0 = 10 * QUOTA;
    hub.start().await.unwrap();
    all_stored(&greedy, 10).await;
    assert_eq!(hub.files().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn one_clinics_quota_is_its_own_and_raising_it_takes_effect_at_once() {
    let net = World::new(5, fast());
    let mut hub = Hub::new(&net, 5).await;
    let small = hub.clinic(&net, "small", 1).await;
    let large = hub.clinic(&net, "large", 2).await;
    let quota = |bytes| Command::Quota {
        name: "small".into(),
        bytes,
    };
    hub.ask(quota(Some(QUOTA))).await.unwrap();
    let files = |from| {
        (from..from + 8)
            .map(|n| noise(n, 100_000))
            .collect::<Vec<_>>()
    };
    send_all(&small, &files(0)).await;
    send_all(&large, &files(20)).await;
    all_stored(&large, 8).await;
    let over = async |hub: &Hub| {
        let clinics = hub.ask(Command::Clinics {}).await.unwrap();
        let clinics = clinics.as_array().unwrap().clone();
        let small = clinics.into_iter().find(|c| c["name"] == "small").unwrap();
        (
            small["over_quota"] == true,
            small["quota_bytes"].as_u64().unwrap(),
        )
    };
    until("over", async || over(&hub).await == (true, QUOTA)).await;
    hub.kill(1).await;
    hub.start().await.unwrap();
    until("still over", async || over(&hub).await == (true, QUOTA)).await;
    assert_eq!(hub.files().len(), 8 + 3, "what fits");
    hub.ask(quota(Some(10 * QUOTA))).await.unwrap();
    all_stored(&small, 8).await;
    hub.ask(quota(None)).await.unwrap();
    assert_eq!(over(&hub).await, (false, 0), "as for all again");
    let unknown = Command::Quota {
        name: "nobody".into(),
        bytes: None,
    };
    assert!(hub.ask(unknown).await.is_err());
}

/// Turns one bit in the middle of the only pack of a data directory.
fn rot(disk: &MemDisk, dir: &str) {
    let packs = Path::new(dir).join("packs");
    let names = disk.list(&packs).unwrap();
    let pack = names.iter().find(|name| name.ends_with(".pack")).unwrap();
    let path = packs.join(pack);
    let len = disk.len(&path).unwrap().unwrap();
    assert!(disk.rot(&path, len / 2 * 8), "a bit was turned");
}

#[tokio::test(start_paused = true)]
async fn rot_at_the_hub_is_found_by_itself_named_and_mended_by_the_clinic() {
    let net = World::new(2, fast());
    let hub = Hub::new(&net, 2).await;
    let clinic = hub.clinic(&net, "chagai", 2).await;
    let pause = |paused| Command::TargetPause {
        name: "folder".into(),
        paused,
    };
    hub.ask(pause(true)).await.unwrap();
    send_all(&clinic, &[noise(1, 300_000)]).await;
    until("verified", async || {
        hub.status().await["studies"][0]["verified"] == 1
    })
    .await;
    rot(&hub.env.disk, DIR);
    until("found", async || {
        hub.status().await["alarms"]
            .to_string()
            .contains("changed on the disk")
    })
    .await;
    let lines = hub
        .ask(Command::AuditLines {
            after: 0,
            xml: false,
        })
        .await
        .unwrap();
    assert!(
        lines.to_string().contains("rotted"),
        "it is in the audit log"
    );
    until("mended", async || {
        let mut verifying = hub.handle().verify();
        let mut last = None;
        while let Some(work) = verifying.step().await.unwrap() {
            last = Some(work);
        }
        last.is_some_and(|work| work.bad == 0 && work.bytes > 300_000)
    })
    .await;
    hub.ask(pause(false)).await.unwrap();
    all_stored(&clinic, 1).await;
    hub.holds_exactly(&[noise(1, 300_000)]);
}

#[tokio::test(start_paused = true)]
async fn rot_in_the_spool_is_found_by_itself_and_asks_for_the_image_by_name() {
    let net = World::new(3, fast());
    let hub = Hub::new(&net, 3).await;
    let clinic = hub.clinic(&net, "chagai", 3).await;
    until("joined", async || clinic.status().await.hub.connected).await;
    net.set_down(true);
    let image = noise(1, 300_000);
    send_all(&clinic, std::slice::from_ref(&image)).await;
    until("sealed", async || {
        clinic.status().await.spool.unsealed_bytes == 0
    })
    .await;
    rot(&clinic.env.disk, support::world::clinic::DIR);
    until("found", async || !clinic.status().await.parked.is_empty()).await;
    let status = clinic.status().await;
    println!("{:?}", status.parked);
    assert!(status.parked[0].reason.contains("rotted"));
    assert!(status.parked[0].actions[0].contains("send it again"));
    assert!(status.spool.scrub_bad > 0);
    net.set_down(false);
    send_all(&clinic, std::slice::from_ref(&image)).await;
    until("arrived", async || !hub.files().is_empty()).await;
    hub.holds_exactly(&[image]);
}

#[tokio::test(start_paused = true)]
async fn the_days_that_are_left_are_counted_from_what_came_in() {
    let net = World::new(4, fast());
    let mut clinic = support::Clinic::alone(&net, 4);
    clinic.start().unwrap();
    assert_eq!(
        clinic.status().await.spool.days_left,
        None,
        "nothing came yet"
    );
    clinic.env.disk.set_capacity(Some(20_000_000));
    for day in 0..3 {
        send_all(&clinic, &[noise(day, 500_000), noise(100 + day, 500_000)]).await;
        *clinic.env.wall.lock().unwrap() += 86_400;
    }
    let spool = clinic.status().await.spool;
    println!("{spool:?}");
    // Three megabytes wait to be sealed, and need their room twice; one comes each day.
    let expected = (spool.free_bytes - spool.unsealed_bytes) / 750_000;
    let days = spool.days_left.unwrap();
    assert!(
        (expected.saturating_sub(8)..=expected + 1).contains(&days),
        "{days} of about {expected}"
    );
}

//! What the link may cost: limits, hours and a pause hold everything but STAT back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use karez_protocol::priority::Class;
use karez_sender::{Given, Status};
use support::clinic::Clinic;
use support::hub::Hub;
use support::net::{Link, World};
use support::transfer::{all_stored, fast, name, rebuilt};
use support::{noise, until};

const LIMIT: u64 = 2_000_000;

fn thin() -> Link {
    Link {
        bits_per_s: 200e3,
        delay: Duration::from_millis(300),
        loss: 0.05,
        queue: Duration::from_secs(2),
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Its clock goes on as time does.
async fn pass_with_clock(clinic: &Clinic, seconds: u64) {
    for _ in 0..seconds / 10 {
        pass(10).await;
        *clinic.env.wall.lock().unwrap() += 10;
    }
}

async fn stat_arrives(clinic: &Clinic, hub: &Hub, seed: u64) {
    let before = rebuilt(hub).len();
    let file = noise(seed, 40_000);
    let given = Given {
        folder: b"a study of its own".to_vec(),
        class: Some(Class::Stat),
    };
    let mut intake = clinic.handle().intake(given).unwrap();
    intake.write(&file).await.unwrap();
    intake.finish().await.unwrap();
    until("STAT is there", async || rebuilt(hub).len() > before).await;
}

fn holds(status: &Status, what: &str) -> bool {
    status.budget.holds.contains(what)
}

#[tokio::test(start_paused = true)]
async fn an_hours_bytes_are_not_passed_outlive_a_kill_and_the_next_hour_goes_on() {
    let net = World::new(1, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut clinic = Clinic::alone(&net, 1);
    clinic.settings.link.bytes_per_hour.0 = LIMIT;
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    clinic.send(&noise(1, 5_000_000), None).await.unwrap();
    pass_with_clock(&clinic, 120).await;
    let status = clinic.status().await;
    assert!(holds(&status, "bytes_per_hour"), "{:?}", status.budget);
    let spent = status.budget.hour;
    assert!(spent.bytes > LIMIT / 2 && spent.bytes <= LIMIT, "{spent:?}");
    assert_eq!(spent.limit_bytes, Some(LIMIT));
    stat_arrives(&clinic, &hub, 2).await;

    clinic.kill(7).await;
    clinic.start().unwrap();
    pass_with_clock(&clinic, 120).await;
    let status = clinic.status().await;
    assert!(holds(&status, "bytes_per_hour"), "{:?}", status.budget);
    assert!(rebuilt(&hub).len() == 1, "nothing but STAT has come");

    pass_with_clock(&clinic, 4 * 3600).await;
    all_stored(&clinic, 2).await;
    assert!(clinic.status().await.budget.month.bytes > 5_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_clock_at_1970_neither_stops_nor_frees_the_budget() {
    let net = World::new(2, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut clinic = Clinic::alone(&net, 2);
    *clinic.env.wall.lock().unwrap() = 60;
    clinic.settings.link.bytes_per_hour.0 = LIMIT;
    clinic.settings.link.hours = vec!["01:00-02:00".into()];
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    clinic.send(&noise(1, 3_000_000), None).await.unwrap();
    pass(3000).await;
    assert!(holds(&clinic.status().await, "bytes_per_hour"));
    // Back and forth: no second hour.
    for wall in [1_795_514_400, 60, 1_795_600_800, 1_795_514_400, 60] {
        *clinic.env.wall.lock().unwrap() = wall;
        pass(70).await;
        assert_eq!(rebuilt(&hub).len(), 0, "at {wall}");
    }
    pass(3600).await;
    all_stored(&clinic, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_all_but_stat_until_it_is_lifted_over_a_restart_too() {
    let net = World::new(3, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut clinic = Clinic::new(&net, &hub, 3).await;
    pass(5).await;
    clinic.handle().pause(true).await.unwrap();
    clinic.send(&noise(1, 300_000), None).await.unwrap();
    clinic.kill(3).await;
    clinic.start().unwrap();
    pass(600).await;
    let status = clinic.status().await;
    assert!(status.budget.paused && holds(&status, "resume"));
    assert_eq!(rebuilt(&hub).len(), 0);
    stat_arrives(&clinic, &hub, 4).await;
    clinic.handle().pause(false).await.unwrap();
    all_stored(&clinic, 2).await;
    assert!(!clinic.status().await.budget.paused);
}

#[tokio::test(start_paused = true)]
async fn outside_its_hours_only_stat_is_sent() {
    let net = World::new(4, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut clinic = Clinic::alone(&net, 4);
    // 15:00 in Pakistan.
    *clinic.env.wall.lock().unwrap() = 1_795_514_400;
    clinic.settings.link.hours = vec!["01:00-09:00".into()];
    clinic.settings.link.utc_offset = "+05:00".into();
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    clinic.send(&noise(1, 300_000), None).await.unwrap();
    pass(300).await;
    assert!(holds(&clinic.status().await, "link.hours"));
    assert_eq!(rebuilt(&hub).len(), 0);
    stat_arrives(&clinic, &hub, 2).await;
    *clinic.env.wall.lock().unwrap() += 10 * 3600;
    all_stored(&clinic, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_cap_holds() {
    let net = World::new(5, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut clinic = Clinic::alone(&net, 5);
    clinic.settings.link.rate_max.0 = 400_000;
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    clinic.send(&noise(1, 3_000_000), None).await.unwrap();
    pass(10).await;
    let before = clinic.status().await.budget.hour.bytes;
    pass(30).await;
    let rate = (clinic.status().await.budget.hour.bytes - before) * 8 / 30;
    assert!((300_000..440_000).contains(&rate), "{rate} bit/s");
}

#[tokio::test(start_paused = true)]
async fn stat_goes_past_the_held_rest_of_its_own_study_and_the_rest_follows_once_it_may() {
    for (seed, ran_ms) in [(1, 400), (9, 3600), (16, 6400), (30, 12_000)] {
        let net = World::new(seed, thin());
        let hub = Hub::new();
        let _serving = hub.serve(&net);
        let clinic = Clinic::new(&net, &hub, seed).await;
        pass(15).await;
        for image in 1..=4 {
            clinic.send(&noise(image, 200_000), None).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(ran_ms)).await;
        clinic.handle().pause(true).await.unwrap();
        pass(1200).await;
        let urgent = noise(9, 40_000);
        clinic.send(&urgent, Some(Class::Stat)).await.unwrap();
        pass(60).await;
        assert!(rebuilt(&hub).contains(&name(&urgent)), "seed {seed}");
        clinic.handle().pause(false).await.unwrap();
        pass(60).await;
        assert_eq!(rebuilt(&hub).len(), 5, "seed {seed}");
    }
}

//! The hostile peers: strangers without a key, and a clinic that has turned on its hub. Each case
//! attacks a running hub; after each an honest clinic's image is stored as ever, and at the end
//! the memory of the whole world is weighed.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod clinics;
mod forge;
mod rude;
mod strangers;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use karez_protocol::id::SegmentId;
use karez_store::Disk;
use rude::Rude;
use support::{Clinic, DIR, Hub, World, fast, noise, until};

/// Cases that the list must have at least.
const CASES_MIN: usize = 30;
/// Bytes by which the process may grow from its start with an honest transfer to the end of all
/// cases: hub, clinics, attackers, their disks and the network in one.
const GROWTH_MAX: u64 = 256 << 20;
/// How long an honest image may take beside an attack.
const PATIENCE: Duration = Duration::from_secs(120);

/// The attacked hub, an honest clinic, and somebody who has joined it and is not.
pub struct Stage {
    pub net: World,
    pub hub: Hub,
    pub honest: Clinic,
    pub rude: Rude,
    sent: u64,
}

type Act<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;
/// A case: what it is, and the attack.
pub type Case = (&'static str, for<'a> fn(&'a Stage) -> Act<'a>);

impl Stage {
    async fn set() -> Self {
        let net = World::new(77, fast());
        let hub = Hub::new(&net, 77).await;
        let honest = hub.clinic(&net, "honest", 1).await;
        let rude = Rude::new(&net, 200, [9; 32]);
        rude.join(&hub, "rude").await;
        Self {
            net,
            hub,
            honest,
            rude,
            sent: 0,
        }
    }

    /// The segments that the hub has.
    pub fn segments(&self) -> Vec<SegmentId> {
        let names = self
            .hub
            .env
            .disk
            .list(&Path::new(DIR).join("packs"))
            .unwrap();
        let names = names.iter().filter_map(|name| name.strip_suffix(".pack"));
        names.filter_map(SegmentId::parse).collect()
    }

    /// An image of the honest clinic is stored, in time.
    async fn is_well(&mut self, after: &str) {
        let began = tokio::time::Instant::now();
        self.honest
            .send(&noise(1_000 + self.sent, 20_000), None)
            .await
            .unwrap();
        self.sent += 1;
        let (handle, sent) = (self.honest.handle(), self.sent);
        until(after, async || {
            handle.progress(vec![(0, sent)]).await.unwrap().stored == sent
        })
        .await;
        let took = began.elapsed();
        assert!(took < PATIENCE, "{after}: the honest image took {took:?}");
    }
}

/// Bytes of this process: at its peak, and now.
fn memory() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        let kib = line.split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    };
    (of("VmHWM:"), of("VmRSS:"))
}

#[tokio::test(start_paused = true)]
async fn no_hostile_peer_stops_the_hub_fills_its_memory_or_hinders_an_honest_clinic() {
    let mut stage = Stage::set().await;
    stage.is_well("before any attack").await;
    let (_, before) = memory();
    let cases = [strangers::CASES, bodies::CASES, clinics::CASES].concat();
    for (number, (name, attack)) in cases.iter().enumerate() {
        attack(&stage).await;
        stage.is_well(name).await;
        println!("{:2} {name}", number + 1);
    }
    let (peak, now) = memory();
    let grown = peak.saturating_sub(before);
    println!(
        "{} cases: {} MiB before, {} MiB at the peak, {} MiB at the end",
        cases.len(),
        before >> 20,
        peak >> 20,
        now >> 20
    );
    assert!(cases.len() >= CASES_MIN);
    assert!(grown <= GROWTH_MAX, "grew by {} MiB", grown >> 20);
    let folder = stage.hub.files().len() as u64;
    assert!(folder >= stage.sent, "every honest image is in the folder");
    let audit = karez_receiver::Command::AuditVerify {
        witnesses: Vec::new(),
    };
    assert_eq!(stage.hub.ask(audit).await.unwrap()["whole"], true);
}

//! A sender packs with nothing that its hub cannot read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use support::clinic::Clinic;
use support::hub::Hub;
use support::net::World;
use support::transfer::{all_stored, fast};
use support::{dicom, until};

/// The codecs of two images, sent to a hub that speaks up to this version and says this.
async fn codecs(newest: u8, reads: &[u8]) -> BTreeSet<u8> {
    let net = World::new(1, fast());
    let hub = Hub::new();
    hub.state.lock().unwrap().speaks = (1, newest);
    hub.state.lock().unwrap().reads = reads.to_vec();
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 1).await;
    until("connected", async || clinic.status().await.hub.connected).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in 0..2 {
        let image = dicom("1.2.3", "CANARY^ONE", 64, n);
        clinic.send(&image, None).await.unwrap();
    }
    all_stored(&clinic, 2).await;
    let mut state = hub.state.lock().unwrap();
    state.codecs()
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_says_nothing_reads_the_first_version() {
    assert_eq!(codecs(1, &[]).await, BTreeSet::from([2]));
}

#[tokio::test(start_paused = true)]
async fn a_hub_gets_only_what_it_says_it_reads() {
    let some = codecs(2, &[0, 1]).await;
    assert!(some.iter().all(|codec| *codec < 2), "{some:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_reads_more_than_this_program_knows_gets_what_it_knows() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(codecs(2, &all).await, BTreeSet::from([2]));
}

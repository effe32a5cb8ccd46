//! A real sender, a real hub and a PACS in memory: everything reaches the PACS unchanged and
//! once, whatever the PACS does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod commitment;
mod faults;
mod once;
mod patients;
mod plain;
mod rules;
mod stow;
#[path = "../support/mod.rs"]
mod support;
mod traps;
mod week;

use std::collections::BTreeSet;

use karez_dimse::Uid;
use karez_dimse::stub::{Behaviour, Pacs};
use karez_receiver::{Command, command::Decision};
use serde_json::Value;
use support::made::Image;
use support::{Clinic, Hub, World, fast, made_disk, send_all, until};

const AT: &str = "pacs:104";
const URL: &str = "dicom://PACS@pacs:104?calling=HUB";

/// A clinic, a hub, and its PACS.
struct Chain {
    hub: Hub,
    clinic: Clinic,
    pacs: Pacs,
    net: World,
}

impl Chain {
    async fn new(seed: u64) -> Self {
        Self::with(seed, URL).await
    }

    async fn with(seed: u64, url: &str) -> Self {
        let net = World::new(seed, fast());
        let mut hub = Hub::with(made_disk(), &net, seed);
        hub.ask_offline(Command::TargetAdd {
            name: "pacs".into(),
            url: url.into(),
        })
        .unwrap();
        let pacs = Pacs::new(true);
        hub.reach.put(AT, &pacs);
        hub.start().await.unwrap();
        let clinic = hub.clinic(&net, "chagai", seed).await;
        Self {
            hub,
            clinic,
            pacs,
            net,
        }
    }

    fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        self.pacs.behave(change);
    }

    async fn send(&self, images: &[Image]) {
        let files: Vec<_> = images.iter().map(Image::file).collect();
        send_all(&self.clinic, &files).await;
    }

    /// Waits until the hub counts so many instances stored.
    async fn stored(&self, count: u64) {
        until("stored", async || self.sum("stored").await == count).await;
    }

    /// Waits until so many are parked; why they are.
    async fn parked(&self, count: usize) -> Vec<String> {
        until("parked", async || self.reasons().await.len() == count).await;
        self.reasons().await
    }

    async fn reasons(&self) -> Vec<String> {
        let parked = self.hub.ask(Command::Parked {}).await.unwrap();
        let reason = |item: &Value| item["reason"].as_str().unwrap().to_owned();
        parked.as_array().unwrap().iter().map(reason).collect()
    }

    async fn sum(&self, key: &str) -> u64 {
        let status = self.hub.status().await;
        let studies = status["studies"].as_array().unwrap();
        studies.iter().map(|s| s[key].as_u64().unwrap()).sum()
    }

    /// Waits until the study says why it waits for the PACS, in words that contain these.
    async fn waits(&self, words: &str) {
        until("the reason is shown", async || {
            let hand_off = self.hub.status().await["studies"][0]["handoff"][0].clone();
            let reason = hand_off["reason"].as_str().unwrap_or_default();
            hand_off["state"] == "waiting" && reason.contains(words)
        })
        .await;
    }

    async fn decide(&self, decision: Decision) {
        let parked = self.hub.ask(Command::Parked {}).await.unwrap();
        let item = parked[0]["item"].as_str().unwrap().to_owned();
        self.hub
            .ask(Command::Decide { item, decision })
            .await
            .unwrap();
    }

    /// Fails unless the PACS holds these data sets, and received each once.
    fn holds_each_once(&self, images: &[Image]) {
        let held = self.pacs.held();
        for image in images {
            let there = held.get(&image.uid()).and_then(|held| held.bytes.clone());
            assert!(there == Some(image.data_set()), "not as it was sent");
        }
        assert_eq!(held.len(), images.len());
        let received = self.pacs.received();
        let distinct: BTreeSet<&Uid> = received.iter().collect();
        assert_eq!(received.len(), distinct.len(), "something came twice");
    }
}

fn ct(count: u64) -> Vec<Image> {
    (1..=count).map(Image::ct).collect()
}

//! The audit log of both daemons: who did what is there, once; clinics are witnesses; a power cut
//! leaves the chain whole.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use karez_receiver::Command;
use karez_store::{Options, Store};
use serde_json::Value;
use support::{Clinic, DIR, Hub, World, all_stored, dicom, fast, noise, send_all, target, until};

async fn hub_lines(hub: &Hub) -> Vec<Value> {
    let ask = Command::AuditLines {
        after: 0,
        xml: false,
    };
    hub.ask(ask).await.unwrap()["lines"]
        .as_array()
        .unwrap()
        .clone()
}

async fn clinic_lines(clinic: &Clinic) -> Vec<Value> {
    let page = clinic.handle().audit_lines(0, false).await.unwrap();
    page["lines"].as_array().unwrap().clone()
}

/// Instances that lines of this event count.
fn counted(lines: &[Value], event: &str) -> u64 {
    let of_event = lines.iter().filter(|line| line["event"] == event);
    of_event.map(|line| line["count"].as_u64().unwrap()).sum()
}

async fn witnesses(clinic: &Clinic) -> Vec<(String, String)> {
    let seen = clinic.handle().audit_witnesses().await.unwrap();
    let who = format!("clinic {}", seen["clinic"].as_str().unwrap());
    let heads = seen["heads"].as_array().unwrap().iter();
    heads
        .map(|head| (who.clone(), head.as_str().unwrap().to_owned()))
        .collect()
}

async fn verify(hub: &Hub, witnesses: Vec<(String, String)>) -> Value {
    hub.ask(Command::AuditVerify { witnesses }).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_study_leaves_lines_on_both_sides_and_no_name() {
    let net = World::new(1, fast());
    let hub = Hub::new(&net, 1).await;
    let clinic = hub.clinic(&net, "chagai", 1).await;
    for n in 0..3 {
        let file = dicom("1.2.840.113619.666", "CANARY^PATIENT", 100, n);
        clinic.send(&file, None).await.unwrap();
    }
    all_stored(&clinic, 3).await;
    until("the clinic's lines", async || {
        let lines = clinic_lines(&clinic).await;
        counted(&lines, "accepted") == 3 && counted(&lines, "released") == 3
    })
    .await;
    let (ours, theirs) = (hub_lines(&hub).await, clinic_lines(&clinic).await);
    println!("{:#}", Value::Array(ours.clone()));
    for event in ["received", "handed-off"] {
        assert_eq!(counted(&ours, event), 3, "{event}");
    }
    for event in ["started", "configured", "invited", "joined"] {
        let count = ours.iter().filter(|l| l["event"] == event).count();
        assert_eq!(count, 1, "{event}");
    }
    let all = format!("{ours:?} {theirs:?}");
    assert!(!all.contains("CANARY") && !all.contains("1.2.840"), "{all}");
    let study = ours.iter().find(|l| l["event"] == "handed-off").unwrap();
    let same = theirs.iter().find(|l| l["event"] == "released").unwrap();
    assert_eq!(study["study"], same["study"], "one name on both sides");
    let xml = Command::AuditLines {
        after: 0,
        xml: true,
    };
    let messages = hub.ask(xml).await.unwrap();
    assert_eq!(messages["lines"].as_array().unwrap().len(), ours.len());
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_loses_the_end_of_its_log_is_found_out_by_a_clinic() {
    let net = World::new(2, fast());
    let mut hub = Hub::new(&net, 2).await;
    let clinic = hub.clinic(&net, "chagai", 2).await;
    send_all(&clinic, &[noise(1, 50_000), noise(2, 50_000)]).await;
    all_stored(&clinic, 2).await;
    let seen = witnesses(&clinic).await;
    assert!(!seen.is_empty(), "receipts carry heads");
    let answer = verify(&hub, seen.clone()).await;
    assert_eq!(answer["whole"], true, "{answer}");
    assert!(answer["checked"]["witnessed"].as_u64().unwrap() >= seen.len() as u64);
    hub.stop().await;
    {
        let options = Options { salt: [1; 16] };
        let disk = Arc::new(hub.env.disk.clone());
        let (mut store, _) = Store::open_with(disk, Path::new(DIR), options).unwrap();
        let mut lines = Vec::new();
        store
            .journal_read_all("audit-00000001", &mut |_, bytes| lines.push(bytes.to_vec()))
            .unwrap();
        store
            .journal_rewrite("audit-00000001", &lines[..3])
            .unwrap();
        store.remove_journal("audit-head").unwrap();
        store.remove_journal("receipts").unwrap();
    }
    hub.start().await.unwrap();
    let alone = verify(&hub, Vec::new()).await;
    assert_eq!(alone["whole"], true, "by itself it looks whole: {alone}");
    let answer = verify(&hub, seen).await;
    println!("{answer}");
    assert_eq!(answer["whole"], false, "{answer}");
    assert!(
        answer["what"].as_str().unwrap().contains("chagai"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_people_do_stands_under_their_name() {
    let net = World::new(3, fast());
    let hub = Hub::new(&net, 3).await;
    let clinic = hub.clinic(&net, "duki", 3).await;
    until("joined", async || clinic.status().await.hub.connected).await;
    let admin = hub.handle().by("uid 1007");
    admin.command(target("second", "/second")).await.unwrap();
    let pause = Command::TargetPause {
        name: "second".into(),
        paused: true,
    };
    admin.command(pause).await.unwrap();
    let revoke = Command::Revoke {
        name: "duki".into(),
    };
    admin.command(revoke).await.unwrap();
    let lines = hub_lines(&hub).await;
    let theirs: Vec<(&str, &str, &str)> = lines
        .iter()
        .filter(|line| line["who"] == "uid 1007")
        .map(|line| {
            let word = |key: &str| line[key].as_str().unwrap();
            (word("event"), word("party"), word("detail"))
        })
        .collect();
    assert_eq!(
        theirs,
        [
            ("changed", "target second", "added"),
            ("changed", "target second", "paused"),
            ("revoked", "clinic duki", ""),
        ]
    );
    let technician = clinic.handle().by("uid 1001");
    clinic.send(&noise(3, 1000), None).await.unwrap();
    let study = clinic.status().await.studies[0].study.clone();
    technician.withdraw(&study, "CANARY^REASON").await.unwrap();
    technician.allow("CT01", true).await.unwrap();
    let lines = clinic_lines(&clinic).await;
    let theirs = lines.iter().filter(|line| line["who"] == "uid 1001");
    let events: Vec<&str> = theirs.map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["withdrawn", "changed"]);
    assert!(!format!("{lines:?}").contains("CANARY"), "no free text");
}

#[tokio::test(start_paused = true)]
async fn power_cuts_on_both_sides_leave_both_chains_whole_and_every_head_true() {
    let net = World::new(4, fast());
    let mut hub = Hub::new(&net, 4).await;
    let mut clinic = hub.clinic(&net, "chagai", 4).await;
    for round in 0..4 {
        let files = [noise(10 + round, 40_000), noise(20 + round, 40_000)];
        send_all(&clinic, &files).await;
        if round % 2 == 0 {
            all_stored(&clinic, 2 * (round + 1)).await;
        }
        hub.kill(round).await;
        hub.start().await.unwrap();
        clinic.kill(round).await;
        clinic.start().unwrap();
    }
    all_stored(&clinic, 8).await;
    let seen = witnesses(&clinic).await;
    let answer = verify(&hub, seen).await;
    println!("{answer}");
    assert_eq!(answer["whole"], true, "{answer}");
    let clinics = clinic.handle().audit_verify().await.unwrap();
    assert_eq!(clinics["whole"], true, "{clinics}");
    until("all are counted", async || {
        counted(&clinic_lines(&clinic).await, "accepted") == 8
    })
    .await;
    assert!(counted(&hub_lines(&hub).await, "handed-off") >= 8);
}

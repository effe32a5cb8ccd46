//! COMMITTED: by storage commitment, whose reports come on associations of their own, or else by
//! asking; and never for what the PACS does not keep.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use karez_dimse::commitment::Report;
use karez_dimse::scu::{Association, Contexts, Request};
use karez_dimse::{AeTitle, Status, Timeouts};

use crate::{Chain, ct};

const PORT: u16 = 11113;

/// A hub with a port for reports, and a PACS that takes requests.
async fn chain(seed: u64) -> Chain {
    let mut chain = Chain::new(seed).await;
    chain.hub.settings.dicom.listen = format!("10.0.0.1:{PORT}");
    chain.hub.stop().await;
    chain.hub.start().await.unwrap();
    chain.behave(|pacs| pacs.commits = true);
    chain
}

/// The PACS brings a report to the hub's own port, from a port of its own.
async fn bring(chain: &Chain, report: &Report) -> Status {
    let from = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
    let stream = chain.hub.env.streams.dial(PORT, from).unwrap();
    let mut contexts = Contexts::new();
    contexts.add_commitment().unwrap();
    let request = Request {
        calling: AeTitle::new("PACS").unwrap(),
        called: AeTitle::new("HUB").unwrap(),
        contexts,
        reports: true,
        timeouts: Timeouts::default(),
    };
    let mut association = Association::open(stream, &request).await.unwrap();
    let answer = association.report(report).await.unwrap();
    association.release().await.unwrap();
    answer.status
}

async fn asked(chain: &Chain, times: usize) {
    crate::until("asked", async || chain.pacs.transactions().len() == times).await;
}

#[tokio::test(start_paused = true)]
async fn t27_a_report_that_comes_hours_later_commits_what_it_names() {
    let mut chain = chain(300).await;
    let images = ct(5);
    chain.send(&images).await;
    chain.stored(5).await;
    asked(&chain, 1).await;
    assert_eq!(chain.sum("committed").await, 0);
    let first = chain.pacs.transactions()[0].clone();
    tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
    assert_eq!(chain.sum("committed").await, 0);
    // The report on the first request, though it was asked again since.
    let report = chain.pacs.report_on(&first);
    assert_eq!(bring(&chain, &report).await, Status::SUCCESS);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(chain.sum("committed").await, 5);
    let before = chain.pacs.transactions().len();
    chain.hub.kill(1).await;
    chain.hub.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(chain.sum("committed").await, 5, "it is durable");
    assert_eq!(
        chain.pacs.transactions().len(),
        before,
        "and not asked again"
    );
}

#[tokio::test(start_paused = true)]
async fn t27_a_lost_report_is_asked_for_again_under_a_new_name_for_ever() {
    let mut chain = chain(301).await;
    chain.send(&ct(3)).await;
    chain.stored(3).await;
    asked(&chain, 1).await;
    tokio::time::sleep(Duration::from_secs(11 * 60)).await;
    asked(&chain, 2).await;
    chain.hub.kill(1).await;
    chain.hub.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3 * 24 * 3600)).await;
    let transactions = chain.pacs.transactions();
    assert!(
        (10..60).contains(&transactions.len()),
        "{}",
        transactions.len()
    );
    let mut names: Vec<_> = transactions.iter().map(|one| one.uid.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), transactions.len());
    assert_eq!(chain.sum("committed").await, 0);
    let last = chain.pacs.report_on(transactions.last().unwrap());
    assert_eq!(bring(&chain, &last).await, Status::SUCCESS);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(chain.sum("committed").await, 3);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_meanwhile_is_not_committed_and_is_asked_about_again() {
    let chain = chain(302).await;
    let images = ct(4);
    chain.send(&images).await;
    chain.stored(4).await;
    asked(&chain, 1).await;
    chain.pacs.delete(&images[2].uid());
    let report = chain.pacs.report_on(&chain.pacs.transactions()[0]);
    assert_eq!(bring(&chain, &report).await, Status::SUCCESS);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(chain.sum("committed").await, 3);
    let reason = chain.hub.status().await["studies"][0]["handoff"][0]["reason"].clone();
    assert!(
        reason.as_str().unwrap().contains("handoff resend"),
        "{reason}"
    );
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    let again = chain.pacs.transactions();
    assert!(again.len() > 1);
    assert_eq!(again.last().unwrap().references.len(), 1);
    assert_eq!(chain.sum("committed").await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_pacs_that_does_not_know_us_commits_nothing_and_says_what_to_do() {
    let chain = chain(303).await;
    chain.behave(|pacs| pacs.knows_nobody = true);
    chain.send(&ct(2)).await;
    chain.stored(2).await;
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(chain.sum("committed").await, 0);
    let reason = chain.hub.status().await["studies"][0]["handoff"][0]["reason"].clone();
    assert!(
        reason.as_str().unwrap().contains("register HUB"),
        "{reason}"
    );
    chain.behave(|pacs| pacs.knows_nobody = false);
    tokio::time::sleep(Duration::from_secs(7 * 3600)).await;
    let report = chain
        .pacs
        .report_on(chain.pacs.transactions().last().unwrap());
    bring(&chain, &report).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(chain.sum("committed").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_pacs_without_commitment_is_asked_by_c_find_instead() {
    let chain = chain(304).await;
    chain.behave(|pacs| pacs.commits = false);
    let images = ct(3);
    chain.send(&images).await;
    chain.stored(3).await;
    chain.pacs.delete(&images[0].uid());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(chain.sum("committed").await, 2);
    assert_eq!(chain.pacs.transactions().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_nobody_asked_for_or_that_names_others_commits_nothing() {
    let chain = chain(305).await;
    chain.send(&ct(2)).await;
    chain.stored(2).await;
    asked(&chain, 1).await;
    let mut report = chain.pacs.report_on(&chain.pacs.transactions()[0]);
    let known = std::mem::replace(&mut report.uid, "2.25.1".into());
    assert_eq!(bring(&chain, &report).await, Status::PROCESSING_FAILURE);
    report.uid = known;
    for one in &mut report.committed {
        one.sop_instance = "1.2.3".into();
    }
    bring(&chain, &report).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(chain.sum("committed").await, 0);
}

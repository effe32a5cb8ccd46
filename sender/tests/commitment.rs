//! Storage commitment: what a scanner is told of its images, and when.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use karez_dimse::commitment::{Reason, Reference, Report, Transaction};
use karez_dimse::scp::{Association as Acceptor, Config, Peer, Request};
use karez_dimse::{Status, Uid};
use karez_protocol::manifest::ReceiptKind;
use karez_sender::CommitOn;
use support::clinic::Clinic;
use support::hub::Hub;
use support::scanner::{Image, Scanner, arrived, dial, net, only, open_to_all};
use support::transfer::store_all;
use support::{dicom, until};

/// What a scanner's own port has heard.
type Heard = Arc<Mutex<Vec<Report>>>;

/// Opens the scanner's port for reports; it ends with the task.
fn port(clinic: &Clinic, answer: Status) -> (Heard, tokio::task::JoinHandle<()>) {
    let (heard, streams) = (Heard::default(), clinic.env.streams.clone());
    let told = heard.clone();
    let serving = tokio::spawn(async move {
        let at = "192.0.2.20:104".parse().unwrap();
        let mut listener = streams.listen(at).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let anybody = |_: &Peer, _: &Uid| Ok(());
            let mut association = Acceptor::accept(stream, &Config::default(), &anybody)
                .await
                .unwrap();
            assert_eq!(association.peer().calling.as_str(), "KAREZ");
            assert_eq!(association.peer().called.as_str(), "CT01");
            while let Ok(request) = association.next().await {
                match request {
                    Request::Report(report) => {
                        told.lock().unwrap().push(report.said.clone());
                        report.answer(answer).await.unwrap();
                    }
                    _ => break,
                }
            }
        }
    });
    (heard, serving)
}

fn transaction(uid: &str, images: &[Image]) -> Transaction {
    let reference = |image: &Image| Reference {
        sop_class: Uid::new(image.class),
        sop_instance: Uid::new(&image.instance),
    };
    Transaction {
        uid: Uid::new(uid),
        references: images.iter().map(reference).collect(),
    }
}

/// Asks on an association of its own, as scanners do; the answer's status.
async fn ask(clinic: &Clinic, transaction: &Transaction) -> u16 {
    let mut request = Scanner::default().request(&[]);
    request.contexts.add_commitment().unwrap();
    let stream = dial(clinic).await;
    let mut association = karez_dimse::scu::Association::open(stream, &request)
        .await
        .unwrap();
    let answer = association.commit(transaction).await.unwrap();
    association.release().await.unwrap();
    answer.status.0
}

/// A clinic whose hub has verified everything, and calls nothing stored yet.
async fn with_patient_hub(seed: u64) -> (Clinic, Hub, support::net::World) {
    let (net, hub) = (net(seed), Hub::new());
    hub.state.lock().unwrap().kinds = vec![ReceiptKind::Verified];
    hub.serve(&net);
    let mut clinic = Clinic::alone(&net, seed);
    clinic.settings.dicom.allow_any = true;
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    (clinic, hub, net)
}

fn images(count: usize) -> Vec<Image> {
    let image = |n| Image::ct("1.2.3", &format!("1.2.3.{n}"), 64);
    (1..=count).map(image).collect()
}

async fn minutes(count: u64) {
    tokio::time::sleep(Duration::from_secs(60 * count)).await;
}

#[tokio::test(start_paused = true)]
async fn a_scanner_is_told_kept_when_the_archive_has_it_and_not_before() {
    let (clinic, hub, _net) = with_patient_hub(1).await;
    let (heard, _port) = port(&clinic, Status::SUCCESS);
    let images = images(410);
    Scanner::default().send(&clinic, &images).await;
    let asked = transaction("2.25.7", &images);
    assert_eq!(ask(&clinic, &asked).await, 0);
    arrived(&hub, images.len()).await;
    minutes(10).await;
    assert!(heard.lock().unwrap().is_empty(), "the hub alone has it");
    assert_eq!(clinic.status().await.commitments, 1);
    store_all(&hub);
    until("told", async || !heard.lock().unwrap().is_empty()).await;
    minutes(10).await;
    let reports = heard.lock().unwrap().clone();
    let [report] = reports.as_slice() else {
        panic!("told {} times", reports.len());
    };
    assert_eq!(report.uid, asked.uid);
    assert_eq!(report.committed, asked.references);
    assert!(report.failed.is_empty());
    assert_eq!(clinic.status().await.commitments, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_here_or_was_withdrawn_is_named_as_failed() {
    let (clinic, hub, _net) = with_patient_hub(2).await;
    let (heard, _port) = port(&clinic, Status::SUCCESS);
    let mut images = images(2);
    Scanner::default().send(&clinic, &images).await;
    images.push(Image::ct("1.2.3", "1.2.99", 64));
    // Here under another class: the scanner means something else.
    let mut other = images[0].clone();
    other.class = karez_dimse::uid::CR_STORAGE;
    images.push(other);
    assert_eq!(ask(&clinic, &transaction("2.25.7", &images)).await, 0);
    arrived(&hub, 2).await;
    let study = clinic.status().await.studies[0].study.clone();
    clinic
        .handle()
        .withdraw(&study, "wrong patient")
        .await
        .unwrap();
    until("told", async || !heard.lock().unwrap().is_empty()).await;
    let report = heard.lock().unwrap()[0].clone();
    assert!(report.committed.is_empty());
    let why: Vec<Reason> = report.failed.iter().map(|(_, why)| *why).collect();
    let (taken_back, unknown) = (Reason::PROCESSING_FAILURE, Reason::NO_SUCH_OBJECT);
    assert_eq!(why, [taken_back, taken_back, unknown, unknown]);
}

#[tokio::test(start_paused = true)]
async fn a_request_outlives_power_cuts_and_a_scanner_that_cannot_be_reached() {
    for seed in 1..=3 {
        let (mut clinic, hub, _net) = with_patient_hub(seed).await;
        let images = images(3);
        Scanner::default().send(&clinic, &images).await;
        assert_eq!(ask(&clinic, &transaction("2.25.7", &images)).await, 0);
        clinic.kill(seed).await;
        clinic.start().unwrap();
        arrived(&hub, 3).await;
        store_all(&hub);
        minutes(5).await;
        assert_eq!(clinic.status().await.commitments, 1);
        clinic.kill(seed + 100).await;
        clinic.start().unwrap();
        dial(&clinic).await;
        minutes(5).await;
        let problem = only(&clinic.status().await).problem.clone();
        assert!(problem.contains("192.0.2.20:104"), "{problem}");
        let (heard, _port) = port(&clinic, Status::SUCCESS);
        until("told", async || !heard.lock().unwrap().is_empty()).await;
        minutes(90).await;
        assert_eq!(heard.lock().unwrap().len(), 1, "seed {seed}");
        let status = clinic.status().await;
        assert_eq!(
            (status.commitments, only(&status).problem.as_str()),
            (0, "")
        );
        // It stays answered.
        clinic.kill(seed + 200).await;
        clinic.start().unwrap();
        minutes(5).await;
        assert!(heard.lock().unwrap().len() <= 2, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_the_same_again_is_told_once_under_the_newest_name() {
    let (clinic, hub, _net) = with_patient_hub(4).await;
    let images = images(2);
    Scanner::default().send(&clinic, &images).await;
    for uid in ["2.25.1", "2.25.2", "2.25.3"] {
        assert_eq!(ask(&clinic, &transaction(uid, &images)).await, 0);
    }
    arrived(&hub, 2).await;
    store_all(&hub);
    let (heard, _port) = port(&clinic, Status::PROCESSING_FAILURE);
    until("told", async || !heard.lock().unwrap().is_empty()).await;
    minutes(90).await;
    let told: Vec<Uid> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|r| r.uid.clone())
        .collect();
    assert_eq!(told, [Uid::new("2.25.3")], "an answer is an answer");
}

#[tokio::test(start_paused = true)]
async fn what_was_released_and_removed_long_ago_is_still_kept() {
    let (mut clinic, hub, _net) = with_patient_hub(5).await;
    hub.state.lock().unwrap().kinds = vec![ReceiptKind::Verified, ReceiptKind::Stored];
    let images = [
        Image::ct("1.2.3", "1.2.3.1", 2000),
        Image::ct("1.2.4", "1.2.4.1", 2000),
    ];
    Scanner::default().send(&clinic, &images).await;
    arrived(&hub, 2).await;
    minutes(5).await;
    clinic.stop().await;
    clinic.settings.spool.keep_free.0 = 3_900_000;
    clinic.settings.spool.evict_below.0 = 3_900_000;
    clinic.env.disk.set_capacity(Some(4_000_000));
    clinic.start().unwrap();
    minutes(2).await;
    assert!(clinic.status().await.studies.len() < 2, "nothing went");
    clinic.env.disk.set_capacity(None);
    clinic.kill(5).await;
    clinic.start().unwrap();
    let (heard, _port) = port(&clinic, Status::SUCCESS);
    let asked = transaction("2.25.7", &images);
    assert_eq!(ask(&clinic, &asked).await, 0);
    until("told", async || !heard.lock().unwrap().is_empty()).await;
    assert_eq!(heard.lock().unwrap()[0].committed, asked.references);
}

#[tokio::test(start_paused = true)]
async fn where_the_clinics_own_disk_is_enough_it_is_told_at_once() {
    let mut clinic = open_to_all(6);
    clinic.settings.dicom.commitment = CommitOn::Here;
    clinic.start().unwrap();
    let (heard, _port) = port(&clinic, Status::SUCCESS);
    let images = images(1);
    Scanner::default().send(&clinic, &images).await;
    // A file from a folder counts as well.
    clinic
        .send(&dicom("1.2.3", "CANARY^ONE", 64, 1), None)
        .await
        .unwrap();
    ask(&clinic, &transaction("2.25.7", &images)).await;
    let began = tokio::time::Instant::now();
    until("told", async || !heard.lock().unwrap().is_empty()).await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_send_may_not_ask_and_nonsense_is_refused() {
    let mut clinic = open_to_all(7);
    clinic.start().unwrap();
    assert_eq!(ask(&clinic, &transaction("2.25.7", &[])).await, 0x0110);
    assert_eq!(ask(&clinic, &transaction("", &images(1))).await, 0x0110);
    clinic.stop().await;
    clinic.settings.dicom.allow_any = false;
    clinic.start().unwrap();
    let mut request = Scanner::default().request(&[]);
    request.contexts.add_commitment().unwrap();
    let stream = dial(&clinic).await;
    let mut association = karez_dimse::scu::Association::open(stream, &request)
        .await
        .unwrap();
    let asked = association.commit(&transaction("2.25.7", &images(1))).await;
    assert!(asked.is_err(), "{asked:?}");
}

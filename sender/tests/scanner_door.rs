//! Who may send, in what class, and how many at once; named after the traps of the field.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use karez_dimse::scu::Association;
use karez_dimse::{ContextRefusal, Error, Phase, RejectReason};
use karez_protocol::priority::Class;
use support::clinic::Clinic;
use support::scanner::{
    Image, Scanner, arrived, dial, ingest_files, net, only, open_to_all, store, with_hub,
};

#[tokio::test(start_paused = true)]
async fn t25_a_stranger_is_answered_and_shown_and_may_send_once_it_is_allowed() {
    let mut clinic = Clinic::alone(&net(25), 25);
    clinic.start().unwrap();
    let image = [Image::ct("1.2.3", "1.2.3.4", 8)];
    let scanner = Scanner::default();
    let mut association = scanner.open(&clinic, &image).await.unwrap();
    assert_eq!(association.echo().await.unwrap().status.0, 0);
    let refused = store(&mut association, &image[0]).await;
    assert_eq!(
        refused,
        Err(Error::ContextNotAccepted(ContextRefusal::User))
    );
    association.release().await.unwrap();
    let status = clinic.status().await;
    assert_eq!(
        only(&status).problem,
        "Scanner CT01 at 192.0.2.20 wants to send: allow it with `karez-sender allow CT01`"
    );
    assert!(!only(&status).allowed);
    assert_eq!(ingest_files(&clinic), 0);

    clinic.handle().allow("ct01", true).await.unwrap();
    assert_eq!(only(&clinic.status().await).problem, "");
    assert_eq!(scanner.send(&clinic, &image).await, [0]);

    // It is known for good.
    clinic.kill(1).await;
    clinic.start().unwrap();
    assert_eq!(scanner.send(&clinic, &image).await, [0]);
    clinic.handle().allow("CT01", false).await.unwrap();
    let mut association = scanner.open(&clinic, &image).await.unwrap();
    assert!(store(&mut association, &image[0]).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn t25_the_list_of_the_configuration_counts_and_only_it_can_shorten_itself() {
    let mut clinic = Clinic::alone(&net(26), 26);
    clinic.settings.dicom.allow = vec!["CT01".to_owned()];
    clinic.start().unwrap();
    let image = [Image::ct("1.2.3", "1.2.3.4", 8)];
    assert_eq!(Scanner::default().send(&clinic, &image).await, [0]);
    let removed = clinic.handle().allow("CT01", false).await.unwrap_err();
    assert!(removed.to_string().contains("dicom.allow"), "{removed}");
    let unfit = clinic.handle().allow("A\\B", true).await.unwrap_err();
    assert!(unfit.to_string().contains("16 printable"), "{unfit}");
}

#[tokio::test(start_paused = true)]
async fn the_title_that_a_scanner_calls_sets_the_class_and_a_wrong_one_is_told_the_right_ones() {
    let (clinic, _hub, _net) = with_hub(27).await;
    for (calls, study) in [
        ("KAREZ", "1.2.1"),
        ("KAREZ_URGENT", "1.2.2"),
        ("KAREZ_STAT", "1.2.3"),
    ] {
        let scanner = Scanner {
            calls,
            ..Scanner::default()
        };
        let image = [Image::ct(study, &format!("{study}.4"), 8)];
        assert_eq!(scanner.send(&clinic, &image).await, [0]);
    }
    let classes: Vec<Class> = clinic
        .status()
        .await
        .studies
        .iter()
        .map(|study| study.priority)
        .collect();
    assert_eq!(classes, [Class::Stat, Class::Urgent, Class::Routine]);

    let lost = Scanner {
        calls: "PACS",
        ..Scanner::default()
    };
    match lost.open(&clinic, &[]).await.map(drop) {
        Err(Error::Rejected(rejection)) => assert_eq!(rejection.reason, RejectReason::CalledAe),
        other => panic!("{other:?}"),
    }
    let status = clinic.status().await;
    assert_eq!(
        only(&status).problem,
        "Scanner CT01 at 192.0.2.20 calls us PACS: our titles here are KAREZ, KAREZ_URGENT, \
         KAREZ_STAT"
    );
    // Called rightly, it is no problem any more.
    Scanner::default().send(&clinic, &[]).await;
    assert_eq!(only(&clinic.status().await).problem, "");
}

#[tokio::test(start_paused = true)]
async fn late_images_make_a_study_more_urgent_and_never_less() {
    let mut clinic = open_to_all(32);
    clinic.start().unwrap();
    let mut seen = Vec::new();
    for (n, calls) in ["KAREZ_URGENT", "KAREZ", "KAREZ_STAT", "KAREZ_URGENT"]
        .into_iter()
        .enumerate()
    {
        let scanner = Scanner {
            calls,
            ..Scanner::default()
        };
        let image = [Image::ct("1.2.3", &format!("1.2.3.{n}"), 8)];
        assert_eq!(scanner.send(&clinic, &image).await, [0]);
        seen.push(clinic.status().await.studies[0].priority);
    }
    let (stat, urgent) = (Class::Stat, Class::Urgent);
    assert_eq!(seen, [urgent, urgent, stat, stat]);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_of_associations_a_scanner_is_told_to_come_later() {
    let mut clinic = open_to_all(28);
    clinic.settings.dicom.associations = 2;
    clinic.start().unwrap();
    let image = [Image::ct("1.2.3", "1.2.3.4", 8)];
    let scanner = Scanner::default();
    let first = scanner.open(&clinic, &image).await.unwrap();
    let _second = scanner.open(&clinic, &image).await.unwrap();
    match scanner.open(&clinic, &image).await.map(drop) {
        Err(Error::Rejected(rejection)) => {
            assert!(rejection.transient);
            assert_eq!(rejection.reason, RejectReason::LocalLimit);
        }
        other => panic!("{other:?}"),
    }
    first.release().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scanner.send(&clinic, &image).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn an_association_that_idles_is_let_go_and_costs_no_image() {
    let mut clinic = open_to_all(29);
    clinic.start().unwrap();
    let image = [Image::ct("1.2.3", "1.2.3.4", 8)];
    let mut request = Scanner::default().request(&image);
    request.timeouts.idle = Duration::from_secs(3600);
    let stream = dial(&clinic).await;
    let mut association = Association::open(stream, &request).await.unwrap();
    store(&mut association, &image[0]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    let dead = store(&mut association, &image[0]).await.unwrap_err();
    assert_ne!(dead, Error::Timeout(Phase::Idle));
    let status = clinic.status().await;
    assert_eq!(
        (only(&status).images, only(&status).problem.as_str()),
        (1, "")
    );
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_is_shown_and_tried_again() {
    let mut clinic = open_to_all(30);
    let at = "0.0.0.0:11112".parse().unwrap();
    let other = clinic.env.streams.listen(at).await.unwrap();
    clinic.start().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let port = clinic.status().await.scanner_port;
    assert_eq!(port.listen, "");
    assert!(port.problem.contains("0.0.0.0:11112"), "{}", port.problem);
    drop(other);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let port = clinic.status().await.scanner_port;
    assert_eq!(
        (port.listen.as_str(), port.problem.as_str()),
        ("0.0.0.0:11112", "")
    );
    let image = [Image::ct("1.2.3", "1.2.3.4", 8)];
    assert_eq!(Scanner::default().send(&clinic, &image).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn t30_no_uid_and_no_name_of_a_patient_is_in_the_status() {
    let (clinic, hub, _net) = with_hub(31).await;
    let image = [Image::ct("1.2.840.99.7", "1.2.840.99.8", 64)];
    Scanner::default().send(&clinic, &image).await;
    arrived(&hub, 1).await;
    let shown = serde_json::to_string(&clinic.status().await).unwrap();
    for secret in ["CANARY", "1.2.840.99"] {
        assert!(!shown.contains(secret));
    }
    assert!(shown.contains("CT01"));
}

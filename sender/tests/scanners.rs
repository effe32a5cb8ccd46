//! Scanners send to the clinic; named after the traps of the field.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use karez_dimse::scu::Association;
use karez_dimse::uid::{
    CR_STORAGE, CT_STORAGE, DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE,
};
use karez_dimse::{ContextRefusal, Error, Phase, RejectReason};
use karez_protocol::manifest::Origin;
use karez_protocol::priority::Class;
use karez_sender::{ScannerStatus, Status};
use karez_store::Disk;
use support::clinic::{Clinic, DIR};
use support::hub::Hub;
use support::net::{Link, World};
use support::scanner::{Image, Scanner, dial, store, store_from};
use support::{noise, until};
use tokio::io::AsyncReadExt;

const PRIVATE_CLASS: &str = "1.3.46.670589.2.3.1.1";
const PRIVATE_SYNTAX: &str = "1.3.46.670589.33.1.4.1";

fn net(seed: u64) -> World {
    let link = Link {
        bits_per_s: 50e6,
        delay: Duration::from_millis(20),
        loss: 0.0,
        queue: Duration::from_secs(2),
    };
    World::new(seed, link)
}

/// A clinic that takes everybody and has no hub.
fn open_to_all(seed: u64) -> Clinic {
    let mut clinic = Clinic::alone(&net(seed), seed);
    clinic.settings.dicom.allow_any = true;
    clinic
}

/// The same, that has joined a hub.
async fn with_hub(seed: u64) -> (Clinic, Hub, World) {
    let (net, hub) = (net(seed), Hub::new());
    hub.serve(&net);
    let mut clinic = Clinic::alone(&net, seed);
    clinic.settings.dicom.allow_any = true;
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    (clinic, hub, net)
}

async fn arrived(hub: &Hub, count: usize) {
    until("all at the hub", async || hub.rebuilt() >= count).await;
}

fn rebuilt(hub: &Hub) -> Vec<Vec<u8>> {
    let state = hub.state.lock().unwrap();
    state.rebuilt.iter().map(|(_, raw)| raw.clone()).collect()
}

fn only(status: &Status) -> &ScannerStatus {
    assert_eq!(status.scanners.len(), 1, "{:?}", status.scanners);
    &status.scanners[0]
}

fn ingest_files(clinic: &Clinic) -> usize {
    let ingest = Path::new(DIR).join("ingest");
    clinic.env.disk.list(&ingest).unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn t01_t02_t22_any_class_and_syntax_arrives_as_our_meta_group_and_the_bytes_untouched() {
    let (clinic, hub, _net) = with_hub(1).await;
    let images = [
        Image::ct("1.2.3", "1.2.3.4", 64),
        Image::ct("1.2.3", "1.2.3.55", 8192),
        Image::of(CT_STORAGE, IMPLICIT_LE, noise(1, 70_000)),
        Image::of(CR_STORAGE, EXPLICIT_BE, noise(2, 30_002)),
        Image::of(CR_STORAGE, DEFLATED_LE, noise(3, 1_000)),
        Image::of(PRIVATE_CLASS, EXPLICIT_LE, noise(4, 2)),
        Image::of(CT_STORAGE, PRIVATE_SYNTAX, noise(5, 3_000_000)),
        Image::of(PRIVATE_CLASS, PRIVATE_SYNTAX, vec![0; 262_144]),
    ];
    let statuses = Scanner::default().send(&clinic, &images).await;
    assert_eq!(statuses, [0; 8]);
    arrived(&hub, images.len()).await;
    let mut expected: Vec<Vec<u8>> = images.iter().map(Image::expected).collect();
    let mut found = rebuilt(&hub);
    expected.sort();
    found.sort();
    assert!(found == expected, "some bytes differ");
    let mut lengths: Vec<u32> = images
        .iter()
        .map(|image| (image.expected().len() - image.data_set.len()) as u32)
        .collect();
    let origins = hub.state.lock().unwrap().origins.clone();
    let mut metas: Vec<u32> = origins
        .iter()
        .map(|origin| match origin {
            Origin::Dimse { meta } => *meta,
            Origin::File => panic!("it came from a scanner"),
        })
        .collect();
    lengths.sort_unstable();
    metas.sort_unstable();
    assert_eq!(metas, lengths);
    assert_eq!(only(&clinic.status().await).images, 8);
}

#[tokio::test(start_paused = true)]
async fn t03_what_was_answered_with_success_survives_every_power_cut() {
    for seed in 1..=12 {
        let (net, hub) = (net(seed), Hub::new());
        hub.serve(&net);
        let mut clinic = Clinic::alone(&net, seed);
        clinic.settings.dicom.allow_any = true;
        clinic.start().unwrap();
        clinic.handle().join(&hub.invitation()).await.unwrap();
        let images: Vec<Image> = (0..4)
            .map(|n| Image::ct("1.2.3", &format!("1.2.{seed}.{n}"), 200))
            .collect();
        let mut association = Scanner::default().open(&clinic, &images).await.unwrap();
        for image in &images {
            let answer = store(&mut association, image).await.unwrap();
            assert_eq!(answer.status.0, 0);
        }
        // The last answer has only just come.
        clinic.kill(seed).await;
        clinic.start().unwrap();
        arrived(&hub, images.len()).await;
        let found = rebuilt(&hub);
        for image in &images {
            assert!(found.contains(&image.expected()), "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t03_before_the_disk_is_full_a700_is_answered_and_stat_has_a_reserve() {
    let mut clinic = open_to_all(3);
    clinic.settings.spool.keep_free.0 = 12 << 20;
    clinic.settings.spool.keep_free_stat.0 = 4 << 20;
    clinic.start().unwrap();
    clinic.env.disk.set_capacity(Some(10 << 20));
    let routine = Scanner::default();
    let stat = Scanner {
        calls: "KAREZ_STAT",
        ..Scanner::default()
    };
    let image = [Image::ct("1.2.3", "1.2.3.4", 512)];
    let mut association = routine.open(&clinic, &image).await.unwrap();
    let refused = store(&mut association, &image[0]).await.unwrap();
    assert_eq!(refused.status.0, 0xA700);
    assert!(
        refused.comment.0.contains("disk full"),
        "{}",
        refused.comment.0
    );
    assert_eq!(stat.send(&clinic, &image).await, [0]);
    let status = clinic.status().await;
    assert_eq!((only(&status).images, only(&status).refused), (1, 1));

    // Room comes back: the same association goes on.
    clinic.env.disk.set_capacity(Some(64 << 20));
    let taken = store(&mut association, &image[0]).await.unwrap();
    assert_eq!(taken.status.0, 0);
    assert_eq!(only(&clinic.status().await).problem, "");
}

#[tokio::test(start_paused = true)]
async fn t03_a_disk_that_fills_in_the_middle_of_an_image_is_answered_a700_and_keeps_nothing_of_it()
{
    let mut clinic = open_to_all(4);
    clinic.start().unwrap();
    clinic.env.disk.set_capacity(Some(3 << 20));
    let image = [Image::of(CT_STORAGE, EXPLICIT_LE, noise(1, 8 << 20))];
    assert_eq!(Scanner::default().send(&clinic, &image).await, [0xA700]);
    assert_eq!(ingest_files(&clinic), 0);
    assert!(clinic.status().await.studies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn t03_what_contradicts_its_command_is_a900_and_the_association_goes_on() {
    let mut clinic = open_to_all(5);
    clinic.start().unwrap();
    let good = Image::ct("1.2.3", "1.2.3.4", 8);
    let mut other = good.clone();
    other.instance = "1.2.3.5".to_owned();
    let images = [other, good];
    assert_eq!(Scanner::default().send(&clinic, &images).await, [0xA900, 0]);
    assert_eq!(only(&clinic.status().await).refused, 1);
}

#[tokio::test(start_paused = true)]
async fn t03_an_image_without_a_byte_cannot_be_understood() {
    let mut clinic = open_to_all(6);
    clinic.start().unwrap();
    let empty = [Image::of(CT_STORAGE, EXPLICIT_LE, Vec::new())];
    assert_eq!(Scanner::default().send(&clinic, &empty).await, [0xC000]);
    assert!(clinic.status().await.studies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn t08_a_scanner_that_falls_silent_loses_its_association_and_what_it_began() {
    let mut clinic = open_to_all(7);
    clinic.start().unwrap();
    let image = [Image::of(CT_STORAGE, EXPLICIT_LE, noise(1, 4 << 20))];
    let mut request = Scanner::default().request(&image);
    request.timeouts.idle = Duration::from_secs(3600);
    let stream = dial(&clinic).await;
    let mut association = Association::open(stream, &request).await.unwrap();
    // Three quarters of it come, and then nothing.
    let (never, _held) = tokio::io::duplex(1);
    let mut bytes = image[0].data_set[..3 << 20].chain(never);
    let began = tokio::time::Instant::now();
    let sending = store_from(&mut association, &image[0], &mut bytes);
    let outcome = tokio::time::timeout(Duration::from_secs(61), sending).await;
    assert!(outcome.is_err(), "it waits for bytes that never come");
    until("the image is dropped", async || ingest_files(&clinic) == 0).await;
    assert!(began.elapsed() < Duration::from_secs(70));
    let status = clinic.status().await;
    assert!(only(&status).problem.contains("in the middle of an image"));
    assert!(status.studies.is_empty());

    // The next association is as good as new.
    let image = [Image::ct("1.2.3", "1.2.3.4", 8)];
    assert_eq!(Scanner::default().send(&clinic, &image).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn t08_who_connects_and_says_nothing_is_let_go() {
    let mut clinic = open_to_all(8);
    clinic.start().unwrap();
    let mut silent = dial(&clinic).await;
    let began = tokio::time::Instant::now();
    let mut said = Vec::new();
    silent.read_to_end(&mut said).await.unwrap();
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(30) && waited < Duration::from_secs(35));
}

#[tokio::test(start_paused = true)]
async fn t09_two_associations_carry_one_study_and_one_carries_two() {
    let (clinic, hub, _net) = with_hub(9).await;
    let of = |study: &str, n: u32| Image::ct(study, &format!("1.2.3.{n}"), 64);
    let first: Vec<Image> = (0..8).map(|n| of("1.2.3", n)).collect();
    let second: Vec<Image> = (8..16).map(|n| of("1.2.3", n)).collect();
    let mixed: Vec<Image> = (16..24)
        .map(|n| of(if n % 2 == 0 { "1.2.3" } else { "1.2.4" }, n))
        .collect();
    let scanner = Scanner::default();
    let (a, b, c) = tokio::join!(
        scanner.send(&clinic, &first),
        scanner.send(&clinic, &second),
        scanner.send(&clinic, &mixed)
    );
    assert!([a, b, c].concat().iter().all(|status| *status == 0));
    arrived(&hub, 24).await;
    let mut counts: Vec<u64> = clinic
        .status()
        .await
        .studies
        .iter()
        .map(|study| study.instances)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [4, 20]);
    // A study is complete once for each time that it was quiet, not once for each association.
    until("both are declared complete", async || {
        hub.state.lock().unwrap().revised.len() >= 2
    })
    .await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(hub.state.lock().unwrap().revised.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn t10_one_uid_with_other_bytes_is_another_instance_and_both_arrive() {
    let (clinic, hub, _net) = with_hub(10).await;
    let first = Image::ct("1.2.3", "1.2.3.4", 64);
    let mut corrected = first.clone();
    let last = corrected.data_set.len() - 1;
    corrected.data_set[last] ^= 1;
    let images = [first, corrected];
    assert_eq!(Scanner::default().send(&clinic, &images).await, [0, 0]);
    arrived(&hub, 2).await;
    let found = rebuilt(&hub);
    assert!(images.iter().all(|image| found.contains(&image.expected())));
}

#[tokio::test(start_paused = true)]
async fn t14_late_images_append_to_a_study_that_was_complete() {
    let (clinic, hub, _net) = with_hub(14).await;
    let scanner = Scanner::default();
    scanner
        .send(&clinic, &[Image::ct("1.2.3", "1.2.3.1", 64)])
        .await;
    until("complete as of then", async || {
        !hub.state.lock().unwrap().revised.is_empty()
    })
    .await;
    scanner
        .send(&clinic, &[Image::ct("1.2.3", "1.2.3.2", 64)])
        .await;
    arrived(&hub, 2).await;
    let status = clinic.status().await;
    assert_eq!(status.studies.len(), 1);
    assert_eq!(status.studies[0].instances, 2);
    let state = hub.state.lock().unwrap();
    assert_eq!(state.rebuilt[0].0, state.rebuilt[1].0);
}

#[tokio::test(start_paused = true)]
async fn an_image_leaves_for_the_hub_while_its_association_is_still_open() {
    let (clinic, hub, _net) = with_hub(15).await;
    let image = [Image::ct("1.2.3", "1.2.3.1", 64)];
    let mut association = Scanner::default().open(&clinic, &image).await.unwrap();
    store(&mut association, &image[0]).await.unwrap();
    let began = tokio::time::Instant::now();
    arrived(&hub, 1).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(association.echo().await.is_ok());
}

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

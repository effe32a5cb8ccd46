//! What scanners send comes in and goes on; named after the traps of the field.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use karez_dimse::scu::Association;
use karez_dimse::uid::{
    CR_STORAGE, CT_STORAGE, DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE,
};
use karez_protocol::manifest::Origin;
use support::clinic::Clinic;
use support::hub::Hub;
use support::noise;
use support::scanner::{
    Image, Scanner, arrived, dial, ingest_files, net, only, open_to_all, rebuilt, store,
    store_from, with_hub,
};
use support::until;
use tokio::io::AsyncReadExt;

const PRIVATE_CLASS: &str = "1.3.46.670589.2.3.1.1";
const PRIVATE_SYNTAX: &str = "1.3.46.670589.33.1.4.1";

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

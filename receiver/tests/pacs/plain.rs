//! A PACS that does nothing wrong.

use std::time::Duration;

use karez_dimse::uid::{DEFLATED_LE, EXPLICIT_LE, JPEG_2000_LOSSLESS, MR_STORAGE};
use karez_receiver::Command;

use crate::support::made::Image;
use crate::support::until;
use crate::{Chain, ct};

#[tokio::test(start_paused = true)]
async fn t01_data_sets_arrive_as_they_were_in_their_own_syntax_and_from_our_title() {
    let chain = Chain::new(1).await;
    let mut images = ct(12);
    images[1].syntax = JPEG_2000_LOSSLESS.into();
    images[2].class = MR_STORAGE.into();
    images[3].syntax = "1.2.3.4.5.private".into();
    images[4].class = "1.3.46.670589.2.5.1.1".into();
    chain.send(&images).await;
    chain.stored(12).await;
    chain.holds_each_once(&images);
    for image in &images {
        let held = &chain.pacs.held()[&image.uid()];
        assert_eq!(
            held.transfer_syntax.as_str(),
            image.syntax.trim_matches('\0')
        );
        assert_eq!(held.sop_class.as_str(), image.class);
        assert_eq!(held.calling, "HUB");
        assert!(!held.odd_fragments);
    }
    assert_eq!(chain.reasons().await, [""; 0]);
    let said = chain.hub.status().await.to_string();
    assert!(!said.contains("CANARY") && !said.contains("1.2.826"));
}

#[tokio::test(start_paused = true)]
async fn a_run_of_instances_needs_one_association_for_each_worker_and_it_is_closed_when_idle() {
    let chain = Chain::new(2).await;
    let images = ct(60);
    chain.send(&images).await;
    chain.stored(60).await;
    chain.holds_each_once(&images);
    let first = chain.pacs.associations();
    assert!(first <= 3, "{first} associations for 60 instances");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let more: Vec<_> = (61..70).map(Image::ct).collect();
    chain.send(&more).await;
    chain.stored(69).await;
    let second = chain.pacs.associations();
    assert!(second > first, "the idle association was closed");
}

#[tokio::test(start_paused = true)]
async fn t16_a_study_of_more_kinds_than_an_association_has_contexts_is_stored() {
    let chain = Chain::new(3).await;
    let mut images = ct(140);
    for (index, image) in images.iter_mut().enumerate() {
        image.class = format!("1.3.46.670589.2.{index}");
    }
    chain.send(&images).await;
    chain.stored(140).await;
    chain.holds_each_once(&images);
    println!("{} associations for 140 kinds", chain.pacs.associations());
}

#[tokio::test(start_paused = true)]
async fn t21_a_long_instance_is_streamed() {
    let chain = Chain::new(4).await;
    let mut image = Image::ct(1);
    image.pixels = 21_000_000;
    chain.send(std::slice::from_ref(&image)).await;
    chain.stored(1).await;
    chain.holds_each_once(&[image]);
}

#[tokio::test(start_paused = true)]
async fn t07_an_odd_data_set_is_parked_before_it_is_sent_and_a_deflated_one_is_padded() {
    let chain = Chain::new(5).await;
    let (mut odd, mut deflated, good) = (Image::ct(1), Image::ct(2), Image::ct(3));
    odd.syntax = EXPLICIT_LE.into();
    deflated.syntax = DEFLATED_LE.into();
    let bytes = |image: &Image| [image.data_set(), vec![0x5a]].concat();
    for image in [&odd, &deflated] {
        let file = image.file_of(&bytes(image));
        chain.clinic.send(&file, None).await.unwrap();
    }
    chain.send(std::slice::from_ref(&good)).await;
    chain.stored(2).await;
    let reasons = chain.parked(1).await;
    assert!(reasons[0].contains("odd length"), "{reasons:?}");
    let held = chain.pacs.held();
    assert_eq!(held.len(), 2);
    let padded = held[&deflated.uid()].bytes.clone().unwrap();
    assert!(padded == [bytes(&deflated), vec![0]].concat());
}

#[tokio::test(start_paused = true)]
async fn t05_what_is_no_dicom_file_is_parked_with_the_reason_and_the_others_are_stored() {
    let chain = Chain::new(6).await;
    let good = Image::ct(1);
    let mut nameless = Image::ct(2);
    nameless.uid = String::new();
    let files = [
        b"not DICOM at all".to_vec(),
        good.data_set(),
        nameless.file(),
        good.file(),
    ];
    crate::send_all(&chain.clinic, &files).await;
    chain.stored(1).await;
    let mut reasons = chain.parked(3).await;
    reasons.sort();
    assert!(
        reasons[0].contains("no SOP class or no SOP instance"),
        "{reasons:?}"
    );
    assert!(reasons[1].contains("no DICOM file"), "{reasons:?}");
    assert!(reasons[2].contains("no DICOM file"), "{reasons:?}");
    chain.holds_each_once(&[good]);
}

#[tokio::test(start_paused = true)]
async fn a_target_is_tested_line_by_line_with_the_fix() {
    let chain = Chain::new(7).await;
    let test = async || {
        let lines = chain.hub.handle().test_target("pacs").await.unwrap();
        let line = |line: &serde_json::Value| {
            let fix = line["fix"].as_str().unwrap_or_default().to_owned();
            (line["ability"].as_str().unwrap().to_owned(), fix)
        };
        lines
            .as_array()
            .unwrap()
            .iter()
            .map(line)
            .collect::<Vec<_>>()
    };
    let lines = test().await;
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["tcp", "contexts", "echo", "find", "commitment"]);
    assert!(lines.iter().all(|(_, fix)| fix.is_empty()), "{lines:?}");
    chain.behave(|pacs| pacs.mute = true);
    let lines = test().await;
    assert!(lines[3].1.contains("find=no"), "{lines:?}");
    chain.behave(|pacs| pacs.down = true);
    let lines = test().await;
    assert!(lines[0].1.contains("Is the PACS running"), "{lines:?}");
    assert!(lines[1..].iter().all(|(_, fix)| fix.contains("not tried")));
}

#[tokio::test(start_paused = true)]
async fn a_paused_target_is_given_nothing_and_another_target_does_not_wait_for_it() {
    let chain = Chain::new(9).await;
    chain.behave(|pacs| pacs.down = true);
    let folder = crate::support::target("folder", crate::support::PACS);
    chain.hub.ask(folder).await.unwrap();
    let pause = |paused| Command::TargetPause {
        name: "pacs".into(),
        paused,
    };
    chain.hub.ask(pause(true)).await.unwrap();
    let images = ct(3);
    chain.send(&images).await;
    until("in the folder", async || chain.hub.files().len() == 3).await;
    assert_eq!(chain.sum("stored").await, 0);
    chain.behave(|pacs| pacs.down = false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(chain.pacs.held().len(), 0);
    chain.hub.ask(pause(false)).await.unwrap();
    chain.stored(3).await;
    chain.holds_each_once(&images);
}

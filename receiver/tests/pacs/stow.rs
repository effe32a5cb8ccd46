//! A PACS that is reached by DICOMweb, alone or as the second door of one that is reached by DICOM.

use std::time::Duration;

use karez_dimse::uid::MR_STORAGE;

use crate::support::made::Image;
use crate::support::web::Web;
use crate::{AT, Chain, URL, ct};

const WEB: &str = "stow+http://web:8042/dicom-web";

async fn chain(seed: u64, url: &str) -> (Chain, Web) {
    let chain = Chain::with(seed, url).await;
    let web = Web::default();
    chain.hub.reach.put_web("web:8042", &web);
    (chain, web)
}

/// Fails unless it holds these files and nothing else.
fn holds(web: &Web, images: &[Image]) {
    let held = web.state().held.clone();
    for image in images {
        assert!(held.get(&image.uid) == Some(&image.file()), "not as it was");
    }
    assert_eq!(held.len(), images.len());
}

#[tokio::test(start_paused = true)]
async fn t26_whole_files_arrive_by_stow_each_once_and_are_committed_when_read_back() {
    let (chain, web) = chain(200, WEB).await;
    let mut images = ct(7);
    images[3].class = "1.3.46.670589.2.5.1.1".into();
    images[4].pixels = 21_000_000;
    chain.send(&images).await;
    chain.stored(7).await;
    holds(&web, &images);
    assert_eq!(web.state().received.len(), 7);
    assert_eq!(chain.sum("committed").await, 0);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(chain.sum("committed").await, 7);
    assert_eq!(web.state().received.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn t26_success_that_names_nothing_is_no_success_and_parks_nothing() {
    let (chain, web) = chain(201, WEB).await;
    web.state().full = true;
    let images = ct(3);
    chain.send(&images).await;
    chain.waits("does not name this as stored").await;
    tokio::time::sleep(Duration::from_secs(2 * 24 * 3600)).await;
    assert_eq!(chain.sum("stored").await, 0);
    assert_eq!(chain.reasons().await, [""; 0]);
    web.state().full = false;
    chain.stored(3).await;
    holds(&web, &images);
}

#[tokio::test(start_paused = true)]
async fn t15_an_answer_that_is_cut_off_is_asked_for_and_the_instance_not_sent_again() {
    let (chain, web) = chain(202, WEB).await;
    web.state().cuts = 2;
    let images = ct(5);
    chain.send(&images).await;
    chain.stored(5).await;
    holds(&web, &images);
    assert_eq!(web.state().received.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn t26_each_status_without_a_name_means_what_the_field_knows() {
    for (seed, (status, words)) in (210..).zip([
        (401, "does not let us in"),
        (404, "is its path right"),
        (503, "asks for time"),
        (500, "could not store it"),
    ]) {
        let (chain, web) = chain(seed, WEB).await;
        web.state().answer = Some(status);
        chain.send(&ct(2)).await;
        chain.waits(words).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(chain.reasons().await, [""; 0], "{status}");
        web.state().answer = None;
        chain.stored(2).await;
    }
    for (seed, (status, words)) in (220..).zip([(413, "too large"), (400, "refuses this instance")])
    {
        let (chain, web) = chain(seed, WEB).await;
        web.state().answer = Some(status);
        chain.send(&ct(1)).await;
        let reasons = chain.parked(1).await;
        assert!(reasons[0].contains(words), "{status}: {reasons:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t10_what_the_service_has_is_read_back_and_compared() {
    let (chain, web) = chain(230, WEB).await;
    let (same, mut other) = (Image::ct(1), Image::ct(2));
    web.state().held.insert(same.uid.clone(), same.file());
    other.patient = "CANARY^TWO".into();
    web.state().held.insert(other.uid.clone(), other.file());
    let mut preamble = Image::ct(3).file();
    preamble[0] = b'I';
    web.state().held.insert(Image::ct(3).uid, preamble);
    chain.send(&ct(3)).await;
    chain.stored(2).await;
    let reasons = chain.parked(1).await;
    assert!(reasons[0].contains("other bytes"), "{reasons:?}");
    assert_eq!(web.state().received, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_read_back_changed_or_is_gone_is_not_committed_and_says_so() {
    let (chain, web) = chain(231, WEB).await;
    let images = ct(3);
    chain.send(&images).await;
    chain.stored(3).await;
    let changed = Image {
        patient: "CANARY^TWO".into(),
        ..images[0].clone()
    };
    web.state().held.insert(changed.uid.clone(), changed.file());
    web.state().held.remove(&images[1].uid);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(chain.sum("committed").await, 1);
    let said = chain.hub.status().await["studies"][0]["handoff"][0]["reason"].clone();
    assert!(said.as_str().unwrap().contains("the PACS"), "{said}");
    web.state()
        .held
        .insert(images[0].uid.clone(), images[0].file());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(chain.sum("committed").await, 2);
}

#[tokio::test(start_paused = true)]
async fn t17_what_the_pacs_refuses_by_dicom_goes_by_its_second_door() {
    let (chain, web) = chain(232, &format!("{URL} {WEB}")).await;
    chain.behave(|pacs| {
        pacs.refused_classes.insert(MR_STORAGE.into());
    });
    let mut images = ct(6);
    images[1].class = MR_STORAGE.into();
    images[4].class = MR_STORAGE.into();
    chain.send(&images).await;
    chain.stored(6).await;
    assert_eq!(chain.reasons().await, [""; 0]);
    holds(&web, &[images[1].clone(), images[4].clone()]);
    assert_eq!(chain.pacs.held().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_second_door_reads_back_what_the_first_says_is_there() {
    let (chain, web) = chain(233, &format!("{URL} {WEB}")).await;
    let others = Chain::new(234).await;
    others.hub.reach.put(AT, &chain.pacs);
    let images = ct(2);
    others.send(&images).await;
    others.stored(2).await;
    web.state()
        .held
        .insert(images[0].uid.clone(), images[0].file());
    chain.send(&images).await;
    chain.stored(1).await;
    chain.parked(1).await;
    assert_eq!(chain.pacs.received().len(), 2);
}

//! A PACS that misbehaves: the others are stored, and a person hears why the rest is not.

use std::time::Duration;

use karez_dimse::Status;
use karez_dimse::uid::MR_STORAGE;

use crate::support::made::Image;
use crate::{Chain, URL, ct};

#[tokio::test(start_paused = true)]
async fn t04_a_full_pacs_parks_nothing_and_gets_everything_when_it_has_room() {
    let chain = Chain::new(100).await;
    chain.behave(|pacs| pacs.room = Some(0));
    let images = ct(5);
    chain.send(&images).await;
    chain.waits("no room (A700)").await;
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(chain.reasons().await, [""; 0]);
    let tries = chain.pacs.received().len();
    assert!(tries < 500, "{tries} instances sent in vain in a day");
    chain.behave(|pacs| pacs.room = None);
    chain.stored(5).await;
    assert_eq!(chain.pacs.held().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn t04_one_that_is_refused_for_room_while_others_are_stored_is_parked_and_delays_none() {
    let mut chain = Chain::new(101).await;
    let bad = Image::ct(1);
    chain.behave(|pacs| {
        pacs.answers.insert(bad.uid(), Status::OUT_OF_RESOURCES);
    });
    chain.send(std::slice::from_ref(&bad)).await;
    chain.waits("no room (A700)").await;
    let good: Vec<_> = (2..12).map(Image::ct).collect();
    chain.send(&good).await;
    chain.stored(10).await;
    let reasons = chain.parked(1).await;
    assert!(reasons[0].contains("takes others"), "{reasons:?}");
    let tries = chain
        .pacs
        .received()
        .iter()
        .filter(|uid| **uid == bad.uid())
        .count();
    assert!((3..8).contains(&tries), "{tries} tries");
    // The next day the PACS takes it, whether the hub was restarted or not.
    chain.hub.kill(1).await;
    chain.hub.start().await.unwrap();
    chain.behave(|pacs| pacs.answers.clear());
    tokio::time::sleep(Duration::from_secs(20 * 3600)).await;
    chain.parked(1).await;
    tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
    assert_eq!(chain.sum("stored").await, 11);
}

#[tokio::test(start_paused = true)]
async fn t04_what_a_pacs_says_it_could_not_store_and_has_all_the_same_is_neither_parked_nor_sent_again()
 {
    for (seed, code) in [(130, 0x0110), (131, 0xA700)] {
        let chain = Chain::new(seed).await;
        chain.behave(|pacs| pacs.lies = Some(Status(code)));
        chain.send(&ct(3)).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        chain.stored(3).await;
        assert_eq!(chain.reasons().await, [""; 0], "{code:04X}");
        assert_eq!(chain.pacs.received().len(), 3, "{code:04X}");
    }
}

#[tokio::test(start_paused = true)]
async fn t04_each_status_means_what_the_field_knows() {
    let table = [
        (0xB000, "stored"),
        (0xB006, "stored"),
        (0xB007, "stored"),
        (0xA900, "refuses this instance (A900)"),
        (0xC000, "refuses this instance (C000)"),
        (0xC123, "refuses this instance (C123)"),
        (0x0122, "refuses this class or syntax (0122)"),
        (0x0111, "has this UID"),
    ];
    for (seed, (code, expected)) in (110..).zip(table) {
        let chain = Chain::new(seed).await;
        let images = ct(3);
        chain.behave(|pacs| {
            pacs.answers.insert(images[1].uid(), Status(code));
        });
        chain.send(&images).await;
        if expected == "stored" {
            chain.stored(3).await;
            assert_eq!(chain.reasons().await, [""; 0], "{code:04X}");
        } else {
            chain.stored(2).await;
            let reasons = chain.parked(1).await;
            assert!(reasons[0].contains(expected), "{code:04X}: {reasons:?}");
        }
        assert_eq!(chain.pacs.received().len(), 3, "{code:04X}");
    }
}

#[tokio::test(start_paused = true)]
async fn t04_not_allowed_to_store_is_the_targets_fault_and_parks_nothing() {
    let chain = Chain::new(120).await;
    chain.behave(|pacs| pacs.answer = Some(Status::NOT_AUTHORISED));
    chain.send(&ct(2)).await;
    chain.waits("does not let HUB store (0124)").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(chain.reasons().await, [""; 0]);
    chain.behave(|pacs| pacs.answer = None);
    chain.stored(2).await;
}

#[tokio::test(start_paused = true)]
async fn t17_a_class_that_is_refused_is_parked_with_that_reason_and_the_others_are_stored() {
    let chain = Chain::new(121).await;
    chain.behave(|pacs| {
        pacs.refused_classes.insert(MR_STORAGE.into());
    });
    let mut images = ct(6);
    images[1].class = MR_STORAGE.into();
    images[4].class = MR_STORAGE.into();
    chain.send(&images).await;
    chain.stored(4).await;
    let reasons = chain.parked(2).await;
    let all = reasons
        .iter()
        .all(|r| r.contains("refuses this class or syntax"));
    assert!(all, "{reasons:?}");
    assert_eq!(chain.pacs.received().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn one_that_breaks_the_association_goes_last_and_alone_and_is_parked_after_the_third_time() {
    let chain = Chain::new(122).await;
    let images = ct(8);
    chain.behave(|pacs| {
        pacs.abort_on.insert(images[3].uid());
    });
    chain.send(&images).await;
    chain.stored(7).await;
    let reasons = chain.parked(1).await;
    assert!(
        reasons[0].contains("3 times, at last by itself"),
        "{reasons:?}"
    );
    assert_eq!(chain.pacs.held().len(), 7);
    assert_eq!(chain.pacs.received().len(), 7, "nothing came twice");
}

#[tokio::test(start_paused = true)]
async fn a_pacs_that_breaks_off_on_everything_parks_nothing() {
    let chain = Chain::new(123).await;
    let images = ct(6);
    chain.behave(|pacs| pacs.abort_on = images.iter().map(Image::uid).collect());
    chain.send(&images).await;
    chain.waits("broke off").await;
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(chain.reasons().await, [""; 0]);
    let tries = chain.pacs.associations();
    assert!(tries < 2000, "{tries} associations in a day");
    chain.behave(|pacs| pacs.abort_on.clear());
    chain.stored(6).await;
    chain.holds_each_once(&images);
}

#[tokio::test(start_paused = true)]
async fn a_pacs_that_cannot_be_asked_waits_and_says_what_to_do() {
    let chain = Chain::new(124).await;
    chain.behave(|pacs| pacs.mute = true);
    let images = ct(2);
    chain.send(&images).await;
    chain.waits("find=no").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(chain.pacs.received().len(), 0);
    chain.behave(|pacs| pacs.mute = false);
    chain.stored(2).await;
    chain.holds_each_once(&images);
}

#[tokio::test(start_paused = true)]
async fn a_pacs_that_is_never_asked_is_given_everything() {
    let chain = Chain::with(125, &format!("{URL}&find=no")).await;
    chain.behave(|pacs| pacs.mute = true);
    let images = ct(4);
    chain.send(&images).await;
    chain.stored(4).await;
    chain.holds_each_once(&images);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_waited_for_and_a_missing_one_is_not_for_ever() {
    let chain = Chain::new(126).await;
    chain.behave(|pacs| pacs.delay = Duration::from_secs(100));
    let images = ct(2);
    chain.send(&images).await;
    chain.stored(2).await;
    chain.holds_each_once(&images);
    chain.behave(|pacs| pacs.delay = Duration::from_secs(1000));
    chain.send(&[Image::ct(9)]).await;
    chain.waits("no DIMSE message").await;
    chain.behave(|pacs| pacs.delay = Duration::ZERO);
    chain.stored(3).await;
}

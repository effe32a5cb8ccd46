//! Nothing is given twice, and no version of an instance is taken for another.

use std::time::Duration;

use karez_dimse::stub::Pacs;
use karez_receiver::{Command, command::Decision};
use karez_store::Disk;

use crate::support::made::Image;
use crate::support::until;
use crate::{AT, Chain, URL, ct};

/// A hand-off in which the hub loses power at the `n`-th sync; whether there were so many.
async fn cut_at(n: u64) -> bool {
    let mut chain = Chain::new(1000 + n).await;
    let images = ct(3);
    chain.hub.env.disk.kill_at_sync(n);
    chain.send(&images).await;
    let dead = |chain: &Chain| Disk::space(&chain.hub.env.disk, "/hub".as_ref()).is_err();
    let handle = chain.clinic.handle();
    until("stored or dead", async || {
        let stored = handle.progress(vec![(0, 3)]).await.unwrap().stored == 3;
        stored || dead(&chain)
    })
    .await;
    let died = dead(&chain);
    if died {
        chain.hub.kill(n * 7).await;
        chain.hub.start().await.unwrap();
    }
    until("stored", async || {
        handle.progress(vec![(0, 3)]).await.unwrap().stored == 3
    })
    .await;
    chain.holds_each_once(&images);
    assert_eq!(chain.reasons().await, [""; 0]);
    died
}

#[tokio::test(start_paused = true)]
async fn t15_a_power_cut_of_the_hub_at_every_sync_gives_nothing_twice() {
    let mut cuts = 0;
    while cut_at(cuts + 1).await {
        cuts += 1;
    }
    println!("{cuts} syncs, a power cut at each");
    assert!(cuts > 20, "the sync counter counts: {cuts}");
}

#[tokio::test(start_paused = true)]
async fn t15_a_kill_between_the_pacs_and_the_ledger_gives_nothing_twice() {
    for life in 0..20 {
        let mut chain = Chain::new(2000 + life).await;
        chain.behave(|pacs| pacs.delay = Duration::from_secs(3));
        let images = ct(4);
        chain.send(&images).await;
        until("under way", async || chain.sum("verified").await > 0).await;
        tokio::time::sleep(Duration::from_millis(300 * life)).await;
        chain.hub.kill(life).await;
        chain.hub.start().await.unwrap();
        chain.stored(4).await;
        chain.holds_each_once(&images);
        assert_eq!(chain.reasons().await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_is_asked_for_and_the_instance_not_sent_again() {
    let chain = Chain::new(1).await;
    let images = ct(5);
    chain.behave(|pacs| {
        pacs.cut_before_answer.insert(images[2].uid());
    });
    chain.send(&images).await;
    chain.stored(5).await;
    chain.holds_each_once(&images);
}

#[tokio::test(start_paused = true)]
async fn the_same_instance_again_and_in_another_file_is_asked_about_and_not_given_twice() {
    let chain = Chain::new(2).await;
    let image = Image::ct(1);
    chain.send(std::slice::from_ref(&image)).await;
    chain.stored(1).await;
    chain.send(std::slice::from_ref(&image)).await;
    chain.stored(2).await;
    let mut preamble = image.file();
    preamble[0] = b'I';
    chain.clinic.send(&preamble, None).await.unwrap();
    chain.stored(3).await;
    chain.holds_each_once(&[image]);
}

#[tokio::test(start_paused = true)]
async fn handed_off_again_on_demand_only_what_is_missing_is_sent() {
    let chain = Chain::new(3).await;
    let images = ct(3);
    chain.send(&images).await;
    chain.stored(3).await;
    let resend = || Command::Resend {
        target: "pacs".into(),
        since: 0,
        study: None,
    };
    chain.hub.ask(resend()).await.unwrap();
    until("asked", async || chain.sum("stored").await == 3).await;
    chain.holds_each_once(&images);
    // The PACS lost everything.
    let empty = Pacs::new(true);
    chain.hub.reach.put(AT, &empty);
    tokio::time::sleep(Duration::from_secs(60)).await;
    chain.hub.ask(resend()).await.unwrap();
    until("there again", async || empty.held().len() == 3).await;
    assert_eq!(empty.received().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn t15_what_the_pacs_still_stores_after_a_kill_is_waited_for_and_that_is_said() {
    let mut chain = Chain::new(11).await;
    chain.behave(|pacs| pacs.delay = Duration::from_secs(8));
    let images = ct(2);
    chain.send(&images).await;
    until("given", async || chain.pacs.associations() > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(chain.pacs.received().len(), 0, "the PACS takes its time");
    chain.hub.kill(1).await;
    chain.hub.start().await.unwrap();
    chain.waits("ended without an answer").await;
    chain.stored(2).await;
    chain.holds_each_once(&images);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_says_so_and_a_study_that_is_not_known_is_an_error() {
    let chain = Chain::new(12).await;
    let image = Image::ct(1);
    chain.behave(|pacs| {
        pacs.refused_classes.insert(image.class.as_str().into());
    });
    chain.send(std::slice::from_ref(&image)).await;
    chain.parked(1).await;
    chain.decide(Decision::Discard("by mistake".into())).await;
    let hand_off = chain.hub.status().await["studies"][0]["handoff"][0].clone();
    assert_eq!(hand_off["state"], "discarded");
    assert_eq!(hand_off["reason"], "given up here: by mistake");
    let resend = Command::Resend {
        target: "pacs".into(),
        since: 0,
        study: Some("zzzz".into()),
    };
    let error = chain.hub.ask(resend).await.unwrap_err();
    assert!(error.to_string().contains("no study `zzzz`"), "{error}");
}

/// The same UID for another patient.
fn corrected(image: &Image) -> Image {
    Image {
        patient: "CANARY^TWO".into(),
        ..image.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn t10_a_wrong_patient_correction_is_never_stored_while_the_pacs_has_the_first_bytes() {
    for (seed, other_study) in [(4, false), (5, true)] {
        let chain = Chain::new(seed).await;
        let first = Image::ct(1);
        let mut second = corrected(&first);
        if other_study {
            second.study = "1.2.826.0.1.51".into();
        }
        chain.send(std::slice::from_ref(&first)).await;
        chain.stored(1).await;
        chain.send(std::slice::from_ref(&second)).await;
        let reasons = chain.parked(1).await;
        assert!(reasons[0].contains("the PACS has this UID"), "{reasons:?}");
        // Released while the first bytes are still there, it is parked again.
        for decision in [Decision::Retry, Decision::Release] {
            chain.decide(decision).await;
            tokio::time::sleep(Duration::from_secs(30)).await;
            chain.parked(1).await;
            assert_eq!(chain.sum("stored").await, 1);
        }
        chain.holds_each_once(&[first]);
        // A person deletes them at the PACS.
        let emptied = Pacs::new(true);
        chain.hub.reach.put(AT, &emptied);
        tokio::time::sleep(Duration::from_secs(30)).await;
        chain.decide(Decision::Release).await;
        chain.stored(2).await;
        assert!(emptied.held()[&second.uid()].bytes == Some(second.data_set()));
    }
}

#[tokio::test(start_paused = true)]
async fn t10_bytes_that_others_gave_to_the_pacs_are_not_taken_for_ours() {
    let chain = Chain::new(6).await;
    let others = Chain::new(7).await;
    let image = Image::ct(1);
    others.hub.reach.put(AT, &chain.pacs);
    others.send(&[corrected(&image)]).await;
    others.stored(1).await;
    chain.send(&[image.clone(), Image::ct(2)]).await;
    chain.stored(1).await;
    chain.parked(1).await;
    let held = chain.pacs.held();
    assert!(held[&image.uid()].bytes == Some(corrected(&image).data_set()));
}

#[tokio::test(start_paused = true)]
async fn t10_two_versions_at_once_do_not_both_count_as_stored() {
    let chain = Chain::new(8).await;
    chain.behave(|pacs| pacs.delay = Duration::from_secs(8));
    let first = Image::ct(1);
    let mut second = corrected(&first);
    second.study = "1.2.826.0.1.51".into();
    chain.send(&[first.clone(), second.clone()]).await;
    chain.parked(1).await;
    assert_eq!(chain.sum("stored").await, 1);
    assert_eq!(chain.pacs.received().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pacs_that_is_never_asked_is_not_given_two_versions_unless_it_keeps_all() {
    for (seed, url, both) in [
        (9, format!("{URL}&find=no"), false),
        (10, format!("{URL}&find=no&versions=all"), true),
    ] {
        let chain = Chain::with(seed, &url).await;
        chain.behave(|pacs| pacs.mute = true);
        let first = Image::ct(1);
        chain.send(std::slice::from_ref(&first)).await;
        chain.stored(1).await;
        chain.send(&[corrected(&first)]).await;
        if both {
            chain.stored(2).await;
            assert_eq!(chain.pacs.received().len(), 2);
        } else {
            let reasons = chain.parked(1).await;
            assert!(reasons[0].contains("cannot be asked"), "{reasons:?}");
            assert_eq!(chain.pacs.received().len(), 1);
        }
        let listed = chain.hub.ask(Command::Targets {}).await.unwrap();
        assert!(listed[0]["risk"].as_str().unwrap().contains("never asked"));
    }
}

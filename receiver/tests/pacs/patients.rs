//! One patient number at two clinics: the archive never makes one patient of two by itself.

use std::time::Duration;

use karez_receiver::command::Decision;

use crate::support::made::Image;
use crate::{Chain, ct};

/// Another patient of the same number, in a study of its own.
fn other(count: u64) -> Vec<Image> {
    let other = |n| Image {
        uid: format!("1.2.826.0.1.70.{n}"),
        study: "1.2.826.0.1.71".into(),
        patient: "CANARY^TWO".into(),
        ..Image::ct(n)
    };
    (1..=count).map(other).collect()
}

#[tokio::test(start_paused = true)]
async fn t12_a_number_that_is_another_patients_elsewhere_waits_until_a_person_has_decided() {
    let mut chain = Chain::new(500).await;
    let second = chain.hub.clinic(&chain.net, "duki", 501).await;
    chain.send(&ct(2)).await;
    chain.stored(2).await;
    let images = other(3);
    for image in &images {
        second.send(&image.file(), None).await.unwrap();
    }
    let reasons = chain.parked(3).await;
    assert!(reasons[0].contains("this patient number"), "{reasons:?}");
    chain.hub.kill(1).await;
    chain.hub.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(chain.pacs.held().len(), 2);
    // Tried again, it is the same; released, it goes as it is.
    chain.decide(Decision::Retry).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    chain.parked(3).await;
    chain.decide(Decision::Release).await;
    chain.stored(3).await;
    while !chain.reasons().await.is_empty() {
        chain.decide(Decision::Retry).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    chain.stored(5).await;
    let all = [ct(2), images].concat();
    chain.holds_each_once(&all);
    // The number is settled for this clinic, now and after a restart.
    let more = Image {
        uid: "1.2.826.0.1.70.9".into(),
        ..other(1)[0].clone()
    };
    chain.hub.kill(2).await;
    chain.hub.start().await.unwrap();
    second.send(&more.file(), None).await.unwrap();
    chain.stored(6).await;
}

#[tokio::test(start_paused = true)]
async fn t12_released_once_the_whole_study_goes_and_the_same_person_needs_nobody() {
    let chain = Chain::new(502).await;
    let second = chain.hub.clinic(&chain.net, "duki", 503).await;
    chain.send(&ct(2)).await;
    chain.stored(2).await;
    let same = Image {
        uid: "1.2.826.0.1.72.1".into(),
        study: "1.2.826.0.1.72".into(),
        patient: "canary^one^".into(),
        ..Image::ct(1)
    };
    second.send(&same.file(), None).await.unwrap();
    chain.stored(3).await;
    for image in other(4) {
        second.send(&image.file(), None).await.unwrap();
    }
    chain.parked(4).await;
    chain.decide(Decision::Release).await;
    chain.stored(7).await;
    assert_eq!(chain.reasons().await, [""; 0]);
}

//! A PACS that is gone for a week, full for days, refuses something: nobody has to do anything.

use std::time::Duration;

use karez_dimse::uid::JPEG_2000_LOSSLESS;
use karez_protocol::priority::Class;

use crate::support::made::Image;
use crate::support::until;
use crate::{Chain, ct};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(start_paused = true)]
async fn after_a_week_without_the_pacs_the_newest_stat_study_is_there_within_ten_seconds() {
    let chain = Chain::new(8).await;
    chain.behave(|pacs| pacs.down = true);
    let study = |n: u64| {
        let mut image = Image::ct(n);
        image.study = format!("1.2.826.0.1.60.{n}");
        image
    };
    for n in 1..=6 {
        let class = if n == 3 || n == 5 {
            Class::Stat
        } else {
            Class::Routine
        };
        chain
            .clinic
            .send(&study(n).file(), Some(class))
            .await
            .unwrap();
        until("verified", async || chain.sum("verified").await == n).await;
    }
    tokio::time::sleep(Duration::from_secs(7 * 24 * 3600)).await;
    assert_eq!(chain.reasons().await, [""; 0]);
    chain.waits("Is the PACS running").await;
    chain.behave(|pacs| pacs.down = false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let received = chain.pacs.received();
    assert_eq!(
        received.first(),
        Some(&study(5).uid()),
        "of {}",
        received.len()
    );
    chain.stored(6).await;
    assert_eq!(chain.pacs.received()[1], study(3).uid());
}

#[tokio::test(start_paused = true)]
async fn down_for_a_week_full_for_two_days_refusing_a_syntax_all_is_stored_or_parked_with_its_reason()
 {
    let mut chain = Chain::new(400).await;
    chain.behave(|pacs| {
        pacs.down = true;
        pacs.refused_syntaxes.insert(JPEG_2000_LOSSLESS.into());
    });
    let mut images = ct(48);
    for image in images.iter_mut().step_by(8) {
        image.syntax = JPEG_2000_LOSSLESS.into();
    }
    let (first, rest) = images.split_at(24);
    chain.send(first).await;
    until("verified", async || chain.sum("verified").await == 24).await;
    tokio::time::sleep(3 * DAY).await;
    // The hub's power goes in between.
    chain.hub.kill(1).await;
    chain.hub.start().await.unwrap();
    chain.send(rest).await;
    tokio::time::sleep(4 * DAY).await;
    assert_eq!(chain.reasons().await, [""; 0]);
    chain.waits("Is the PACS running").await;
    chain.behave(|pacs| (pacs.down, pacs.room) = (false, Some(20_000)));
    tokio::time::sleep(2 * DAY).await;
    let partly = chain.pacs.held().len();
    assert!((1..42).contains(&partly), "{partly} before it was full");
    chain.behave(|pacs| pacs.room = None);
    chain.stored(42).await;
    let reasons = chain.parked(6).await;
    let by_syntax = |reason: &&String| reason.contains("refuses this class or syntax");
    assert_eq!(reasons.iter().filter(by_syntax).count(), 6, "{reasons:?}");
    let held = chain.pacs.held();
    assert_eq!(held.len(), 42);
    for image in images.iter().filter(|i| i.syntax != JPEG_2000_LOSSLESS) {
        assert!(held[&image.uid()].bytes == Some(image.data_set()));
    }
    println!(
        "42 of 48 stored without a person, 6 parked by their syntax; {partly} before it was full"
    );
}

//! The ring of encryption keys: clinics follow a new one, and nothing sealed to an older one is
//! lost, not even with the hub's machine.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use karez_protocol::manifest::SegmentHead;
use karez_protocol::seal::Signed;
use karez_protocol::wire::decode;
use karez_receiver::Command;
use karez_store::{MemDisk, Options, Store};
use support::{DIR, Hub, PACS, World, all_stored, dicom, fast, made_disk, send_all, target, until};

/// The numbers of the keys to which the segments of a data directory are sealed.
fn keys_used(disk: &MemDisk, dir: &str) -> BTreeSet<u32> {
    let options = Options { salt: [1; 16] };
    let opened = Store::open_with(Arc::new(disk.clone()), Path::new(dir), options);
    let (store, _) = opened.unwrap();
    let number = |segment| {
        let signed: Signed = decode(store.head(segment).unwrap()).unwrap();
        SegmentHead::read(&signed).unwrap();
        // Behind format, sender and receiver (SPEC 4.1).
        u32::from(signed.body[65])
    };
    store.segments().map(number).collect()
}

fn image(study: u64) -> Vec<u8> {
    dicom(&format!("1.2.3.{study}"), "NAME", 60, study)
}

#[tokio::test(start_paused = true)]
async fn clinics_follow_a_new_key_and_older_ones_still_open() {
    let net = World::new(1, fast());
    let mut hub = Hub::new(&net, 1).await;
    let clinic = hub.clinic(&net, "chagai", 1).await;
    send_all(&clinic, &[image(1)]).await;
    all_stored(&clinic, 1).await;
    // Sealed to the first key, and on its way only after there is a second.
    net.set_down(true);
    send_all(&clinic, &[image(2)]).await;
    until("sealed", async || {
        clinic.status().await.spool.unsealed_bytes == 0
    })
    .await;
    let made = hub.ask(Command::RotateKey {}).await.unwrap();
    assert_eq!(made["key"], 1);
    net.set_down(false);
    all_stored(&clinic, 2).await;
    send_all(&clinic, &[image(3)]).await;
    all_stored(&clinic, 3).await;
    hub.stop().await;
    assert_eq!(keys_used(&hub.env.disk, DIR), BTreeSet::from([0, 1]));
    hub.start().await.unwrap();
    assert_eq!(hub.ask(Command::RotateKey {}).await.unwrap()["key"], 2);
    hub.holds_exactly(&[image(1), image(2), image(3)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_sealed_to_a_later_key_opens_at_a_hub_from_its_sheet() {
    let net = World::new(2, fast());
    let mut hub = Hub::new(&net, 2).await;
    let clinic = hub.clinic(&net, "chagai", 2).await;
    until("joined", async || clinic.status().await.hub.connected).await;
    for _ in 0..3 {
        hub.ask(Command::RotateKey {}).await.unwrap();
    }
    // The word of it arrives.
    tokio::time::sleep(Duration::from_secs(5)).await;
    send_all(&clinic, &[image(1)]).await;
    all_stored(&clinic, 1).await;
    hub.stop().await;
    send_all(&clinic, &[image(2)]).await;
    until("sealed", async || {
        clinic.status().await.spool.unsealed_bytes == 0
    })
    .await;
    assert_eq!(
        keys_used(&clinic.copy_disk(), support::world::clinic::DIR),
        BTreeSet::from([3])
    );
    let mut hub = Hub::with(made_disk(), &net, 3);
    hub.ask_offline(target("folder", PACS)).unwrap();
    hub.start().await.unwrap();
    let line = hub.invite("chagai").await;
    clinic.handle().join(&line).await.unwrap();
    all_stored(&clinic, 2).await;
    hub.holds_exactly(&[image(2)]);
}

#[tokio::test(start_paused = true)]
async fn after_sixty_four_keys_it_says_what_to_do() {
    let net = World::new(3, fast());
    let hub = Hub::new(&net, 3).await;
    for number in 1..64 {
        let made = hub.ask(Command::RotateKey {}).await.unwrap();
        assert_eq!(made["key"], number);
    }
    let failure = hub.ask(Command::RotateKey {}).await.unwrap_err();
    println!("{failure}");
    assert!(failure.fix.contains("new hub"), "{failure}");
}

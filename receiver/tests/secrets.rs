//! What must never be on the hub's disk in a form that a thief without the seed can read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use karez_protocol::id::HubKeyId;
use karez_protocol::manifest::SegmentHead;
use karez_protocol::seal::{HubSeed, Signed};
use karez_protocol::wire::decode;
use karez_store::Store;
use support::{DIR, Hub, SEED, World, all_stored, dicom, fast, send_all};

const CANARIES: [&str; 2] = ["CANARY^PATIENT", "1.2.840.113619.666"];

/// Every file of the data directory that a power cut would leave, after every sync.
type Images = Arc<Mutex<Vec<(PathBuf, Vec<u8>)>>>;

fn watch(hub: &Hub) -> Images {
    let images = Images::default();
    let seen = images.clone();
    hub.env.disk.on_sync(move |durable| {
        let ours = durable.paths().filter(|p| p.starts_with(DIR));
        let files = ours.map(|p| (p.to_owned(), durable.read(p).unwrap_or_default()));
        seen.lock().unwrap().extend(files);
    });
    images
}

fn find(images: &Images, needle: &[u8]) -> Option<PathBuf> {
    let images = images.lock().unwrap();
    let holds = |(path, bytes): &&(PathBuf, Vec<u8>)| {
        contains(bytes, needle) || contains(path.as_os_str().as_encoded_bytes(), needle)
    };
    images.iter().find(holds).map(|(path, _)| path.clone())
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|w| w == needle)
}

async fn transfer() -> (Hub, Images) {
    let net = World::new(1, fast());
    let hub = Hub::new(&net, 1).await;
    let images = watch(&hub);
    let clinic = hub.clinic(&net, "chagai", 1).await;
    let files: Vec<_> = (0..3)
        .map(|n| dicom(CANARIES[1], CANARIES[0], 100, n))
        .collect();
    send_all(&clinic, &files).await;
    all_stored(&clinic, 3).await;
    hub.holds_exactly(&files);
    (hub, images)
}

#[tokio::test(start_paused = true)]
async fn no_segment_key_and_no_plain_byte_is_ever_durable() {
    let (mut hub, images) = transfer().await;
    hub.stop().await;
    let disk = Arc::new(hub.env.disk.clone());
    let (store, _) = Store::open(disk, Path::new(DIR)).unwrap();
    let ring = HubSeed::new(SEED).keys(HubKeyId(0));
    let mut keys = 0;
    for segment in store.segments() {
        let signed: Signed = decode(store.head(segment).unwrap()).unwrap();
        let key = SegmentHead::read(&signed).unwrap().key(&ring).unwrap();
        let secret = key.expose_for_search();
        assert_eq!(find(&images, &secret[..]), None, "a segment key");
        keys += 1;
    }
    for canary in CANARIES {
        assert_eq!(find(&images, canary.as_bytes()), None, "{canary}");
    }
    let count = images.lock().unwrap().len();
    println!(
        "{keys} segment keys and {} canaries sought in {count} files",
        CANARIES.len()
    );
    assert!(keys > 0 && count > 50);
}

#[tokio::test(start_paused = true)]
async fn the_search_finds_what_is_planted() {
    let (hub, images) = transfer().await;
    let planted = Path::new(DIR).join("planted");
    let text = format!("..{}..", CANARIES[0]);
    karez_store::write_atomically(&hub.env.disk, &planted, text.as_bytes()).unwrap();
    assert_eq!(find(&images, CANARIES[0].as_bytes()), Some(planted));
    let key_file = Path::new(DIR).join("keys").join("seed");
    assert_eq!(find(&images, &SEED), Some(key_file));
}

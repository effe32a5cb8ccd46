//! What a thief gets who copies the clinic's whole data directory and has recorded the link, but
//! has no key of the hub's (SECURITY.md, "the honest claim").
//!
//! The thief here has everything that the copy has, keys included, and this program's own code to
//! open what he can. The same search with the hub's seed finds the image: so it would have been
//! found.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use karez_protocol::id::HubKeyId;
use karez_protocol::manifest::{RecordBytes, SegmentHead};
use karez_protocol::seal::{
    BLOCK_SEALED, ChunkPlace, FILE_HEADER, HubSeed, IngestKey, SegmentKey, Signed,
};
use karez_protocol::wire::decode;
use karez_store::{Disk, Kind, MemDisk, Options, Store, read_whole};
use support::world::clinic::DIR;
use support::{Clinic, Hub, SEED, World, all_stored, dicom, fast, until};

const NAME: &str = "CANARY^PATIENT";
const STUDY: &str = "1.2.840.113619.666";
const ROWS: u16 = 200;

/// What the thief looks for: the name, the UID, and a piece from the middle of the pixels.
fn needles() -> Vec<Vec<u8>> {
    let image = dicom(STUDY, NAME, ROWS, 1);
    let middle = image.len() - 12_000;
    let pixels = image[middle..middle + 24].to_vec();
    vec![NAME.as_bytes().to_vec(), STUDY.as_bytes().to_vec(), pixels]
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// How many of the needles stand in these bytes.
fn found(hay: &[Vec<u8>]) -> usize {
    let all = needles();
    let stands = |needle: &&Vec<u8>| hay.iter().any(|bytes| contains(bytes, needle));
    all.iter().filter(stands).count()
}

fn files(disk: &MemDisk, dir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in disk.entries(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        match entry.kind {
            karez_store::EntryKind::Directory => all.extend(files(disk, &path)),
            _ => all.push(read_whole(disk, &path, 64 << 20).unwrap().unwrap()),
        }
    }
    all
}

/// 32 bytes of a key file.
fn key(disk: &MemDisk, name: &str) -> [u8; 32] {
    let path = Path::new(DIR).join("keys").join(name);
    read_whole(disk, &path, 64)
        .unwrap()
        .unwrap()
        .try_into()
        .unwrap()
}

/// Everything in the packs that opens under keys made from these secrets.
fn opened(disk: &MemDisk, secrets: &[[u8; 32]]) -> Vec<Vec<u8>> {
    let options = Options { salt: [1; 16] };
    let opened = Store::open_with(Arc::new(disk.clone()), Path::new(DIR), options);
    let (mut store, _) = opened.unwrap();
    let mut plain = Vec::new();
    for segment in store.segments().collect::<Vec<_>>() {
        let signed: Signed = decode(store.head(segment).unwrap()).unwrap();
        let head = SegmentHead::read(&signed).unwrap();
        for secret in secrets {
            let ring = HubSeed::new(*secret).keys(HubKeyId(3));
            if let Ok(key) = head.key(&ring) {
                plain.extend(opened_with(&mut store, segment, &key));
            }
        }
    }
    plain
}

fn opened_with(
    store: &mut Store,
    segment: karez_protocol::id::SegmentId,
    key: &SegmentKey,
) -> Vec<Vec<u8>> {
    let mut plain = Vec::new();
    for number in store.records(segment).into_iter().flatten() {
        let bytes = store.read(segment, Kind::Record, number).unwrap();
        let record = RecordBytes::from_bytes(bytes).unwrap();
        let place = record.place(number);
        let Ok(body) = record.open(key, number) else {
            continue;
        };
        if let Some(start) = &body.start
            && let karez_protocol::manifest::Head::Inline(head) = &start.head
        {
            plain.push(head.packed.clone());
        }
        for (index, (_, serials)) in body.parts_with_serials().enumerate() {
            for (index_of_chunk, serial) in (0..).zip(serials) {
                let sealed = store.read(segment, Kind::Chunk, serial).unwrap();
                let place = ChunkPlace {
                    record: place,
                    part: index as u16,
                    index: index_of_chunk,
                };
                plain.extend(key.open_chunk(place, &sealed));
            }
        }
    }
    plain
}

/// What opens of the ingest files under a key.
fn ingested(disk: &MemDisk, key: [u8; 32]) -> Vec<Vec<u8>> {
    let ingest = IngestKey::new(key);
    let mut plain = Vec::new();
    for file in files(disk, &Path::new(DIR).join("ingest")) {
        let Some((header, blocks)) = file.split_at_checked(FILE_HEADER) else {
            continue;
        };
        let Ok(key) = ingest.open_file(header.try_into().unwrap()) else {
            continue;
        };
        let blocks: Vec<&[u8]> = blocks.chunks(BLOCK_SEALED).collect();
        for (index, block) in blocks.iter().enumerate() {
            let last = index + 1 == blocks.len();
            plain.extend(key.open_block(index as u32, last, block));
        }
    }
    plain
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_the_clinic_and_the_recorded_link_open_nothing_that_was_sealed() {
    let net = World::new(1, fast());
    let hub = Hub::new(&net, 1).await;
    let clinic = hub.clinic(&net, "chagai", 1).await;
    until("joined", async || clinic.status().await.hub.connected).await;
    net.spy_on(3);
    net.set_down(true);
    clinic
        .send(&dicom(STUDY, NAME, ROWS, 1), None)
        .await
        .unwrap();
    until("sealed", async || {
        clinic.status().await.spool.unsealed_bytes == 0
    })
    .await;
    let sealed = clinic.copy_disk();
    assert_eq!(
        found(&files(&sealed, Path::new(DIR))),
        0,
        "nothing in clear"
    );
    let (identity, ingest) = (key(&sealed, "identity"), key(&sealed, "ingest"));
    assert!(
        ingested(&sealed, ingest).is_empty(),
        "no ingest file is left"
    );
    let thief = opened(&sealed, &[identity, ingest]);
    assert!(thief.is_empty(), "{} pieces opened", thief.len());
    // The control: with the hub's seed the same search opens everything.
    let hubs = opened(&sealed, &[SEED]);
    assert!(hubs.len() > 1, "the hub's seed opens head and pixels");
    println!(
        "with the hub's seed {} pieces open, without it none",
        hubs.len()
    );
    net.set_down(false);
    all_stored(&clinic, 1).await;
    let capture = net.spied();
    assert!(capture.len() > 20, "the link was recorded");
    assert_eq!(found(&capture), 0, "nothing on the air");
    let after = clinic.copy_disk();
    assert_eq!(found(&files(&after, Path::new(DIR))), 0);
    assert!(opened(&after, &[identity, ingest]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_and_not_yet_sealed_is_open_to_who_copies_the_whole_disk() {
    let net = World::new(2, fast());
    let mut clinic = Clinic::alone(&net, 2);
    clinic.start().unwrap();
    // No hub is known: nothing can be sealed to it.
    clinic
        .send(&dicom(STUDY, NAME, ROWS, 1), None)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let exposed = clinic.status().await.spool.unsealed_bytes;
    assert!(exposed > 0, "the status says how much is exposed");
    let copy = clinic.copy_disk();
    assert_eq!(
        found(&files(&copy, Path::new(DIR))),
        0,
        "encrypted all the same"
    );
    let plain = ingested(&copy, key(&copy, "ingest"));
    assert_eq!(found(&plain), needles().len(), "the copied key opens it");
    assert!(
        ingested(&copy, [0; 32]).is_empty(),
        "without that key nothing"
    );
    println!("{exposed} bytes not yet sealed: open with the ingest key of the same disk");
}

#[tokio::test(start_paused = true)]
async fn after_release_and_eviction_nothing_of_the_study_is_left() {
    let net = World::new(3, fast());
    let hub = Hub::new(&net, 3).await;
    let mut clinic = hub.clinic(&net, "chagai", 3).await;
    clinic
        .send(&dicom(STUDY, NAME, ROWS, 1), None)
        .await
        .unwrap();
    all_stored(&clinic, 1).await;
    clinic.stop().await;
    // A disk that is full up to its limits.
    clinic.settings.spool.evict_below.0 = u64::MAX;
    clinic.settings.spool.keep_free.0 = u64::MAX;
    clinic.start().unwrap();
    until("evicted", async || {
        let packs = Path::new(DIR).join("packs");
        clinic.env.disk.list(&packs).unwrap().is_empty()
    })
    .await;
    let copy = clinic.copy_disk();
    assert_eq!(found(&files(&copy, Path::new(DIR))), 0);
    assert!(opened(&copy, &[SEED]).is_empty(), "not even for the hub");
}

//! What must never be on the clinic's disk in a form that a thief can read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use karez_store::{Disk, OpenMode};
use support::clinic::{Clinic, DIR};
use support::hub::Hub;
use support::net::{Link, World};
use support::{dicom, noise, until};

const CANARIES: [&str; 3] = ["CANARY^PATIENT", "1.2.840.113619.666", "CANARY-FOLDER"];

/// Every file that a power cut would leave, after every sync.
#[derive(Default)]
struct Images(Vec<Vec<(PathBuf, Vec<u8>)>>);

impl Images {
    fn watch(clinic: &Clinic) -> Arc<Mutex<Self>> {
        let images = Arc::new(Mutex::new(Self::default()));
        let seen = images.clone();
        clinic.env.disk.on_sync(move |durable| {
            let files = durable
                .paths()
                .map(|p| (p.to_owned(), durable.read(p).unwrap_or_default()));
            seen.lock().unwrap().0.push(files.collect());
        });
        images
    }

    fn find(&self, needle: &[u8]) -> Option<PathBuf> {
        let mut files = self.0.iter().flatten();
        let holds = |(path, bytes): &&(PathBuf, Vec<u8>)| {
            contains(bytes, needle) || contains(path.as_os_str().as_encoded_bytes(), needle)
        };
        files.find(holds).map(|(path, _)| path.clone())
    }
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|w| w == needle)
}

async fn transfer() -> (Clinic, Hub, Arc<Mutex<Images>>) {
    let link = Link {
        bits_per_s: 20e6,
        delay: Duration::from_millis(5),
        loss: 0.0,
        queue: Duration::from_secs(2),
    };
    let net = World::new(1, link);
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let mut clinic = Clinic::new(&net, &hub, 1).await;
    let images = Images::watch(&clinic);
    for n in 0..3 {
        let file = dicom(CANARIES[1], CANARIES[0], 100, n);
        let given = karez_sender::Given {
            folder: CANARIES[2].into(),
            class: None,
        };
        let mut intake = clinic.handle().intake(given).unwrap();
        intake.write(&file).await.unwrap();
        intake.finish().await.unwrap();
    }
    clinic.send(&noise(1, 100_000), None).await.unwrap();
    clinic
        .handle()
        .withdraw(
            &clinic.status().await.studies[0].study,
            "CANARY^PATIENT was wrong",
        )
        .await
        .unwrap();
    clinic.kill(1).await;
    clinic.start().unwrap();
    clinic
        .send(&dicom("1.9", CANARIES[0], 100, 9), None)
        .await
        .unwrap();
    until("some arrived", async || hub.rebuilt() >= 1).await;
    clinic.stop().await;
    (clinic, hub, images)
}

#[tokio::test(start_paused = true)]
async fn no_segment_key_is_ever_durable() {
    let (clinic, hub, images) = transfer().await;
    let keys = hub.segment_keys();
    assert!(!keys.is_empty());
    let seen = images.lock().unwrap().0.len();
    assert!(seen > 15, "{seen} syncs were looked at");
    for key in &keys {
        assert_eq!(images.lock().unwrap().find(key), None);
    }
    // The search is proved by a planted one.
    plant(&clinic, &keys[0]);
    assert_eq!(
        images.lock().unwrap().find(&keys[0]),
        Some(Path::new(DIR).join("planted"))
    );
}

#[tokio::test(start_paused = true)]
async fn no_name_uid_or_folder_is_ever_on_the_disk_or_in_the_status() {
    let (mut clinic, _hub, images) = transfer().await;
    for canary in CANARIES {
        assert_eq!(
            images.lock().unwrap().find(canary.as_bytes()),
            None,
            "{canary}"
        );
    }
    clinic.start().unwrap();
    let status = format!("{:?}", clinic.status().await);
    assert!(
        CANARIES.iter().all(|canary| !status.contains(canary)),
        "{status}"
    );
    clinic.stop().await;
    plant(&clinic, CANARIES[0].as_bytes());
    assert!(
        images
            .lock()
            .unwrap()
            .find(CANARIES[0].as_bytes())
            .is_some()
    );
}

fn plant(clinic: &Clinic, bytes: &[u8]) {
    let file = clinic
        .env
        .disk
        .open(&Path::new(DIR).join("planted"), OpenMode::CreateNew)
        .unwrap();
    file.write_at(0, &[b"before", bytes, b"after"].concat())
        .unwrap();
    file.sync().unwrap();
    clinic.env.disk.sync_dir(Path::new(DIR)).unwrap();
}

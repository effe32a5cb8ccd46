//! A scanner, for tests: it sends data sets as they are, and holds images that say who they are.

use std::path::Path;
use std::time::Duration;

use karez_dimse::part10::{Head, Meta};
use karez_dimse::scu::{Answer, Association, Contexts, Outgoing, Request};
use karez_dimse::uid::{CT_STORAGE, EXPLICIT_LE};
use karez_dimse::{AeTitle, Error, Timeouts, Uid};
use karez_sender::{ScannerStatus, Status};
use karez_store::Disk;
use tokio::io::{AsyncRead, DuplexStream};

use super::clinic::{Clinic, DIR};
use super::hub::Hub;
use super::net::{Link, World};
use super::until;

/// An image as a scanner has it.
#[derive(Clone, Debug)]
pub struct Image {
    pub class: &'static str,
    pub instance: String,
    pub syntax: &'static str,
    pub data_set: Vec<u8>,
}

pub struct Scanner {
    pub title: &'static str,
    pub calls: &'static str,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            title: "CT01",
            calls: "KAREZ",
        }
    }
}

impl Image {
    /// A CT image of `rows` rows of noise.
    pub fn ct(study: &str, instance: &str, rows: u16) -> Self {
        let file = super::dicom(study, "CANARY^SCAN", rows, instance.len() as u64);
        let start = Head::read(&file).unwrap().data_set;
        let named = [
            super::element(8, 0x16, *b"UI", &super::even(CT_STORAGE)),
            super::element(8, 0x18, *b"UI", &super::even(instance)),
            file[start..].to_vec(),
        ];
        Self {
            class: CT_STORAGE,
            instance: instance.to_owned(),
            syntax: EXPLICIT_LE,
            data_set: named.concat(),
        }
    }

    /// The same with other bytes, class and syntax.
    pub fn of(class: &'static str, syntax: &'static str, data_set: Vec<u8>) -> Self {
        Self {
            class,
            instance: format!("1.2.{}", data_set.len()),
            syntax,
            data_set,
        }
    }

    /// What has to arrive: our meta group and the data set.
    pub fn expected(&self) -> Vec<u8> {
        let meta = Meta {
            sop_class: Uid::new(self.class),
            sop_instance: Uid::new(&self.instance),
            transfer_syntax: Uid::new(self.syntax),
        };
        [meta.encode(), self.data_set.clone()].concat()
    }

    pub fn outgoing(&self) -> Outgoing {
        Outgoing {
            sop_class: Uid::new(self.class),
            sop_instance: Uid::new(&self.instance),
            transfer_syntax: Uid::new(self.syntax),
            priority: Default::default(),
            length: self.data_set.len() as u64,
        }
    }
}

impl Scanner {
    pub fn request(&self, images: &[Image]) -> Request {
        let mut contexts = Contexts::new();
        contexts.add_echo().unwrap();
        for image in images {
            let (class, syntax) = (Uid::new(image.class), Uid::new(image.syntax));
            contexts.add(&class, &syntax).unwrap();
        }
        Request {
            calling: AeTitle::new(self.title).unwrap(),
            called: AeTitle::new(self.calls).unwrap(),
            contexts,
            reports: false,
            timeouts: Timeouts::default(),
        }
    }

    pub async fn open(
        &self,
        clinic: &Clinic,
        images: &[Image],
    ) -> Result<Association<DuplexStream>, Error> {
        let stream = dial(clinic).await;
        Association::open(stream, &self.request(images)).await
    }

    /// Sends images over one association; the statuses.
    pub async fn send(&self, clinic: &Clinic, images: &[Image]) -> Vec<u16> {
        let mut association = self.open(clinic, images).await.unwrap();
        let mut statuses = Vec::new();
        for image in images {
            let answer = store(&mut association, image).await.unwrap();
            statuses.push(answer.status.0);
        }
        association.release().await.unwrap();
        statuses
    }
}

/// A connection to the clinic's port, which may have to be opened first.
pub async fn dial(clinic: &Clinic) -> DuplexStream {
    let from = "192.0.2.20".parse().unwrap();
    for _ in 0..1000 {
        if let Ok(stream) = clinic.env.streams.dial(11112, from) {
            return stream;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the port for scanners stays closed");
}

pub async fn store(
    association: &mut Association<DuplexStream>,
    image: &Image,
) -> Result<Answer, Error> {
    let mut bytes: &[u8] = &image.data_set;
    store_from(association, image, &mut bytes).await
}

pub async fn store_from<R: AsyncRead + Unpin>(
    association: &mut Association<DuplexStream>,
    image: &Image,
    bytes: &mut R,
) -> Result<Answer, Error> {
    association.store(&image.outgoing(), bytes).await
}

pub fn net(seed: u64) -> World {
    let link = Link {
        bits_per_s: 50e6,
        delay: Duration::from_millis(20),
        loss: 0.0,
        queue: Duration::from_secs(2),
    };
    World::new(seed, link)
}

/// A clinic that takes everybody and has no hub.
pub fn open_to_all(seed: u64) -> Clinic {
    let mut clinic = Clinic::alone(&net(seed), seed);
    clinic.settings.dicom.allow_any = true;
    clinic
}

/// The same, that has joined a hub.
pub async fn with_hub(seed: u64) -> (Clinic, Hub, World) {
    let (net, hub) = (net(seed), Hub::new());
    hub.serve(&net);
    let mut clinic = Clinic::alone(&net, seed);
    clinic.settings.dicom.allow_any = true;
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    (clinic, hub, net)
}

pub async fn arrived(hub: &Hub, count: usize) {
    until("all at the hub", async || hub.rebuilt() >= count).await;
}

pub fn rebuilt(hub: &Hub) -> Vec<Vec<u8>> {
    let state = hub.state.lock().unwrap();
    state.rebuilt.iter().map(|(_, raw)| raw.clone()).collect()
}

pub fn only(status: &Status) -> &ScannerStatus {
    assert_eq!(status.scanners.len(), 1, "{:?}", status.scanners);
    &status.scanners[0]
}

pub fn ingest_files(clinic: &Clinic) -> usize {
    let ingest = Path::new(DIR).join("ingest");
    clinic.env.disk.list(&ingest).unwrap().len()
}

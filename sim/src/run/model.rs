//! The reference model: what was handed in and accepted, beside what the archive says it got.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use karez_dimse::stub::{Held, Pacs};
use karez_dimse::{Status, Uid};

use super::outcome::Instances;
use crate::workload::Class;
use crate::world::Air;

/// The model. Clones are the same one.
#[derive(Clone, Default)]
pub struct Model(Arc<Mutex<State>>);

/// What the model knows.
#[derive(Default)]
pub struct State {
    /// Every study that is due, in the order in which they were given to the model.
    pub studies: Vec<Study>,
    instances: BTreeMap<Uid, Instance>,
    /// By site, the sender's numbers of other versions of images.
    changed: BTreeMap<usize, Vec<u64>>,
    doubled: u64,
    altered: u64,
    trace: blake3::Hasher,
    /// Why the run cannot be trusted, in words.
    pub faults: Vec<String>,
}

/// A study, as far as it is known.
#[derive(Clone, Debug)]
pub struct Study {
    /// The index of its site.
    pub site: usize,
    /// Its class.
    pub class: Class,
    /// What made it.
    pub modality: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its instances.
    pub instances: u64,
    /// When it was complete.
    pub arrived: Duration,
    /// The sender's numbers of its accepted instances.
    pub orders: Vec<u64>,
    /// When the last was accepted.
    pub accepted: Option<Duration>,
    /// When the sender knew all of it at the hub.
    pub received: Option<Duration>,
    /// When the sender knew all of it proved.
    pub verified: Option<Duration>,
    /// When the archive had all of it.
    pub stored: Option<Duration>,
    /// Bytes of its accepted instances.
    pub accepted_bytes: u64,
    /// Bytes of its instances at the archive.
    pub stored_bytes: u64,
    stored_instances: u64,
}

struct Instance {
    study: usize,
    /// Of every version: whichever comes to the archive first is there, and no other.
    versions: Vec<[u8; 32]>,
    bytes: u64,
    accepted: Option<u64>,
    stored: bool,
}

impl Model {
    /// A model that this archive tells of everything it gets.
    #[must_use]
    pub fn watching(pacs: &Pacs, air: &Air) -> Self {
        let model = Self::default();
        let (told, air) = (model.clone(), air.clone());
        pacs.on_received(Box::new(move |uid, held, status| {
            if status == Status::SUCCESS {
                told.state().taken(air.elapsed(), uid, held);
            }
        }));
        model
    }

    /// Looks at it, or tells it something.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A study is due; its index.
    pub fn due(&mut self, site: usize, study: &crate::workload::Study) -> usize {
        self.studies.push(Study {
            site,
            class: study.class,
            modality: study.modality.clone(),
            bytes: study.bytes(),
            instances: study.instances.len() as u64,
            arrived: study.at,
            orders: Vec::new(),
            accepted: None,
            received: None,
            verified: None,
            stored: None,
            accepted_bytes: 0,
            stored_bytes: 0,
            stored_instances: 0,
        });
        self.studies.len() - 1
    }

    /// An instance is about to be handed in: from now on it may turn up.
    pub fn offered(&mut self, study: usize, uid: &Uid, fingerprint: [u8; 32], bytes: u64) {
        self.instances
            .entry(uid.clone())
            .or_insert_with(|| Instance {
                study,
                versions: vec![fingerprint],
                bytes,
                accepted: None,
                stored: false,
            });
    }

    /// The sender has accepted an instance under this number: from now on it is owed.
    pub fn accepted(&mut self, now: Duration, uid: &Uid, order: u64) {
        let Some(instance) = self.instances.get_mut(uid) else {
            return;
        };
        let first = instance.accepted.replace(order).is_none();
        let Some(study) = self.studies.get_mut(instance.study).filter(|_| first) else {
            return;
        };
        study.orders.push(order);
        study.accepted_bytes += instance.bytes;
        if study.orders.len() as u64 == study.instances {
            study.accepted = Some(now);
        }
    }

    fn taken(&mut self, now: Duration, uid: &Uid, held: &Held) {
        self.trace.update(&now.as_nanos().to_le_bytes());
        self.trace.update(uid.as_str().as_bytes());
        let known = self.instances.get_mut(uid);
        let Some(instance) = known.filter(|i| i.versions.contains(&held.fingerprint)) else {
            self.altered += 1;
            return;
        };
        if instance.stored {
            self.doubled += 1;
            return;
        }
        instance.stored = true;
        let Some(study) = self.studies.get_mut(instance.study) else {
            return;
        };
        study.stored_instances += 1;
        study.stored_bytes += instance.bytes;
        if study.stored_instances == study.instances {
            study.stored = Some(now);
        }
    }

    /// Whether a sender has accepted an image.
    #[must_use]
    pub fn is_accepted(&self, uid: &Uid) -> bool {
        let known = self.instances.get(uid);
        known.is_some_and(|instance| instance.accepted.is_some())
    }

    /// Another version of an image is about to be handed in.
    pub fn changed(&mut self, uid: &Uid, fingerprint: [u8; 32]) {
        if let Some(instance) = self.instances.get_mut(uid) {
            instance.versions.push(fingerprint);
        }
    }

    /// A site's sender has accepted another version of an image under this number.
    pub fn accepted_changed(&mut self, site: usize, order: u64) {
        self.changed.entry(site).or_default().push(order);
    }

    /// The sender's numbers of other versions that a site handed in.
    #[must_use]
    pub fn changed_orders(&self, site: usize) -> Vec<u64> {
        self.changed.get(&site).cloned().unwrap_or_default()
    }

    /// How many other versions of images were handed in.
    #[must_use]
    pub fn contested(&self) -> u64 {
        let others = self.instances.values().map(|i| i.versions.len() as u64 - 1);
        others.sum()
    }

    /// Whether every study that is due has come to the archive.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.studies.iter().all(|study| study.stored.is_some())
    }

    /// Accepted bytes of a site that the archive does not have, and bytes that it has.
    #[must_use]
    pub fn bytes_of(&self, site: usize) -> (u64, u64) {
        let own = self.studies.iter().filter(|study| study.site == site);
        own.fold((0, 0), |(owed, there), study| {
            let owes = study.accepted_bytes.saturating_sub(study.stored_bytes);
            (owed + owes, there + study.stored_bytes)
        })
    }

    /// The sender's numbers of a site's accepted instances that the archive does not have.
    #[must_use]
    pub fn owed(&self, site: usize) -> Vec<u64> {
        let own =
            |i: &&Instance| !i.stored && self.studies.get(i.study).is_some_and(|s| s.site == site);
        let owed = self.instances.values().filter(own);
        owed.filter_map(|i| i.accepted).collect()
    }

    /// The sender's numbers of all of a site's accepted instances.
    #[must_use]
    pub fn orders(&self, site: usize) -> Vec<u64> {
        let own = self.studies.iter().filter(|study| study.site == site);
        own.flat_map(|study| study.orders.iter().copied()).collect()
    }

    /// All SOP Instance UIDs that were handed in.
    #[must_use]
    pub fn uids(&self) -> Vec<Uid> {
        self.instances.keys().cloned().collect()
    }

    /// The counts, but for those that only the senders know.
    #[must_use]
    pub fn instances(&self) -> Instances {
        let accepted = self.instances.values().filter(|i| i.accepted.is_some());
        let (mut count, mut stored) = (0, 0);
        for instance in accepted {
            count += 1;
            stored += u64::from(instance.stored);
        }
        Instances {
            accepted: count,
            stored,
            doubled: self.doubled,
            altered: self.altered,
            ..Instances::default()
        }
    }

    /// A hash over all that the archive took, and when.
    #[must_use]
    pub fn trace(&self) -> [u8; 32] {
        *self.trace.finalize().as_bytes()
    }
}

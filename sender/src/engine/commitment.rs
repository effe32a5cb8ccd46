//! Storage commitment for scanners (PS3.4 annex J): what they asked about, until they were told.
//!
//! A request is durable, sealed, before its scanner hears that it is taken. It can be answered when
//! every instance that it names is where `dicom.commitment` wants it; what never was here, was taken
//! back, or is lost, is named as failed.

mod journal;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use karez_dimse::Uid;
use karez_dimse::commitment::{Reason, Reference, Report, Transaction};
use karez_host::Failure;
use karez_protocol::manifest::ReceiptKind;
use tokio::sync::oneshot;

use super::Engine;
use super::commit::Pending;
use super::table::Place;
use crate::limits::{COMMITMENT_REFERENCES, COMMITMENTS, PAST_NAMES};
use crate::scanner::CommitOn;

type Reply<T> = oneshot::Sender<T>;
/// What an index calls an instance: a keyed hash of its two UIDs.
type Name = [u8; 16];

/// What is asked of the engine about storage commitment.
pub(crate) enum About {
    /// A scanner asks. The answer comes when that is durable.
    Asked(Asked, Reply<Result<(), Failure>>),
    /// Which scanners can be told.
    Due(Reply<Vec<Due>>),
    /// What one is told.
    Report(u64, Reply<Option<Report>>),
    /// It was told.
    Told(u64),
}

/// A scanner's request.
pub(crate) struct Asked {
    /// What it calls itself.
    pub(crate) scanner: String,
    /// Where it called from.
    pub(crate) address: IpAddr,
    pub(crate) transaction: Transaction,
}

/// A request that can be answered.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: u64,
    pub(crate) scanner: String,
    pub(crate) address: IpAddr,
}

/// All requests that are not yet answered.
#[derive(Default)]
pub(super) struct Commitments {
    open: BTreeMap<u64, Wanted>,
    next: u64,
    past: Past,
}

/// One of them.
struct Wanted {
    scanner: String,
    address: IpAddr,
    uid: Uid,
    /// The references as DICOM has them, which takes less room than what is read of it.
    references: Vec<u8>,
    count: usize,
    /// References by their place, and instances that they wait for.
    waits: Vec<(usize, u64)>,
    failed: BTreeMap<usize, Reason>,
    /// Whoever brings reports knows that it can be answered.
    known: bool,
}

/// Names of what was released and removed: the hub has it.
#[derive(Default)]
struct Past {
    names: BTreeSet<Name>,
    /// The oldest first.
    order: VecDeque<Name>,
}

impl Engine {
    pub(super) fn commitment(&mut self, about: About) {
        // Whoever asked may be gone; then nobody waits for the answer.
        match about {
            About::Asked(asked, reply) => self.asked_for(asked, reply),
            About::Due(reply) => drop(reply.send(self.commitments.due())),
            About::Report(id, reply) => {
                let wanted = self.commitments.open.get(&id);
                drop(reply.send(wanted.map(Wanted::report)));
            }
            About::Told(id) => self.close_commitment(id),
        }
    }

    fn asked_for(&mut self, asked: Asked, reply: Reply<Result<(), Failure>>) {
        if self.commitments.is_full(asked.transaction.references.len()) {
            let full = Failure::new("too many requests for storage commitment wait already")
                .fix("They are answered when the hub has the images; ask again then");
            return drop(reply.send(Err(full)));
        }
        let id = self.commitments.next;
        self.commitments.next += 1;
        match self.write_request(id, &asked) {
            Ok(position) => self.pending.push(Pending::Asked {
                position,
                id,
                asked,
                reply,
            }),
            Err(failure) => drop(reply.send(Err(failure))),
        }
    }

    /// Takes a request up that is durable. The same question of the same scanner is asked once:
    /// whoever asks again has given up the older transaction.
    pub(super) fn enter_commitment(&mut self, id: u64, asked: Asked) {
        let (waits, failed) = self.look_up(&asked.transaction.references);
        let uid = asked.transaction.uid.clone();
        let wanted = Wanted {
            count: asked.transaction.references.len(),
            references: asked.references(),
            scanner: asked.scanner,
            address: asked.address,
            uid,
            waits,
            failed,
            known: false,
        };
        for older in self.commitments.repeated_by(&wanted) {
            self.close_commitment(older);
        }
        self.commitments.open.insert(id, wanted);
        self.review_commitments();
    }

    fn look_up(&self, all: &[Reference]) -> (Vec<(usize, u64)>, BTreeMap<usize, Reason>) {
        let keys = &self.shared.keys.clinic;
        let mut places: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
        for (place, one) in all.iter().enumerate() {
            let name = keys.sop_name(one.sop_class.as_str(), one.sop_instance.as_str());
            places.entry(name).or_default().push(place);
        }
        let (mut waits, mut here) = (Vec::new(), BTreeSet::new());
        for (order, instance) in &self.tables.instances {
            if let Some(meant) = places.get(&instance.accepted.name) {
                here.insert(instance.accepted.name);
                waits.extend(meant.iter().map(|place| (*place, *order)));
            }
        }
        let past = &self.commitments.past.names;
        let unknown = places
            .into_iter()
            .filter(|(name, _)| !here.contains(name) && !past.contains(name));
        let failed = unknown.flat_map(|(_, places)| places);
        let failed = failed.map(|place| (place, Reason::NO_SUCH_OBJECT));
        (waits, failed.collect())
    }

    /// Looks which requests can be answered by now.
    pub(super) fn review_commitments(&mut self) {
        let mut open = std::mem::take(&mut self.commitments.open);
        let mut ring = false;
        for wanted in open.values_mut() {
            let failed = &mut wanted.failed;
            wanted
                .waits
                .retain(|(place, order)| match self.kept(*order) {
                    None => true,
                    Some(Ok(())) => false,
                    Some(Err(reason)) => {
                        failed.insert(*place, reason);
                        false
                    }
                });
            ring |= wanted.waits.is_empty()
                && !std::mem::replace(&mut wanted.known, wanted.waits.is_empty());
        }
        self.commitments.open = open;
        if ring {
            self.shared.reports.notify_one();
        }
    }

    /// Whether an instance is as safe as a scanner is promised; nothing while that is open.
    fn kept(&self, order: u64) -> Option<Result<(), Reason>> {
        let Some(instance) = self.tables.instances.get(&order) else {
            // Only what a receipt has released goes.
            return Some(Ok(()));
        };
        let receipt = self.receipt_of(&instance.place);
        let safe = match self.shared.settings.dicom.commitment {
            CommitOn::Here => !matches!(instance.place, Place::Lost(_)),
            CommitOn::Stored => {
                matches!(receipt, Some(ReceiptKind::Stored | ReceiptKind::Committed))
            }
            CommitOn::Committed => receipt == Some(ReceiptKind::Committed),
        };
        let study = self.tables.studies.get(&instance.accepted.study);
        let withdrawn = study.is_some_and(|study| study.facts.withdrawn.is_some());
        let lost = matches!(instance.place, Place::Lost(_));
        match safe {
            true => Some(Ok(())),
            false => (withdrawn || lost).then_some(Err(Reason::PROCESSING_FAILURE)),
        }
    }

    fn close_commitment(&mut self, id: u64) {
        if self.commitments.open.remove(&id).is_some() {
            self.write_answered(id);
        }
    }
}

impl Commitments {
    fn is_full(&self, more: usize) -> bool {
        let references: usize = self.open.values().map(|wanted| wanted.count).sum();
        self.open.len() >= COMMITMENTS || references + more > COMMITMENT_REFERENCES
    }

    fn due(&self) -> Vec<Due> {
        let ready = self
            .open
            .iter()
            .filter(|(_, wanted)| wanted.waits.is_empty());
        let due = ready.map(|(id, wanted)| Due {
            id: *id,
            scanner: wanted.scanner.clone(),
            address: wanted.address,
        });
        due.collect()
    }

    fn repeated_by(&self, new: &Wanted) -> Vec<u64> {
        let same = |old: &Wanted| old.scanner == new.scanner && old.references == new.references;
        let older = self.open.iter().filter(|(_, old)| same(old));
        older.map(|(id, _)| *id).collect()
    }

    /// How many requests are not yet answered.
    pub(super) fn waiting(&self) -> u64 {
        self.open.len() as u64
    }
}

impl Asked {
    /// With another piece's references behind its own.
    fn and(mut self, other: Self) -> Self {
        self.transaction
            .references
            .extend(other.transaction.references);
        self
    }

    fn references(&self) -> Vec<u8> {
        let references = self.transaction.references.clone();
        let uid = Uid::default();
        Transaction { uid, references }.encode()
    }
}

impl Wanted {
    fn asked(&self) -> Asked {
        // What was written here reads back.
        let read = Transaction::decode(&self.references);
        let references = read.map(|read| read.references).unwrap_or_default();
        Asked {
            scanner: self.scanner.clone(),
            address: self.address,
            transaction: Transaction {
                uid: self.uid.clone(),
                references,
            },
        }
    }

    fn report(&self) -> Report {
        let mut report = Report {
            uid: self.uid.clone(),
            committed: Vec::new(),
            failed: Vec::new(),
        };
        let references = self.asked().transaction.references;
        for (place, one) in references.into_iter().enumerate() {
            match self.failed.get(&place) {
                Some(why) => report.failed.push((one, *why)),
                None => report.committed.push(one),
            }
        }
        report
    }
}

impl Past {
    fn add(&mut self, name: Name) {
        if self.names.insert(name) {
            self.order.push_back(name);
        }
        if self.order.len() > PAST_NAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

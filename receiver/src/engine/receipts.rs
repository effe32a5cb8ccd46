//! Receipts: gathered per segment, made durable, then told. Each says all that can be said of
//! its segment, so that it takes the place of those before it.

use std::collections::BTreeMap;
use std::ops::Range;

use karez_host::audit::Event;
use karez_protocol::id::{PeerId, SegmentId, StudyId};
use karez_protocol::manifest::{NamedRecords, Proof, Receipt, ReceiptKind, RootHasher};
use karez_protocol::priority::Class;
use karez_protocol::resume::RunSet;
use karez_store::Kind;
use tokio::time::Instant;
use tracing::warn;

use super::Engine;
use super::audit::rests_on;
use crate::limits::{RECEIPT_INSTANCES, RECEIPT_REST, RECEIPT_RUNS, RECEIPT_WAIT};
use crate::registry::{Entry, Place};

/// What receipts say of a segment's records.
#[derive(Default)]
pub(crate) struct Attested {
    verified: RunSet,
    /// By what the hand-off rests on.
    stored: BTreeMap<u8, RunSet>,
    /// By what the target's confirmation rests on.
    committed: BTreeMap<u8, RunSet>,
    /// Hashes of sealed records that were needed before.
    hashes: BTreeMap<u64, [u8; 32]>,
    /// When this process last stated anything.
    stated_at: Option<Instant>,
}

/// A statement that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fresh {
    Verified,
    /// With the number of its proof.
    Stored(u8),
    /// The same.
    Committed(u8),
}

/// Instances that wait for their statement.
pub(crate) struct Waiting {
    study: StudyId,
    since: Instant,
    records: RunSet,
    instances: u64,
    /// It waits for no others.
    at_once: bool,
    /// It was said before, of more.
    again: bool,
}

const PROOFS: [Proof; 5] = [
    Proof::Rebuilt,
    Proof::Status,
    Proof::Query,
    Proof::Commitment,
    Proof::ReadBack,
];

impl Attested {
    /// Whether these records count as verified, as stored, and as committed.
    pub(super) fn standing(&self, records: &Range<u64>) -> (bool, bool, bool) {
        let any = |sets: &BTreeMap<u8, RunSet>| sets.values().any(|set| set.covers(records));
        let committed = any(&self.committed);
        let stored = committed || any(&self.stored);
        (self.verified.covers(records), stored, committed)
    }

    /// What an earlier life has said.
    pub(super) fn learn(&mut self, receipt: &Receipt, named: &NamedRecords) {
        match receipt.kind {
            ReceiptKind::Parked => {}
            ReceiptKind::Verified => self.verified.union(&named.set()),
            ReceiptKind::Stored => {
                let proof = self.stored.entry(number(receipt.proof)).or_default();
                proof.union(&named.set());
            }
            ReceiptKind::Committed => {
                let proof = self.committed.entry(number(receipt.proof)).or_default();
                proof.union(&named.set());
            }
        }
    }

    fn set(&mut self, fresh: Fresh) -> &mut RunSet {
        match fresh {
            Fresh::Verified => &mut self.verified,
            Fresh::Stored(proof) => self.stored.entry(proof).or_default(),
            Fresh::Committed(proof) => self.committed.entry(proof).or_default(),
        }
    }

    /// Until when its next statement waits for others.
    fn rests_until(&self) -> Option<Instant> {
        self.stated_at.map(|at| at + RECEIPT_REST)
    }

    fn is_stored(&self, records: &RunSet) -> bool {
        records.iter().all(|run| self.standing(&run).1)
    }
}

impl Engine {
    /// An instance's fingerprint was right.
    pub(super) fn has_verified(&mut self, peer: PeerId, place: Place) {
        self.freshen(peer, place, Fresh::Verified);
    }

    /// An instance is at all targets.
    pub(super) fn has_stored(&mut self, peer: PeerId, place: Place) {
        let proof = self.instance(peer, place).map(|i| i.proof());
        if let Some(proof) = proof {
            self.freshen(peer, place, Fresh::Stored(number(proof)));
        }
    }

    /// All targets that can confirm that they keep an instance have.
    pub(super) fn has_committed(&mut self, peer: PeerId, place: Place) {
        let proof = self.instance(peer, place).map(|i| i.confirmation());
        if let Some(proof) = proof {
            self.freshen(peer, place, Fresh::Committed(number(proof)));
        }
    }

    fn freshen(&mut self, peer: PeerId, place: Place, fresh: Fresh) {
        let now = self.now();
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        let Some(instance) = clinic.instances.get(&place) else {
            return;
        };
        let records = place.first..instance.end;
        let attested = clinic.attested.entry(place.segment).or_default();
        attested.set(fresh).insert(records.clone());
        let key = (place.segment, fresh);
        let waiting = clinic.fresh.entry(key).or_insert_with(|| Waiting {
            study: instance.study,
            since: now,
            records: RunSet::new(),
            instances: 0,
            at_once: false,
            again: false,
        });
        waiting.records.insert(records);
        waiting.instances += 1;
    }

    /// When a receipt has waited long enough.
    pub(super) fn receipts_due_at(&self) -> Option<Instant> {
        let now = self.now();
        let clinics = self.clinics.values();
        let due = clinics.flat_map(|clinic| {
            clinic.fresh.iter().map(move |((segment, _), waiting)| {
                let rests = clinic.attested.get(segment).and_then(Attested::rests_until);
                let late = waiting.since + RECEIPT_WAIT;
                rests.filter(|at| *at > now).map_or(late, |at| at.min(late))
            })
        });
        due.min()
    }

    /// Signs what is due and gives it to the journal.
    pub(super) fn issue_receipts(&mut self) {
        let now = self.now();
        let mut due = Vec::new();
        for (peer, clinic) in &self.clinics {
            for (key, waiting) in &clinic.fresh {
                if self.is_due(*peer, *key, waiting, now) {
                    due.push((*peer, *key));
                }
            }
        }
        for (peer, key) in due {
            let waiting = self
                .clinics
                .get_mut(&peer)
                .and_then(|c| c.fresh.remove(&key));
            if let Some(waiting) = waiting {
                self.issue(peer, key, &waiting);
            }
        }
    }

    /// What is verified is soon stored, and need not be said then: it waits longer. The last of
    /// a study wait for nothing, unless there was a receipt a moment ago: then they are not the
    /// last, but come one by one.
    fn is_due(
        &self,
        peer: PeerId,
        (segment, fresh): (SegmentId, Fresh),
        waiting: &Waiting,
        now: Instant,
    ) -> bool {
        let old = now.saturating_duration_since(waiting.since) >= RECEIPT_WAIT;
        let Some(clinic) = self.clinics.get(&peer) else {
            return false;
        };
        let stat = clinic.sink.class(waiting.study) == Some(Class::Stat);
        if old || stat || waiting.at_once || fresh == Fresh::Verified {
            return old || stat || waiting.at_once;
        }
        let attested = clinic.attested.get(&segment);
        let rests = attested.and_then(Attested::rests_until);
        let rested = rests.is_none_or(|at| at <= now);
        let many = waiting.instances >= RECEIPT_INSTANCES;
        many || rested && self.is_quiet(peer, waiting.study)
    }

    /// Whether nothing of a study is on its way to a target.
    fn is_quiet(&self, peer: PeerId, study: StudyId) -> bool {
        let Some(clinic) = self.clinics.get(&peer) else {
            return true;
        };
        clinic.segments_of(study).all(|segment| {
            let (announced, whole) = clinic.sink.instances(segment);
            let all = Place { segment, first: 0 }..=Place {
                segment,
                first: u64::MAX,
            };
            let open = clinic.instances.range(all).any(|(_, i)| i.wants_work());
            announced == whole && !open
        })
    }

    fn issue(&mut self, peer: PeerId, (segment, fresh): (SegmentId, Fresh), waiting: &Waiting) {
        let now = self.now();
        if !waiting.again {
            let (event, on) = match fresh {
                Fresh::Verified => (Event::Received, rests_on(Proof::Rebuilt).to_owned()),
                Fresh::Stored(proof) => (Event::HandedOff, rests_on(named(proof)).to_owned()),
                Fresh::Committed(proof) => {
                    let on = rests_on(named(proof));
                    (Event::HandedOff, format!("committed, {on}"))
                }
            };
            self.note_instances(event, (peer, waiting.study), waiting.instances, &on);
        }
        let attested = self
            .clinics
            .get_mut(&peer)
            .and_then(|c| c.attested.get_mut(&segment));
        let Some(attested) = attested else { return };
        if fresh == Fresh::Verified && attested.is_stored(&waiting.records) {
            return;
        }
        attested.stated_at = Some(now);
        let (kind, proof) = match fresh {
            Fresh::Verified => (ReceiptKind::Verified, Proof::Rebuilt),
            Fresh::Stored(proof) => (ReceiptKind::Stored, named(proof)),
            Fresh::Committed(proof) => (ReceiptKind::Committed, named(proof)),
        };
        let all = attested.set(fresh).clone();
        let gone = self.clinics.get(&peer).and_then(|c| c.sink.gone(segment));
        for part in apart(&all, gone) {
            let runs: Vec<Range<u64>> = part.iter().collect();
            for some in runs.chunks(RECEIPT_RUNS) {
                let records: RunSet = some.iter().cloned().collect();
                let news = |run: Range<u64>| !records.within(&run).is_empty();
                if waiting.records.iter().any(news) {
                    let what = (kind, proof, String::new());
                    self.sign(peer, waiting.study, (segment, &records), what);
                }
            }
        }
    }

    /// The clinic no longer has some records of a segment: what it still has is attested by
    /// itself, since nobody can check a receipt for records that he lacks.
    pub(super) fn attest_apart(&mut self, peer: PeerId, study: StudyId, segment: SegmentId) {
        let now = self.now();
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        let gone = clinic.sink.gone(segment);
        let Some(attested) = clinic.attested.get(&segment) else {
            return;
        };
        let sets = attested
            .stored
            .iter()
            .map(|(n, set)| (Fresh::Stored(*n), set));
        let committed = attested.committed.iter();
        let sets = sets.chain(committed.map(|(n, set)| (Fresh::Committed(*n), set)));
        let sets = sets.chain([(Fresh::Verified, &attested.verified)]);
        for (fresh, set) in sets {
            let [kept, lost] = apart(set, gone);
            if kept.is_empty() || lost.is_empty() {
                continue;
            }
            let waiting = Waiting {
                study,
                since: now,
                records: kept,
                instances: 0,
                at_once: true,
                again: true,
            };
            clinic.fresh.insert((segment, fresh), waiting);
        }
    }

    /// Says that an instance needs a person.
    pub(super) fn park(&mut self, peer: PeerId, place: Place, reason: &str) {
        let Some(instance) = self.instance(peer, place) else {
            return;
        };
        let (study, end) = (instance.study, instance.end);
        let records = std::iter::once(place.first..end).collect();
        let mut reason = reason.to_owned();
        let limit = karez_protocol::limits::TEXT_MAX;
        while reason.len() > limit {
            reason.pop();
        }
        self.note_instances(Event::Parked, (peer, study), 1, &reason);
        let what = (ReceiptKind::Parked, Proof::Rebuilt, reason);
        self.sign(peer, study, (place.segment, &records), what);
    }

    fn sign(
        &mut self,
        clinic: PeerId,
        study: StudyId,
        (segment, records): (SegmentId, &RunSet),
        (kind, proof, reason): (ReceiptKind, Proof, String),
    ) {
        let mut root = RootHasher::default();
        root.segment(segment);
        for number in records.iter().flatten() {
            match self.record_hash(clinic, segment, number) {
                Some(hash) => root.record(number, &hash),
                None => return warn!(segment = segment.short(), "a receipt lacks a record"),
            }
        }
        let receipt = Receipt {
            kind,
            proof,
            hub_key: self.keys.ring.newest_id(),
            clinic,
            study,
            records: vec![NamedRecords::of(segment, records)],
            root: root.finish(),
            reason,
            audit: self.audit.head().to_bytes(),
        };
        let signed = receipt.sign(&self.keys.identity);
        self.stage(Entry::Receipt { clinic, signed });
    }

    fn record_hash(&mut self, peer: PeerId, segment: SegmentId, number: u64) -> Option<[u8; 32]> {
        let attested = self
            .clinics
            .get_mut(&peer)?
            .attested
            .entry(segment)
            .or_default();
        if let Some(hash) = attested.hashes.get(&number) {
            return Some(*hash);
        }
        let hash = self.store.hash(segment, Kind::Record, number).ok()??;
        attested.hashes.insert(number, hash);
        Some(hash)
    }
}

/// Records that the clinic still has, and those that it says are gone.
fn apart(all: &RunSet, gone: Option<&RunSet>) -> [RunSet; 2] {
    let (mut kept, mut lost) = (all.clone(), RunSet::new());
    for run in gone.into_iter().flat_map(RunSet::iter) {
        lost.union(&all.within(&run));
        kept.remove(run);
    }
    [kept, lost]
}

fn number(proof: Proof) -> u8 {
    let at = PROOFS.iter().position(|p| *p == proof);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

fn named(number: u8) -> Proof {
    PROOFS
        .get(usize::from(number))
        .copied()
        .unwrap_or(Proof::Status)
}

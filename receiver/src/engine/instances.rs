//! Instances that are here whole: how far each is on its way to the targets.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use karez_protocol::Retry;
use karez_protocol::id::{Fingerprint, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::{InstanceStart, Proof, RecordBytes};
use karez_store::{Error, Kind};
use tokio::time::Instant;
use tracing::warn;

use super::{Engine, Troubled};
use crate::limits::{SETTLING, UNREAD};
use crate::registry::{HandOff, Place, Step};

/// An instance that is here whole.
pub(crate) struct Instance {
    pub(crate) study: StudyId,
    /// One past its last record.
    pub(crate) end: u64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) length: u64,
    /// Its fingerprint was proved.
    pub(crate) verified: bool,
    /// It is at all targets.
    pub(crate) stored: bool,
    /// At these targets it is.
    pub(crate) handed: BTreeMap<String, Proof>,
    /// All targets that can confirm that they keep it have.
    pub(crate) committed: bool,
    /// These targets have, on this proof.
    pub(crate) confirmed: BTreeMap<String, Proof>,
    /// Here it takes the place of what is there.
    pub(crate) replace: BTreeSet<String>,
    /// It needs a person: the target (none for the rebuild) and the reason.
    pub(crate) parked: Option<(String, String)>,
    /// A person gave it up, for this reason.
    pub(crate) discarded: Option<String>,
    /// Bytes are on their way to this target, or were when the exchange ended without an answer.
    pub(crate) sending: Option<String>,
    /// After such an end, the target may still be storing them until then.
    pub(crate) settled_at: Option<Instant>,
    /// A worker has it.
    pub(crate) busy: bool,
    /// It is left alone until then.
    pub(crate) retry_at: Option<Instant>,
    /// A target does not take it.
    pub(crate) trouble: Option<Troubled>,
}

/// Why the beginning of an instance is not known.
struct Unread {
    /// The disk may give it later.
    later: bool,
    why: String,
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self { later: false, why }
    }
}

impl Instance {
    /// Whether a worker can bring it further.
    pub(crate) const fn wants_work(&self) -> bool {
        !self.stored && self.parked.is_none() && self.discarded.is_none()
    }

    /// Whether a target may still be storing it from an exchange that ended without an answer.
    pub(crate) fn settles(&self, target: &str, now: Instant) -> bool {
        self.sending.as_deref() == Some(target) && self.settled_at.is_some_and(|at| at > now)
    }

    /// What the whole hand-off rests on: the weakest of the proofs.
    pub(super) fn proof(&self) -> Proof {
        weakest(&self.handed).unwrap_or(Proof::Status)
    }

    /// What the whole confirmation rests on.
    pub(super) fn confirmation(&self) -> Proof {
        weakest(&self.confirmed).unwrap_or(Proof::Query)
    }
}

impl Engine {
    /// An instance has become whole, or is found whole at the start.
    pub(super) fn is_whole(
        &mut self,
        peer: PeerId,
        study: StudyId,
        segment: SegmentId,
        records: Range<u64>,
    ) {
        let place = Place {
            segment,
            first: records.start,
        };
        self.wake_segment(peer, segment);
        let known = |c: &super::Clinic| c.instances.contains_key(&place);
        if self.clinics.get(&peer).is_none_or(known) {
            return;
        }
        let attested = self
            .clinics
            .get(&peer)
            .and_then(|c| c.attested.get(&segment));
        let standing = attested.map(|a| a.standing(&records));
        let (verified, stored, committed) = standing.unwrap_or_default();
        // What is stored everywhere is only counted; its first record need not be read.
        let start = match self.start_of(peer, place) {
            Ok(start) => start,
            Err(unread) => return self.not_readable((peer, place), (study, records.end), &unread),
        };
        let mut instance = Instance {
            study,
            end: records.end,
            fingerprint: start.fingerprint,
            length: start.length,
            verified: verified || stored,
            stored,
            handed: BTreeMap::new(),
            committed,
            confirmed: BTreeMap::new(),
            replace: BTreeSet::new(),
            parked: None,
            discarded: None,
            sending: None,
            settled_at: None,
            busy: false,
            retry_at: None,
            trouble: None,
        };
        for step in &self.steps_of(peer, place) {
            take_step(&mut instance, step);
            self.again_tomorrow(step);
        }
        if instance.sending.is_some() {
            instance.settled_at = Some(self.queue.retry_later(self.now(), SETTLING));
        }
        #[cfg(feature = "mutants")]
        let believed = self.believes_repeat(peer, &mut instance);
        if let Some(clinic) = self.clinics.get_mut(&peer) {
            clinic.instances.insert(place, instance);
        }
        #[cfg(feature = "mutants")]
        if believed {
            self.has_stored(peer, place);
        }
        let order = self.studies.len() as u64;
        self.studies.entry((peer, study)).or_insert(order);
        self.settle(peer, place);
    }

    /// What the ledger has of an instance's hand-off.
    fn steps_of(&self, peer: PeerId, place: Place) -> Vec<HandOff> {
        let steps = self.registry.ledger.get(&(peer, place));
        let steps = steps.into_iter().flat_map(BTreeMap::values);
        steps.cloned().collect()
    }

    /// Takes an image for stored because the same was.
    #[cfg(feature = "mutants")]
    fn believes_repeat(&self, peer: PeerId, instance: &mut Instance) -> bool {
        let same = |known: &Instance| known.stored && known.fingerprint == instance.fingerprint;
        let known = |c: &super::Clinic| c.instances.values().any(same);
        let believes = karez_store::mutant::is_on(karez_store::mutant::Mutant::RepeatUnopened)
            && !instance.stored
            && self.clinics.get(&peer).is_some_and(known);
        instance.verified |= believes;
        instance.stored |= believes;
        believes
    }

    /// A step of a hand-off is durable.
    pub(super) fn stepped(&mut self, hand_off: &HandOff) {
        let (peer, place) = (hand_off.clinic, hand_off.place);
        if hand_off.step != Step::Sending {
            self.trouble_ends((peer, place), &hand_off.target);
        }
        if hand_off.step == Step::Retry {
            self.forget_confirming(&hand_off.target, (peer, place));
        }
        if let Some(instance) = self.instance(peer, place) {
            take_step(instance, hand_off);
        }
        match &hand_off.step {
            Step::Stored(proof) => self.target_works(&hand_off.target, *proof),
            Step::Parked(reason) => self.park(peer, place, reason),
            Step::ParkedForADay(reason) => {
                self.park(peer, place, reason);
                self.again_tomorrow(hand_off);
            }
            _ => {}
        }
        self.settle(peer, place);
    }

    /// Whether an instance is stored everywhere by now; queues it when it is not.
    pub(super) fn settle(&mut self, peer: PeerId, place: Place) {
        let Some(clinic) = self.clinics.get(&peer) else {
            return;
        };
        let required = self.targets_of(&clinic.name);
        let Some(instance) = self.instance(peer, place) else {
            return;
        };
        let everywhere =
            !required.is_empty() && required.iter().all(|t| instance.handed.contains_key(t));
        #[cfg(feature = "mutants")]
        let everywhere = everywhere
            || (karez_store::mutant::is_on(karez_store::mutant::Mutant::StoredAnywhere)
                && !instance.handed.is_empty());
        if everywhere && instance.verified && !instance.stored {
            instance.stored = true;
            self.has_stored(peer, place);
        }
        self.settle_confirmed((peer, place), required);
        self.enqueue(peer, place);
    }

    /// Whether all that can confirm an instance have by now; has the others asked.
    fn settle_confirmed(&mut self, (peer, place): (PeerId, Place), mut able: Vec<String>) {
        able.retain(|target| self.targets.confirms(target));
        let Some(instance) = self
            .instance(peer, place)
            .filter(|i| i.stored && !i.committed)
        else {
            return;
        };
        if !able.is_empty() && able.iter().all(|t| instance.confirmed.contains_key(t)) {
            instance.committed = true;
            return self.has_committed(peer, place);
        }
        self.wants_confirming((peer, place));
    }

    pub(super) fn instance(&mut self, peer: PeerId, place: Place) -> Option<&mut Instance> {
        self.clinics.get_mut(&peer)?.instances.get_mut(&place)
    }

    /// Instances of a segment that lacked something may now be tried again.
    fn wake_segment(&mut self, peer: PeerId, segment: SegmentId) {
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        let all = Place { segment, first: 0 }..=Place {
            segment,
            first: u64::MAX,
        };
        for (_, instance) in clinic.instances.range_mut(all) {
            instance.retry_at = None;
        }
    }

    fn start_of(&mut self, peer: PeerId, place: Place) -> Result<InstanceStart, Unread> {
        let bytes = self.store.read(place.segment, Kind::Record, place.first);
        let bytes = bytes.map_err(|error| self.noted(place.segment, error));
        let bytes = bytes.map_err(|error| Unread {
            later: error.retry() == Retry::Later,
            why: error.to_string(),
        })?;
        let key = self
            .clinics
            .get(&peer)
            .and_then(|c| c.sink.key(place.segment));
        let key = key.ok_or_else(|| "its segment is not open".to_owned())?;
        let record = RecordBytes::from_bytes(bytes).map_err(|e| e.to_string())?;
        let body = record.open(key, place.first).map_err(|e| e.to_string())?;
        body.start
            .ok_or_else(|| "it does not begin where it should".to_owned().into())
    }

    /// What the disk does not give now is looked at again; nothing else would.
    fn not_readable(
        &mut self,
        (peer, place): (PeerId, Place),
        whole: (StudyId, u64),
        unread: &Unread,
    ) {
        let (place_shown, error) = (place.short(), &unread.why);
        warn!(
            place = place_shown,
            error, "an instance cannot be looked at"
        );
        if unread.later {
            self.unread.insert((peer, place), whole);
            self.unread_at = Some(self.queue.retry_later(self.now(), UNREAD));
        }
    }

    /// Looks again at what the disk did not give.
    pub(super) fn look_at_unread(&mut self) {
        if self.unread_at.is_some_and(|at| at <= self.now()) {
            self.unread_at = None;
            for ((peer, place), (study, end)) in std::mem::take(&mut self.unread) {
                self.is_whole(peer, study, place.segment, place.first..end);
            }
        }
    }

    /// Takes note of rot that a read found.
    pub(super) fn noted(&mut self, segment: SegmentId, error: Error) -> Error {
        if matches!(error, Error::Rotten { .. }) {
            self.rotten.insert(segment);
        }
        error
    }
}

/// What a step of the ledger means for an instance. Steps of targets that are no more count for
/// nothing.
fn take_step(instance: &mut Instance, hand_off: &HandOff) {
    let target = hand_off.target.clone();
    let concerns = |parked: &(String, String)| parked.0 == target;
    let mut clear = instance.parked.as_ref().is_some_and(concerns);
    match &hand_off.step {
        Step::Sending => instance.sending = Some(target),
        Step::Stored(proof) => {
            instance.handed.insert(target, *proof);
            instance.sending = None;
        }
        Step::Committed(proof) => {
            instance.handed.entry(target.clone()).or_insert(*proof);
            instance.confirmed.insert(target, *proof);
        }
        Step::Parked(reason) | Step::ParkedForADay(reason) => {
            instance.parked = Some((target, reason.clone()));
            instance.sending = None;
            clear = false;
        }
        Step::Retry => {
            instance.handed.remove(&target);
            instance.confirmed.remove(&target);
            instance.stored &= target.is_empty();
            instance.committed &= target.is_empty();
        }
        Step::Replace => {
            instance.replace.insert(target);
        }
        Step::Discarded(reason) => instance.discarded = Some(reason.clone()),
    }
    if clear {
        instance.parked = None;
    }
}

/// What a set of proofs is worth as a whole.
fn weakest(proofs: &BTreeMap<String, Proof>) -> Option<Proof> {
    let strength = |proof: &Proof| match proof {
        Proof::Rebuilt => 0,
        Proof::Status => 1,
        Proof::Query => 2,
        Proof::Commitment => 3,
        Proof::ReadBack => 4,
    };
    proofs.values().copied().min_by_key(strength)
}

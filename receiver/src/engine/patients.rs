//! Patient numbers: one that another clinic has given to somebody else goes to no archive before an
//! administrator has said so, or the archive would make one patient of two (FIELD T12). Compared and
//! kept as keyed hashes.

use std::collections::BTreeMap;

use karez_protocol::id::PeerId;

use super::Engine;
use crate::handoff::{CONTESTED, Patient};
use crate::registry::{Entry, Object, Place, Step};

/// A worker is about to hand off an instance of this patient.
#[derive(Clone)]
pub(crate) struct PatientClaim {
    pub(crate) clinic: PeerId,
    pub(crate) place: Place,
    pub(crate) patient: Patient,
    /// A person has decided that it goes as it is.
    pub(crate) released: bool,
}

/// Whose numbers were found to be another's, in this life of the process.
pub(super) type Contested = BTreeMap<(PeerId, Place), Object>;

impl Engine {
    /// Whether a clinic's patient number may go to an archive.
    pub(super) fn patient(&mut self, claim: &PatientClaim) -> bool {
        let hidden = |kind: &str, text: &str| Object(self.keys.hide(&format!("{kind}\0{text}")));
        let number = hidden("patient number", &claim.patient.number);
        let who = hidden("patient", &claim.patient.who);
        let clinic = claim.clinic;
        let known = self.registry.patients.get(&number);
        let is_known = known.is_some_and(|all| all.contains(&(clinic, who)));
        let of_others = known
            .into_iter()
            .flatten()
            .filter(|(other, _)| *other != clinic);
        let another = of_others.into_iter().any(|(_, other)| *other != who);
        let taken = self.registry.taken.contains(&(number, clinic));
        if another && !taken {
            if !claim.released {
                self.contested.insert((clinic, claim.place), number);
                return false;
            }
            self.stage(Entry::PatientTaken { number, clinic });
        }
        if !is_known {
            self.stage(Entry::Patient {
                number,
                clinic,
                who,
            });
        }
        true
    }

    /// What a person's release of one instance means for a patient number: all that wait for the
    /// same are tried again.
    pub(super) fn release_patient(&self, (clinic, place): (PeerId, Place)) -> Vec<Entry> {
        let Some(number) = self.contested.get(&(clinic, place)).copied() else {
            return Vec::new();
        };
        let mut entries = vec![Entry::PatientTaken { number, clinic }];
        for ((of, at), other) in &self.contested {
            let instance = self.clinics.get(of).and_then(|c| c.instances.get(at));
            let parked = instance.and_then(|instance| instance.parked.as_ref());
            let waits =
                parked.filter(|(_, why)| *of == clinic && *other == number && why == CONTESTED);
            if let Some((target, _)) = waits {
                entries.extend(self.hand_off(*of, *at, target.clone(), Step::Retry));
            }
        }
        entries
    }
}

//! What each target was given under which UID: so that no version of an instance is taken for
//! another, and none is given while another is on its way.

use std::collections::BTreeMap;

use karez_dimse::Uid;
use karez_protocol::id::{Fingerprint, PeerId};

use super::Engine;
use crate::registry::{Entry, Given, Object, Place};

/// A worker is about to ask a target for a UID.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) clinic: PeerId,
    pub(crate) place: Place,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) target: String,
    pub(crate) uid: Uid,
}

/// What the ledger says about a UID at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Another instance of this UID is being handed off there.
    Busy,
    /// Nothing was given under it.
    New,
    /// These bytes were, and no others.
    Ours,
    /// Others were: which, when only one version was and its content is known.
    Other(Option<Version>),
}

/// Bytes that a target was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) content: Fingerprint,
}

/// UIDs that workers are busy with.
#[derive(Default)]
pub(super) struct Claims(BTreeMap<(String, Object), Claimed>);

struct Claimed {
    whose: (PeerId, Place),
    fingerprint: Fingerprint,
}

impl Engine {
    /// A UID is one worker's from now until it is through with its instance.
    pub(super) fn claim(&mut self, claim: &Claim) -> Standing {
        let object = Object(self.keys.hide(claim.uid.as_str()));
        let key = (claim.target.clone(), object);
        let whose = (claim.clinic, claim.place);
        if self.claims.0.get(&key).is_some_and(|c| c.whose != whose) {
            return Standing::Busy;
        }
        let fingerprint = claim.fingerprint;
        let claimed = Claimed { whose, fingerprint };
        self.claims.0.insert(key, claimed);
        match self.given(&claim.target, object) {
            None => Standing::New,
            Some(given) if !given.contested && given.last == Some(fingerprint) => Standing::Ours,
            Some(given) => Standing::Other(version(given)),
        }
    }

    /// Bytes are about to go to a target: what the ledger says from now on.
    pub(super) fn gives(&self, whose: (PeerId, Place), target: &str) -> Option<Entry> {
        let (object, fingerprint) = self.claimed(whose, target)?;
        let before = self.given(target, object);
        let other = |last: Fingerprint| last != fingerprint;
        let given = Given {
            last: Some(fingerprint),
            content: before.and_then(|b| b.content.filter(|_| b.last == Some(fingerprint))),
            contested: before.is_some_and(|b| b.contested || b.last.is_some_and(other)),
        };
        (before != Some(given)).then(|| Entry::Given {
            target: target.to_owned(),
            object,
            given,
        })
    }

    /// The target has them: their content.
    pub(super) fn gave(
        &self,
        whose: (PeerId, Place),
        target: &str,
        content: Fingerprint,
    ) -> Option<Entry> {
        let (object, fingerprint) = self.claimed(whose, target)?;
        let before = self.given(target, object)?;
        let given = Given {
            content: Some(content),
            ..before
        };
        let changed = given != before && before.last == Some(fingerprint);
        changed.then(|| Entry::Given {
            target: target.to_owned(),
            object,
            given,
        })
    }

    /// The target does not have them.
    pub(super) fn did_not_give(&self, whose: (PeerId, Place), target: &str) -> Option<Entry> {
        let (object, _) = self.claimed(whose, target)?;
        let before = self.given(target, object)?;
        let given = Given {
            last: None,
            content: None,
            ..before
        };
        Some(Entry::Given {
            target: target.to_owned(),
            object,
            given,
        })
    }

    /// A worker is through with its instance.
    pub(super) fn release_claims(&mut self, whose: (PeerId, Place)) {
        self.claims.0.retain(|_, claimed| claimed.whose != whose);
    }

    fn claimed(&self, whose: (PeerId, Place), target: &str) -> Option<(Object, Fingerprint)> {
        let mut mine = self.claims.0.iter().filter(|(_, c)| c.whose == whose);
        let found = mine.find(|((name, _), _)| name == target);
        found.map(|((_, object), claimed)| (*object, claimed.fingerprint))
    }

    /// What counts as given; a UID under which nothing stayed and nothing collided is as new.
    fn given(&self, target: &str, object: Object) -> Option<Given> {
        let given = self.registry.given.get(target)?.get(&object)?;
        let counts = given.contested || given.last.is_some();
        counts.then_some(*given)
    }
}

fn version(given: Given) -> Option<Version> {
    let (fingerprint, content) = (given.last?, given.content?);
    let version = Version {
        fingerprint,
        content,
    };
    (!given.contested).then_some(version)
}

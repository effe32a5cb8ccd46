//! Who may connect: enrolled keys. Enrolment is open to any key; its token decides.

mod join;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use karez_protocol::id::PeerId;
use karez_protocol::link::probe::{Tag, tag_of};
use karez_quic::{Admission, Admit, Alpn};

pub(crate) use join::answer;

/// The keys that the hub knows, for the handshakes. The engine writes it, after the journal.
#[derive(Default)]
pub(crate) struct Doors(Mutex<Known>);

#[derive(Default)]
struct Known {
    keys: BTreeMap<PeerId, Admission>,
    /// How welcome keys name themselves in questions on a silent link.
    tags: BTreeSet<Tag>,
}

impl Doors {
    /// Sets what becomes of a key.
    pub(crate) fn set(&self, peer: PeerId, admission: Admission) {
        let mut known = self.known();
        known.keys.insert(peer, admission);
        match admission {
            Admission::Welcome => known.tags.insert(tag_of(&peer)),
            Admission::Unknown | Admission::Revoked => known.tags.remove(&tag_of(&peer)),
        };
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admit for Doors {
    fn admit(&self, peer: &PeerId, alpn: Alpn) -> Admission {
        match alpn {
            Alpn::Join => Admission::Welcome,
            Alpn::Session => {
                let known = self.known();
                known.keys.get(peer).copied().unwrap_or(Admission::Unknown)
            }
        }
    }

    /// A revoked key's questions are met with silence, as a stranger's.
    fn answers(&self, tag: &Tag) -> bool {
        self.known().tags.contains(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_unknown_then_welcome_then_revoked_and_may_always_try_an_invitation() {
        let (doors, peer) = (Doors::default(), PeerId([1; 32]));
        assert_eq!(doors.admit(&peer, Alpn::Session), Admission::Unknown);
        doors.set(peer, Admission::Welcome);
        assert_eq!(doors.admit(&peer, Alpn::Session), Admission::Welcome);
        assert!(doors.answers(&tag_of(&peer)));
        doors.set(peer, Admission::Revoked);
        assert_eq!(doors.admit(&peer, Alpn::Session), Admission::Revoked);
        assert!(
            !doors.answers(&tag_of(&peer)),
            "its questions get no answer"
        );
        assert_eq!(doors.admit(&peer, Alpn::Join), Admission::Welcome);
    }
}

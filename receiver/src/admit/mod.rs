//! Who may connect: enrolled keys. Enrolment is open to any key; its token decides.

mod join;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use karez_protocol::id::PeerId;
use karez_quic::{Admission, Admit, Alpn};

pub(crate) use join::answer;

/// The keys that the hub knows, for the handshakes. The engine writes it, after the journal.
#[derive(Default)]
pub(crate) struct Doors(Mutex<BTreeMap<PeerId, Admission>>);

impl Doors {
    /// Sets what becomes of a key.
    pub(crate) fn set(&self, peer: PeerId, admission: Admission) {
        self.keys().insert(peer, admission);
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<PeerId, Admission>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admit for Doors {
    fn admit(&self, peer: &PeerId, alpn: Alpn) -> Admission {
        match alpn {
            Alpn::Join => Admission::Welcome,
            Alpn::Session => {
                let known = self.keys().get(peer).copied();
                known.unwrap_or(Admission::Unknown)
            }
        }
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
        doors.set(peer, Admission::Revoked);
        assert_eq!(doors.admit(&peer, Alpn::Session), Admission::Revoked);
        assert_eq!(doors.admit(&peer, Alpn::Join), Admission::Welcome);
    }
}

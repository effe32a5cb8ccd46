//! What one clinic may have at the hub: counted as soon as it is announced, before any of it is
//! fetched. Over it, that clinic alone is told to wait, and keeps what it has.

use karez_host::status::bytes;
use karez_protocol::id::PeerId;
use karez_protocol::limits::CHUNK_SEALED_MAX;
use tracing::{info, warn};

use super::Engine;

impl Engine {
    /// Bytes that a clinic has here, with those that its records announce.
    pub(crate) fn bytes_of(&self, peer: PeerId) -> u64 {
        let Some(clinic) = self.clinics.get(&peer) else {
            return 0;
        };
        let of_segment = |segment| {
            let announced = clinic.sink.missing_chunks(segment) * CHUNK_SEALED_MAX as u64;
            self.store.bytes(segment) + announced
        };
        clinic
            .sink
            .segments()
            .map(|(segment, _)| of_segment(segment))
            .sum()
    }

    /// Why nothing is taken from a clinic now; `None` when it is.
    pub(super) fn why_nothing_from(&self, peer: PeerId) -> Option<String> {
        if let Some(full) = &self.full {
            return Some(full.reason.clone());
        }
        let clinic = self.clinics.get(&peer)?;
        clinic.over_quota.then(|| self.quota_reason())
    }

    /// What is said of a quota that is reached.
    pub(crate) fn quota_reason(&self) -> String {
        let quota = bytes(self.settings.store.quota.0);
        format!("this clinic has reached its quota of {quota} at the hub")
    }

    /// Looks at the clinics that have announced something since the last look, or at all. Records
    /// beyond the quota are passed over; a clinic that has tried is told to wait as soon as what
    /// it had announced before is here.
    pub(super) fn keep_quotas(&mut self, all: bool) {
        let due = self.clinics.iter().filter(|(_, c)| all || c.announced);
        let due: Vec<PeerId> = due.map(|(peer, _)| *peer).collect();
        for peer in due {
            self.keep_quota(peer);
        }
    }

    /// Says how much more a clinic may announce. To be called for a new sink, too.
    pub(super) fn keep_quota(&mut self, peer: PeerId) {
        let quota = self.settings.store.quota.0;
        if quota == 0 {
            return;
        }
        let (claimed, reason) = (self.bytes_of(peer), self.quota_reason());
        let full = self.full.is_some();
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        clinic.announced = false;
        clinic.sink.set_room(Some(quota.saturating_sub(claimed)));
        if clinic.sink.turned_away() && !clinic.over_quota {
            warn!(
                clinic = peer.short(),
                claimed, "a clinic has reached its quota"
            );
            clinic.over_quota = true;
        }
        let segments: Vec<_> = clinic.sink.segments().map(|(segment, _)| segment).collect();
        let open = segments.iter().any(|s| clinic.sink.missing_chunks(*s) > 0);
        if clinic.over_quota && !open && clinic.sink.full().is_none() {
            clinic.sink.set_full(&reason);
            clinic.quota_said_at = claimed;
        }
        // It goes on when something has gone here.
        let told = clinic.sink.full().is_some() && !full;
        if clinic.over_quota && told && claimed < clinic.quota_said_at.min(quota) {
            info!(clinic = peer.short(), claimed, "a clinic has room again");
            clinic.over_quota = false;
            clinic.sink.set_free();
        }
    }
}

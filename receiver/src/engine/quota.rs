//! What one clinic may have at the hub: counted as soon as it is announced, before any of it is
//! fetched. Over it, that clinic alone is told to wait, and keeps what it has.

use karez_host::Failure;
use karez_host::status::bytes;
use karez_protocol::id::PeerId;
use karez_protocol::limits::CHUNK_SEALED_MAX;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Clinic, Engine};
use crate::registry::Entry;

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
        clinic.over_quota.then(|| self.quota_reason(peer))
    }

    /// What is said of a quota that is reached.
    pub(crate) fn quota_reason(&self, peer: PeerId) -> String {
        let quota = bytes(self.quota_of(peer));
        format!("this clinic has reached its quota of {quota} at the hub")
    }

    /// What a clinic may have here: its own quota, or that of all; 0 for no limit.
    pub(crate) fn quota_of(&self, peer: PeerId) -> u64 {
        let enrolled = self.registry.clinics.get(&peer);
        let own = enrolled.and_then(|enrolled| self.registry.quotas.get(&enrolled.name));
        own.copied().unwrap_or(self.settings.store.quota.0)
    }

    /// `quota NAME SIZE`: from now on.
    pub(super) fn set_quota(&mut self, name: &str, quota: Option<u64>) -> Result<Value, Failure> {
        let invited = self.registry.tokens.values().any(|t| t.name == name);
        if !invited && self.registry.clinic_named(name).is_none() {
            return Err(Failure::new(format!("there is no clinic `{name}`")).fix("See `clinics`"));
        }
        let name = name.to_owned();
        self.write(vec![Entry::Quota { name, bytes: quota }])?;
        self.keep_quotas(true);
        Ok(json!(match quota {
            None => "the quota is that of store.quota".to_owned(),
            Some(0) => "no limit".to_owned(),
            Some(quota) => format!("the quota is {}", bytes(quota)),
        }))
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
        let quota = self.quota_of(peer);
        let (claimed, reason) = match quota {
            0 => (0, String::new()),
            _ => (self.bytes_of(peer), self.quota_reason(peer)),
        };
        let full = self.full.is_some();
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        clinic.announced = false;
        let most = if quota == 0 { u64::MAX } else { quota };
        let raised = most > std::mem::replace(&mut clinic.quota, most) && claimed < most;
        let room = most.saturating_sub(claimed);
        clinic.sink.set_room((quota > 0).then_some(room));
        if raised && clinic.over_quota {
            info!(clinic = peer.short(), "a clinic has a larger quota");
            clinic.over_quota = false;
            if !full {
                // Said even if it had not been told to wait, so that it comes with the rest.
                clinic.sink.set_full(&reason);
                clinic.sink.set_free();
            }
            return;
        }
        if clinic.sink.turned_away() && !clinic.over_quota {
            warn!(
                clinic = peer.short(),
                claimed, "a clinic has reached its quota"
            );
            clinic.over_quota = true;
        }
        clinic.wait_over_quota((claimed, most), &reason, full);
    }
}

impl Clinic {
    /// Over its quota, tells it to wait as soon as what it had announced is here, and to go on
    /// when something has gone.
    fn wait_over_quota(&mut self, (claimed, most): (u64, u64), reason: &str, disk_full: bool) {
        let segments: Vec<_> = self.sink.segments().map(|(segment, _)| segment).collect();
        let open = segments.iter().any(|s| self.sink.missing_chunks(*s) > 0);
        if self.over_quota && !open && self.sink.full().is_none() {
            self.sink.set_full(reason);
            self.quota_said_at = claimed;
        }
        let told = self.sink.full().is_some() && !disk_full;
        if self.over_quota && told && claimed < self.quota_said_at.min(most) {
            info!(clinic = self.name, claimed, "a clinic has room again");
            self.over_quota = false;
            self.sink.set_free();
        }
    }
}

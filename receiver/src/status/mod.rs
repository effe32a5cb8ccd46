//! What people and scripts are shown: computed from the engine's state each time. No patient
//! data.

mod alarms;
mod studies;
pub(crate) mod text;

use std::time::Duration;

use karez_protocol::limits::CHUNK_SEALED_MAX;
use karez_store::Kind;
use serde_json::{Value, json};

use crate::engine::{Clinic, Engine};

impl Engine {
    /// `status --json`.
    pub(crate) fn status(&mut self) -> Value {
        let clinics: Vec<Value> = self.clinics_listed();
        let studies = self.studies_listed();
        json!({
            "hub": { "name": self.settings.hub.name, "identity": self.keys.me.to_string() },
            "clinics": clinics,
            "studies": studies,
            "parked": self.parked_listed(),
            "alarms": self.alarms(),
            "totals": self.totals(),
            "disk": { "free_bytes": self.store.space().ok().map(|space| space.free) },
            "store": self.store_status(),
        })
    }

    /// `clinics --json`.
    pub(crate) fn clinics_listed(&self) -> Vec<Value> {
        let listed = self.clinics.iter().map(|(peer, clinic)| {
            let (payload, resent) = self.totals_of(*peer);
            json!({
                "name": clinic.name,
                "key": peer.to_string(),
                "revoked": clinic.revoked,
                "connected": clinic.connected(),
                "last_contact_s": self.since(clinic.heard_at),
                "studies_open": self.studies_open(clinic),
                "bytes_missing": bytes_missing(clinic),
                "payload_bytes": payload,
                "resent_bytes": resent,
                "claimed_bytes": self.bytes_of(*peer),
                "quota_bytes": self.quota_of(*peer),
                "over_quota": clinic.over_quota,
            })
        });
        listed.collect()
    }

    fn store_status(&self) -> Value {
        let free = self.store.space().map_or(0, |space| space.free);
        json!({
            "bytes": self.store.bytes_total(),
            "free_bytes": free,
            "quota_bytes": self.settings.store.quota.0,
            "scrub_read_bytes": self.scrub.bytes,
            "scrub_bad": self.scrub.bad,
            "scrub_ended_s": self.since(self.scrub.ended_at),
        })
    }

    fn totals(&self) -> Value {
        let all = self.clinics.keys().map(|peer| self.totals_of(*peer));
        let (payload, resent) = all.fold((0, 0), |(p, r), (payload, resent)| {
            (p + payload, r + resent)
        });
        json!({ "payload_bytes": payload, "resent_bytes": resent })
    }

    /// Sealed chunk bytes that are durable, or were until all that they are part of was stored;
    /// and those that came in vain.
    fn totals_of(&self, peer: karez_protocol::id::PeerId) -> (u64, u64) {
        let segments = self.clinics.get(&peer).map(|c| c.sink.segments());
        let segments = segments.into_iter().flatten();
        let payload = segments.map(|(segment, _)| {
            let evicted = self.evicted.get(&segment).copied().unwrap_or(0);
            self.store.held_bytes(segment, Kind::Chunk) + evicted
        });
        let resent = self.registry.resent.get(&peer).copied().unwrap_or(0);
        (payload.sum(), resent)
    }

    /// Seconds since then; null for never in this life of the process.
    pub(crate) fn since(&self, then: Option<tokio::time::Instant>) -> Option<u64> {
        let span: Duration = self.now().saturating_duration_since(then?);
        Some(span.as_secs())
    }
}

fn bytes_missing(clinic: &Clinic) -> u64 {
    let segments = clinic.sink.segments();
    let missing = segments.map(|(segment, _)| clinic.sink.missing_chunks(segment));
    missing.sum::<u64>() * CHUNK_SEALED_MAX as u64
}

//! How things stand, computed from what is.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use karez_protocol::id::StudyId;
use karez_protocol::manifest::ReceiptKind;
use karez_protocol::seal::DeskKey;

use super::Engine;
use super::table::{Place, Study};
use crate::limits::{NAMES_SHOWN, SILENT};
use crate::status::{HubStatus, Parked, SpoolStatus, Status, StudyStatus, Totals};

const DAY: i64 = 86_400;
/// Days that count for the rate at which instances come in.
const RATE_DAYS: i64 = 7;

impl Engine {
    pub(super) fn report(&self) -> Status {
        let costs = self.costs();
        Status {
            hub: self.hub_status(),
            spool: self.spool_status(),
            studies: self.studies_status(),
            parked: self.parked(),
            totals: Totals {
                wire_bytes_up: costs.up,
                wire_bytes_down: costs.down,
                payload_bytes: self.payload(),
                resent_bytes: costs.resent,
            },
            budget: self.shared.gate.status(),
            commitments: self.commitments.waiting(),
            // What is no state of the engine's is added by the handle.
            ..Status::default()
        }
    }

    /// Names by studies' short names, as far as the desk key opens them.
    pub(super) fn names(&self, desk: &DeskKey) -> BTreeMap<String, String> {
        let named = self.tables.studies.iter().rev().take(NAMES_SHOWN);
        let opened = named.filter_map(|(id, study)| {
            let name = desk.open(&study.facts.label.name).ok()?;
            let name = std::str::from_utf8(&name).ok()?;
            // PS3.5 6.2.1: components are parted by ^, representations by =.
            let name = name.split('=').next().unwrap_or_default().replace('^', " ");
            Some((id.short(), name.trim().to_owned()))
        });
        opened.collect()
    }

    fn hub_status(&self) -> HubStatus {
        let live = self.link.live.as_ref();
        let busy = self
            .link
            .busy
            .clone()
            .map(|why| format!("the hub takes nothing now: {why}"));
        let none = || "not joined: give an invitation with `join`".to_owned();
        let problem = match &self.hub {
            None => none(),
            Some(_) => busy.unwrap_or_else(|| self.shared.line.why()),
        };
        // A connection on which nothing is acknowledged is none, whatever QUIC still hopes.
        let speaks = |l: &&super::link::Live| {
            l.greeted && l.handle.silence().is_none_or(|silence| silence < SILENT)
        };
        let connected = live.filter(speaks).is_some();
        HubStatus {
            connected,
            last_contact_s: self.link.heard.map(|at| self.now().since(at).as_secs()),
            rate_bits_per_s: self.link.rate,
            rtt_ms: live.map_or(0, |l| l.handle.stats().rtt.as_millis() as u64),
            name: self
                .hub
                .as_ref()
                .map(|h| h.name.clone())
                .unwrap_or_default(),
            problem,
        }
    }

    fn spool_status(&self) -> SpoolStatus {
        let wall = self.shared.env.wall();
        let oldest = self.tables.unsealed().map(|a| a.at).min();
        SpoolStatus {
            bytes: self.store.bytes_total(),
            free_bytes: self.store.space().map_or(0, |s| s.free),
            unsealed_bytes: self.shared.unsealed.load(Ordering::Relaxed),
            unsealed_oldest_s: oldest.map_or(0, |at| seconds(wall, at)),
            days_left: self.days_left(wall),
            scrub_bad: self.scrub.bad,
            problem: self
                .trouble
                .as_ref()
                .map(|t| t.text.clone())
                .unwrap_or_default(),
        }
    }

    /// How long the room lasts at the rate at which instances came in the last days, if the link
    /// stays down: with what released segments would give.
    fn days_left(&self, wall: i64) -> Option<u64> {
        let recent = wall.saturating_sub(RATE_DAYS * DAY)..=wall;
        let came = self.tables.instances.values().map(|i| &i.accepted);
        let came = came.filter(|a| recent.contains(&a.at));
        let (bytes, oldest) = came.fold((0_u64, wall), |(bytes, oldest), a| {
            (bytes + a.length, oldest.min(a.at))
        });
        let days = u64::try_from((wall - oldest).div_euclid(DAY) + 1).unwrap_or(1);
        let daily = bytes / days.max(1);
        let segments = self.tables.segments.keys();
        let released = segments.filter(|id| self.source.released(**id));
        let released: u64 = released.map(|id| self.store.bytes(*id)).sum();
        let free = self.store.space().map_or(0, |s| s.free);
        let unsealed = self.shared.unsealed.load(Ordering::Relaxed);
        let keep = self.shared.settings.spool.keep_free.0 + unsealed;
        (free + released).saturating_sub(keep).checked_div(daily)
    }

    fn studies_status(&self) -> Vec<StudyStatus> {
        let mut studies: Vec<_> = self.tables.studies.iter().collect();
        studies.sort_by_key(|(_, s)| (s.facts.class, s.instances.first().copied()));
        let mut ahead = 0;
        let mut all = Vec::with_capacity(studies.len());
        for (id, study) in studies {
            let mut status = self.study_status(*id, study);
            let unsealed = study
                .instances
                .iter()
                .filter_map(|o| self.tables.instances.get(o));
            let unsealed = unsealed.filter(|i| matches!(i.place, Place::Waiting | Place::Packing));
            let unsealed: u64 = unsealed.map(|i| i.accepted.length).sum();
            let left = status.bytes_sealed - status.bytes_received + unsealed;
            ahead += left;
            let known = self.link.rate > 0 && !status.withdrawn;
            status.eta_s = match left {
                0 => Some(0),
                _ => known.then(|| ahead.saturating_mul(8).div_ceil(self.link.rate)),
            };
            all.push(status);
        }
        all
    }

    fn study_status(&self, id: StudyId, study: &Study) -> StudyStatus {
        let (received, sealed) = self.source.progress(id);
        let mut lowest = ReceiptKind::Committed;
        let (mut none, mut parked, mut original, mut not_whole) = (false, 0, 0, 0);
        for instance in study
            .instances
            .iter()
            .filter_map(|o| self.tables.instances.get(o))
        {
            original += instance.accepted.length;
            not_whole += u64::from(!instance.accepted.whole);
            match self.receipt_of(&instance.place) {
                Some(ReceiptKind::Parked) => parked += 1,
                Some(kind) => lowest = lowest.min(kind),
                None => none = true,
            }
        }
        let all_parked = parked == study.instances.len() as u64;
        let receipt = if none || all_parked {
            "none"
        } else {
            lowest.name()
        };
        StudyStatus {
            study: id.short(),
            priority: study.facts.class,
            instances: study.instances.len() as u64,
            bytes_original: original,
            bytes_sealed: sealed,
            bytes_received: received.min(sealed),
            receipt: receipt.to_owned(),
            parked,
            not_whole,
            eta_s: None,
            age_s: seconds(self.shared.env.wall(), study.facts.since),
            withdrawn: study.facts.withdrawn.is_some(),
            modality: study.facts.label.modality.clone(),
            scanner: study.facts.label.scanner.clone(),
            since: study.facts.since,
        }
    }

    /// The highest receipt for an instance; `Parked` when it needs a person, here or at the hub.
    pub(super) fn receipt_of(&self, place: &Place) -> Option<ReceiptKind> {
        let (segment, first) = match place {
            Place::Waiting | Place::Packing => return None,
            Place::Lost(_) => return Some(ReceiptKind::Parked),
            Place::Sealed(segment, records) => (*segment, records.start),
        };
        let named = |kind| self.source.named_by(segment, kind).contains(first);
        let higher = [
            ReceiptKind::Committed,
            ReceiptKind::Stored,
            ReceiptKind::Parked,
        ];
        let found = higher.into_iter().find(|kind| named(*kind));
        found.or_else(|| named(ReceiptKind::Verified).then_some(ReceiptKind::Verified))
    }

    fn parked(&self) -> Vec<Parked> {
        let item = |item: String, reason: String, owner: &str, actions: &[&str]| Parked {
            item,
            reason,
            owner: owner.to_owned(),
            actions: actions.iter().map(|a| (*a).to_owned()).collect(),
        };
        let mut all = Vec::new();
        for (order, instance) in &self.tables.instances {
            if let Place::Lost(why) = &instance.place {
                let name = format!("image {order} of study {}", instance.accepted.study.short());
                all.push(item(
                    name,
                    why.clone(),
                    "clinic",
                    &["send it again from the scanner"],
                ));
            }
        }
        for (id, study) in &self.tables.studies {
            if let Some(why) = study
                .parked
                .as_ref()
                .filter(|_| self.study_status(*id, study).parked > 0)
            {
                let name = format!("study {}", id.short());
                all.push(item(
                    name,
                    why.clone(),
                    "hub",
                    &["ask the hub's administrator"],
                ));
            }
        }
        if let Some(trouble) = &self.trouble {
            let actions: &[&str] = match trouble.full {
                true => &["free space on the disk"],
                false => &["check the disk and its cable"],
            };
            all.push(item(
                "the disk".to_owned(),
                trouble.text.clone(),
                "clinic",
                actions,
            ));
        }
        all
    }
}

/// Seconds from `then` to `now` by a clock that may have jumped.
fn seconds(now: i64, then: i64) -> u64 {
    u64::try_from(now.saturating_sub(then)).unwrap_or(0)
}

//! What a span of time has brought, by clinic and target. Counts only.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use karez_protocol::id::{PeerId, StudyId};
use serde_json::{Value, json};

use super::Engine;
use crate::registry::Step;

#[derive(Default)]
struct Line {
    studies: BTreeSet<StudyId>,
    stored: u64,
    parked: u64,
    discarded: u64,
    open: u64,
}

impl Engine {
    /// One line for each clinic and target with a step in `span`, seconds since 1970. A step counts
    /// when it was the last.
    pub(super) fn report(&self, span: &Range<i64>) -> Value {
        let mut lines: BTreeMap<(PeerId, &str), Line> = BTreeMap::new();
        let steps = self.registry.ledger.iter();
        let steps = steps.flat_map(|((peer, _), targets)| targets.values().map(|s| (*peer, s)));
        for (peer, step) in steps.filter(|(_, s)| span.contains(&s.wall) && !s.target.is_empty()) {
            let line = lines.entry((peer, &step.target)).or_default();
            line.studies.insert(step.study);
            match &step.step {
                Step::Stored(_) | Step::Committed(_) => line.stored += 1,
                Step::Parked(_) | Step::ParkedForADay(_) => line.parked += 1,
                Step::Discarded(_) => line.discarded += 1,
                Step::Sending | Step::Retry | Step::Replace => line.open += 1,
            }
        }
        let name = |peer: &PeerId| {
            let clinic = self.registry.clinics.get(peer);
            clinic.map_or_else(|| peer.short(), |clinic| clinic.name.clone())
        };
        let rows = lines.iter().map(|((peer, target), line)| {
            json!({
                "clinic": name(peer),
                "target": target,
                "studies": line.studies.len(),
                "stored": line.stored,
                "parked": line.parked,
                "discarded": line.discarded,
                "open": line.open,
            })
        });
        Value::Array(rows.collect())
    }
}

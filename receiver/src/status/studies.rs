//! Studies, and what of them needs a person.

use std::collections::BTreeMap;

use karez_protocol::id::{PeerId, StudyId};
use serde_json::{Value, json};

use crate::engine::{Clinic, Engine, Health, Instance};
use crate::registry::Place;

/// While a target may still be storing what it did not answer.
const SETTLES: &str = "the last exchange ended without an answer: the target is asked in a moment";

/// One study of one clinic, counted.
#[derive(Default)]
struct Count {
    /// Announced.
    instances: u64,
    /// Whole here.
    received: u64,
    verified: u64,
    stored: u64,
    committed: u64,
    parked: u64,
    discarded: u64,
    /// Announced, not whole, and lost at source.
    lost: u64,
}

impl Count {
    const fn is_open(&self) -> bool {
        self.stored + self.discarded + self.lost < self.instances
    }
}

impl Engine {
    pub(super) fn studies_open(&self, clinic: &Clinic) -> u64 {
        let counts = counts(clinic);
        counts.values().filter(|count| count.is_open()).count() as u64
    }

    pub(super) fn studies_listed(&self) -> Vec<Value> {
        let clinics = self.clinics.iter();
        let listed = clinics.flat_map(|(peer, clinic)| {
            let counts = counts(clinic).into_iter();
            counts.map(|(study, count)| self.study(*peer, clinic, study, &count))
        });
        listed.collect()
    }

    fn study(&self, peer: PeerId, clinic: &Clinic, study: StudyId, count: &Count) -> Value {
        let class = self.class_of(clinic, study);
        let targets = self.targets_of(&clinic.name);
        let handoff: Vec<Value> = targets
            .iter()
            .map(|name| self.hand_off_state((peer, clinic), study, name))
            .collect();
        json!({
            "clinic": clinic.name,
            "clinic_key": peer.short(),
            "study": study.short(),
            "priority": class,
            "instances": count.instances,
            "received": count.received,
            "verified": count.verified,
            "stored": count.stored,
            "committed": count.committed,
            "parked": count.parked,
            "discarded": count.discarded,
            "lost_at_source": count.lost,
            "handoff": handoff,
        })
    }

    fn hand_off_state(
        &self,
        (peer, clinic): (PeerId, &Clinic),
        study: StudyId,
        target: &str,
    ) -> Value {
        let of_study = || clinic.instances.values().filter(|i| i.study == study);
        let parked = |i: &&Instance| {
            let here = |p: &(String, String)| p.0 == target || p.0.is_empty();
            i.parked.as_ref().is_some_and(here)
        };
        let sending = |i: &Instance| i.busy && i.sending.as_deref() == Some(target);
        let waits = |i: &Instance| i.wants_work() && !i.handed.contains_key(target);
        let (state, reason) = if let Some(instance) = of_study().find(parked) {
            let reason = instance.parked.as_ref().map(|p| p.1.clone());
            ("parked", reason.unwrap_or_default())
        } else if of_study().any(sending) {
            ("sending", String::new())
        } else if of_study().any(waits) {
            let troubled = |i: &Instance| {
                let trouble = i.trouble.as_ref().filter(|t| t.target == target);
                trouble.map(|t| t.why.clone())
            };
            let now = self.now();
            let settles = |i: &Instance| i.settles(target, now).then(|| SETTLES.to_owned());
            let trouble = of_study().find_map(troubled);
            let why = trouble.or_else(|| of_study().find_map(settles));
            ("waiting", why.unwrap_or_else(|| self.why_waiting(target)))
        } else if of_study().any(|i| i.stored || i.handed.contains_key(target)) {
            (
                "stored",
                self.why_not_committed((peer, clinic), study, target),
            )
        } else if let Some(reason) = of_study().find_map(|i| i.discarded.as_ref()) {
            ("discarded", format!("given up here: {reason}"))
        } else {
            ("waiting", "nothing is here whole yet".to_owned())
        };
        json!({ "target": target, "state": state, "reason": reason })
    }

    /// What a target says instead of confirming what it has stored of a study.
    fn why_not_committed(
        &self,
        (peer, clinic): (PeerId, &Clinic),
        study: StudyId,
        target: &str,
    ) -> String {
        let of_study = clinic.instances.iter().filter(|(_, i)| i.study == study);
        let mut open = of_study.filter(|(_, i)| !i.committed && i.handed.contains_key(target));
        let why = open.find_map(|(place, _)| self.not_confirmed(target, (peer, *place)));
        why.unwrap_or_default().to_owned()
    }

    fn why_waiting(&self, target: &str) -> String {
        match self.targets.health(target) {
            Some(Health::Down { why, .. }) => why.clone(),
            Some(Health::Paused) => "the target is paused".into(),
            None if !self.registry.targets.contains_key(target) => {
                "there is no target of this name".into()
            }
            _ => String::new(),
        }
    }

    /// What needs a person, with what can be done.
    pub(crate) fn parked_listed(&self) -> Vec<Value> {
        let mut listed = Vec::new();
        for clinic in self.clinics.values() {
            for (place, instance) in &clinic.instances {
                listed.extend(parked(clinic, place, instance));
            }
            let counts = counts(clinic).into_iter().filter(|(_, c)| c.lost > 0);
            listed.extend(counts.map(|(study, count)| lost(clinic, study, count.lost)));
        }
        listed
    }
}

fn parked(clinic: &Clinic, place: &Place, instance: &Instance) -> Option<Value> {
    let (target, reason) = instance.parked.as_ref()?;
    let mut actions = vec!["retry", "export", "discard"];
    if !target.is_empty() {
        actions.insert(1, "release");
    }
    Some(json!({
        "item": place.short(),
        "clinic": clinic.name,
        "study": instance.study.short(),
        "target": target,
        "reason": reason,
        "owner": "administrator of this hub",
        "actions": actions,
    }))
}

fn lost(clinic: &Clinic, study: StudyId, count: u64) -> Value {
    json!({
        "item": format!("study {}", study.short()),
        "clinic": clinic.name,
        "study": study.short(),
        "reason": format!("{count} instances are lost at source: the clinic no longer has them"),
        "owner": clinic.name,
        "actions": ["send the study again at the clinic"],
    })
}

fn counts(clinic: &Clinic) -> BTreeMap<StudyId, Count> {
    let mut counts: BTreeMap<StudyId, Count> = BTreeMap::new();
    for (segment, study) in clinic.sink.segments() {
        let count = counts.entry(study).or_default();
        let (announced, whole) = clinic.sink.instances(segment);
        count.instances += announced;
        count.received += whole;
        count.lost += clinic.sink.lost_at_source(segment).len() as u64;
    }
    for instance in clinic.instances.values() {
        let count = counts.entry(instance.study).or_default();
        count.verified += u64::from(instance.verified);
        count.stored += u64::from(instance.stored);
        count.committed += u64::from(instance.committed);
        count.parked += u64::from(instance.parked.is_some());
        count.discarded += u64::from(instance.discarded.is_some());
    }
    counts
}

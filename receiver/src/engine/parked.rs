//! What people decide about instances.

use karez_host::Failure;
use karez_host::audit::Event;
use karez_protocol::id::PeerId;
use serde_json::{Value, json};

use super::{Engine, Instance, Job};
use crate::command::Decision;
use crate::registry::{Entry, Place, Step};

impl Engine {
    pub(super) fn decide(&mut self, item: &str, decision: Decision) -> Result<Value, Failure> {
        let (peer, place) = self.parked_item(item)?;
        let parked = self.instance(peer, place).and_then(|i| i.parked.clone());
        let (target, _) = parked.unwrap_or_default();
        let (step, said) = match decision {
            Decision::Retry => (Step::Retry, "it is tried again"),
            Decision::Release if target.is_empty() => {
                return Err(
                    Failure::new("it cannot be released: its bytes are not proved")
                        .fix("Use `parked retry`, or `discard` it; the clinic has the original"),
                );
            }
            Decision::Release => (Step::Replace, "it takes the place of what is there"),
            Decision::Discard(reason) => (Step::Discarded(reason), "it is given up here"),
        };
        let study = self.instance(peer, place).map(|i| i.study);
        let mut note = self.line(Event::Resolved).with(item).saying(said);
        (note.study, note.count) = (study, 1);
        self.note(&note);
        let mut entries = Vec::new();
        if step == Step::Replace {
            entries = self.release_patient((peer, place));
        }
        if entries.is_empty() {
            entries.extend(self.hand_off(peer, place, target, step));
        }
        self.write(entries)?;
        Ok(json!(said))
    }

    /// The parked instance that a person means.
    pub(super) fn parked_item(&self, item: &str) -> Result<(PeerId, Place), Failure> {
        let mut found = Vec::new();
        for (peer, clinic) in &self.clinics {
            let is = |(place, i): &(&Place, &Instance)| i.parked.is_some() && place.short() == item;
            let here = clinic.instances.iter().filter(is);
            found.extend(here.map(|(place, _)| (*peer, *place)));
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                Err(Failure::new(format!("nothing parked is called `{item}`"))
                    .fix("See `parked list`"))
            }
            _ => Err(Failure::new(format!("`{item}` is the name of several"))
                .fix("Decide about them when one is left; their segments begin alike")),
        }
    }

    /// A parked instance as a worker would be given it.
    pub(super) fn parked_job(&self, item: &str) -> Result<Job, Failure> {
        let (peer, place) = self.parked_item(item)?;
        let clinic = self.clinics.get(&peer);
        let instance = clinic.and_then(|clinic| clinic.instances.get(&place));
        let (Some(clinic), Some(instance)) = (clinic, instance) else {
            return Err(Failure::new(format!("nothing parked is called `{item}`")));
        };
        Ok(Job::of(peer, clinic, place, instance))
    }

    /// Hands off again what a target was given since then: the target is asked first, so that
    /// nothing is given twice.
    pub(super) fn resend(
        &mut self,
        target: &str,
        since: i64,
        study: Option<&str>,
    ) -> Result<Value, Failure> {
        self.must_have_target(target)?;
        let known = |short: &str| self.studies.keys().any(|(_, id)| id.short() == short);
        if let Some(short) = study.filter(|short| !known(short)) {
            return Err(Failure::new(format!("there is no study `{short}`")).fix("See `status`"));
        }
        let given = self
            .registry
            .ledger
            .iter()
            .filter_map(|((peer, place), steps)| {
                let step = steps.get(target)?;
                let meant = study.is_none_or(|short| step.study.short() == short);
                let stored = step.step.is_there();
                (stored && meant && step.wall >= since).then_some((*peer, *place))
            });
        let (removed, given): (Vec<_>, Vec<(PeerId, Place)>) =
            given.partition(|(_, place)| self.evicted.contains_key(&place.segment));
        let again = |(peer, place): &(PeerId, Place)| {
            self.hand_off(*peer, *place, target.to_owned(), Step::Retry)
        };
        let entries: Vec<Entry> = given.iter().filter_map(again).collect();
        let count = entries.len();
        let note = self.line(Event::Resent).with(&format!("target {target}"));
        self.note(&note.counting(count as u64));
        self.write(entries)?;
        Ok(json!({ "instances": count, "removed": removed.len() }))
    }
}

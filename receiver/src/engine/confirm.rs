//! COMMITTED: what targets confirm some time after they have stored. An instance about which a
//! target does not say so is asked about for ever, after ever longer pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use karez_protocol::id::PeerId;
use karez_protocol::manifest::Proof;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use super::{Engine, Job};
use crate::handoff::Target;
use crate::limits::{CONFIRM_AFTER, CONFIRM_AGAIN, CONFIRM_BATCH};
use crate::registry::{Place, Step};

/// One instance at one target.
type Whose = (PeerId, Place);

/// Instances about which targets are still to be asked.
#[derive(Default)]
pub(super) struct Confirming {
    due: BTreeSet<(Instant, String, Whose)>,
    open: BTreeMap<(String, Whose), Open>,
    /// Targets that are being asked.
    busy: BTreeSet<String>,
    idle: Vec<oneshot::Sender<ConfirmJob>>,
}

struct Open {
    due: Instant,
    pause: Duration,
    /// Why it is not confirmed, in the target's words.
    why: Option<String>,
}

/// What a target is asked to confirm.
pub(crate) struct ConfirmJob {
    pub(crate) name: String,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) jobs: Vec<Job>,
}

/// What became of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// The target keeps it.
    Yes(Proof),
    /// It was asked and has not answered yet.
    Asked,
    /// It does not say so, for this reason.
    No(String),
}

impl Confirming {
    fn put(&mut self, key: (String, Whose), open: Open) {
        self.remove(&key);
        self.due.insert((open.due, key.0.clone(), key.1));
        self.open.insert(key, open);
    }

    fn remove(&mut self, key: &(String, Whose)) -> Option<Open> {
        let open = self.open.remove(key)?;
        self.due.remove(&(open.due, key.0.clone(), key.1));
        Some(open)
    }
}

impl Engine {
    /// Puts an instance on the list for each target that can confirm it and has not.
    pub(super) fn wants_confirming(&mut self, whose: Whose) {
        let now = self.now();
        let Some(instance) = self
            .clinics
            .get(&whose.0)
            .and_then(|c| c.instances.get(&whose.1))
        else {
            return;
        };
        let wants = |name: &&String| {
            let stands = instance.handed.contains_key(*name) && instance.discarded.is_none();
            stands && !instance.confirmed.contains_key(*name) && self.targets.confirms(name)
        };
        let names: Vec<String> = self
            .registry
            .targets
            .keys()
            .filter(wants)
            .cloned()
            .collect();
        for name in names {
            let key = (name, whose);
            if !self.confirming.open.contains_key(&key) {
                let open = Open {
                    due: now + CONFIRM_AFTER,
                    pause: CONFIRM_AGAIN.0,
                    why: None,
                };
                self.confirming.put(key, open);
            }
        }
    }

    /// When the next target is to be asked.
    pub(super) fn confirm_due_at(&self) -> Option<Instant> {
        let waits = !self.confirming.idle.is_empty();
        let mut free = self.confirming.due.iter();
        let next = free.find(|(_, name, _)| !self.confirming.busy.contains(name));
        next.filter(|_| waits).map(|(at, _, _)| *at)
    }

    /// A confirmer has nothing to do.
    pub(super) fn confirmer_idle(&mut self, confirmer: oneshot::Sender<ConfirmJob>) {
        self.confirming.idle.push(confirmer);
    }

    /// Gives confirmers what is due.
    pub(super) fn assign_confirming(&mut self) {
        let now = self.now();
        while !self.confirming.idle.is_empty() {
            let Some(job) = self.next_confirming(now) else {
                return;
            };
            let name = job.name.clone();
            let confirmer = self.confirming.idle.pop();
            if confirmer.is_some_and(|confirmer| confirmer.send(job).is_ok()) {
                self.confirming.busy.insert(name);
            }
        }
    }

    fn next_confirming(&mut self, now: Instant) -> Option<ConfirmJob> {
        loop {
            let due = self
                .confirming
                .due
                .iter()
                .take_while(|(at, _, _)| *at <= now);
            let mut free = due.filter(|(_, name, _)| !self.confirming.busy.contains(name));
            let name = free.next()?.1.clone();
            // Those that are due in a moment go with it: one question for a study, not for each image.
            let soon = now + CONFIRM_AFTER;
            let due = self
                .confirming
                .due
                .iter()
                .take_while(|(at, _, _)| *at <= soon);
            let of_it = due
                .filter(|(_, other, _)| *other == name)
                .take(CONFIRM_BATCH);
            let batch: Vec<Whose> = of_it.map(|(_, _, whose)| *whose).collect();
            let target = self.targets.open(&name, now);
            let (mut jobs, mut rest) = (Vec::new(), Vec::new());
            for whose in batch {
                match (&target, self.job_of(whose)) {
                    (Some(_), Some(job)) => jobs.push(job),
                    (None, Some(_)) => rest.push(whose),
                    (_, None) => drop(self.confirming.remove(&(name.clone(), whose))),
                }
            }
            // A target that takes nothing now is asked when it does.
            rest.into_iter()
                .for_each(|whose| self.ask_again(&name, whose, None));
            if let (Some(target), false) = (target, jobs.is_empty()) {
                return Some(ConfirmJob { name, target, jobs });
            }
        }
    }

    fn job_of(&self, whose: Whose) -> Option<Job> {
        let clinic = self.clinics.get(&whose.0)?;
        let instance = clinic.instances.get(&whose.1)?;
        Some(Job::of(whose.0, clinic, whose.1, instance))
    }

    /// A confirmer is through.
    pub(super) fn confirmer_done(&mut self, name: &str, answers: Vec<(Whose, Confirmed)>) {
        self.confirming.busy.remove(name);
        self.confirmed(name, answers);
    }

    /// What a target says of instances.
    pub(super) fn confirmed(&mut self, name: &str, answers: Vec<(Whose, Confirmed)>) {
        for (whose, answer) in answers {
            match answer {
                Confirmed::Yes(proof) => {
                    let step = Step::Committed(proof);
                    let stands = self.instance(whose.0, whose.1);
                    if stands.is_some_and(|instance| instance.handed.contains_key(name)) {
                        let entry = self.hand_off(whose.0, whose.1, name.to_owned(), step);
                        entry.into_iter().for_each(|entry| self.stage(entry));
                    }
                    self.confirming.remove(&(name.to_owned(), whose));
                }
                Confirmed::Asked => self.ask_again(name, whose, None),
                Confirmed::No(why) => {
                    debug!(place = whose.1.short(), target = name, why, "not committed");
                    self.ask_again(name, whose, Some(why));
                }
            }
        }
    }

    fn ask_again(&mut self, name: &str, whose: Whose, why: Option<String>) {
        let now = self.now();
        let key = (name.to_owned(), whose);
        if let Some(open) = self.confirming.remove(&key) {
            let again = Open {
                due: now + open.pause,
                pause: (open.pause * 2).min(CONFIRM_AGAIN.1),
                why: why.or(open.why),
            };
            self.confirming.put(key, again);
        }
    }

    /// Why a target does not confirm an instance that it has stored.
    pub(crate) fn not_confirmed(&self, name: &str, whose: Whose) -> Option<&str> {
        let open = self.confirming.open.get(&(name.to_owned(), whose))?;
        open.why.as_deref()
    }

    /// An instance is handed off again: what was confirmed counts no more.
    pub(super) fn forget_confirming(&mut self, name: &str, whose: Whose) {
        self.confirming.remove(&(name.to_owned(), whose));
    }
}

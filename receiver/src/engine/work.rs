//! Giving instances to workers, and taking their word.

use std::time::Duration;

use karez_protocol::id::PeerId;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use super::job::Report;
use super::queue::Key;
use super::{Engine, Express, Job, JobTarget, News, Outcome, Troubled};
use crate::limits::{EXPRESS_INSTANCE, LACK_RETRY, TARGET_PAUSE};
use crate::registry::{Entry, HandOff, Place, Step};
use crate::settings::ClinicRule;

/// How long an instance is left alone after the store did not give it.
const LATER: Duration = Duration::from_secs(5);

/// What can be done about a queued instance.
enum Choice {
    Take(Box<Job>),
    /// Not by this worker, or not now.
    Pass,
    /// Its targets take nothing now.
    Aside,
    /// Nothing is to be done.
    Drop,
}

impl Engine {
    /// Gives work to idle workers.
    pub(super) fn assign(&mut self) {
        let now = self.now();
        self.queue.forget_retries_before(now);
        if self.targets.notice_due(now) {
            self.queue.bring_back();
        }
        for (express, worker) in std::mem::take(&mut self.idle) {
            if worker.is_closed() {
                continue;
            }
            match self.next_job(express, now) {
                Some(job) => self.begin(&job, worker),
                None => self.idle.push((express, worker)),
            }
        }
    }

    fn next_job(&mut self, express: Express, now: Instant) -> Option<Job> {
        let mut last = None;
        while let Some(key) = self.queue.next(last) {
            last = Some(key);
            match self.choose(&key, express, now) {
                Choice::Take(job) => return Some(*job),
                Choice::Pass => {}
                Choice::Aside => self.queue.set_aside(key),
                Choice::Drop => self.queue.remove(key.whose()),
            }
        }
        None
    }

    fn choose(&self, key: &Key, express: Express, now: Instant) -> Choice {
        let (peer, place) = key.whose();
        let Some(clinic) = self.clinics.get(&peer) else {
            return Choice::Drop;
        };
        let Some(instance) = clinic.instances.get(&place).filter(|i| i.wants_work()) else {
            return Choice::Drop;
        };
        let long = express == Express::Short && instance.length > EXPRESS_INSTANCE;
        let waits = instance.retry_at.is_some_and(|at| at > now);
        if instance.busy || long || waits || self.queue.is_under_way(peer, instance.fingerprint) {
            return Choice::Pass;
        }
        let rests = |name: &str| {
            let trouble = instance.trouble.as_ref();
            trouble.is_some_and(|t| t.target == name && t.until > now)
        };
        let owed = self.targets_of(&clinic.name);
        let mut resting = owed.iter().any(|name| rests(name));
        let owed = owed
            .iter()
            .filter(|name| !instance.handed.contains_key(*name) && !rests(name));
        let mut targets = Vec::new();
        for name in owed {
            let Some(target) = self.targets.open(name, now) else {
                continue;
            };
            if instance.settles(name, now) && target.stores_after_a_cut() {
                resting = true;
                continue;
            }
            targets.push(JobTarget {
                name: name.clone(),
                target,
                replace: instance.replace.contains(name),
                alone: instance.trouble.as_ref().is_some_and(Troubled::is_last),
                in_doubt: instance.sending.as_ref() == Some(name),
            });
        }
        match instance.verified && targets.is_empty() {
            true if resting => return Choice::Pass,
            true => return Choice::Aside,
            false => {}
        }
        Choice::Take(Box::new(Job {
            targets,
            calling: self.rule(&clinic.name).and_then(ClinicRule::title),
            ..Job::of(peer, clinic, place, instance)
        }))
    }

    fn begin(&mut self, job: &Job, worker: oneshot::Sender<Job>) {
        if worker.send(job.clone()).is_err() {
            return;
        }
        self.queue.begin((job.clinic, job.place), job.fingerprint);
        for target in &job.targets {
            self.targets.asking(&target.name);
        }
        if let Some(instance) = self.instance(job.clinic, job.place) {
            instance.busy = true;
        }
    }

    /// A worker has come further.
    pub(super) fn reported(&mut self, report: Report, done: oneshot::Sender<Result<(), String>>) {
        let (peer, place) = (report.clinic, report.place);
        let (target, step) = match report.news {
            News::Verified => {
                if let Some(instance) = self.instance(peer, place) {
                    instance.verified = true;
                }
                self.has_verified(peer, place);
                self.settle(peer, place);
                return answered(done);
            }
            News::Down(target, why) => {
                self.target_is_down(&target, why, TARGET_PAUSE.1);
                return answered(done);
            }
            News::Through => return answered(done),
            News::Trouble(target, trouble, why) => {
                return self.has_trouble((peer, place), &target, (trouble, why), done);
            }
            News::NotGiven(target) => {
                return match self.did_not_give((peer, place), &target) {
                    Some(entry) => self.stage_for(entry, done),
                    None => answered(done),
                };
            }
            News::Sending(target) => {
                let given = self.gives((peer, place), &target);
                given.into_iter().for_each(|entry| self.stage(entry));
                (target, Step::Sending)
            }
            News::Stored(target, proof, content) => {
                let given = content.and_then(|content| self.gave((peer, place), &target, content));
                given.into_iter().for_each(|entry| self.stage(entry));
                (target, Step::Stored(proof))
            }
            News::Parked(target, reason) => (target, Step::Parked(reason)),
        };
        match self.hand_off(peer, place, target, step) {
            Some(entry) => self.stage_for(entry, done),
            None => answered(done),
        }
    }

    /// A worker is through with an instance.
    pub(super) fn done(&mut self, report: &Report, outcome: Outcome) {
        let (peer, place, now) = (report.clinic, report.place, self.now());
        let pause = match outcome {
            Outcome::Through => None,
            Outcome::Lacks(segment, record) => {
                self.lacks(peer, segment, record);
                Some(LACK_RETRY)
            }
            Outcome::Later(why) => {
                debug!(
                    place = place.short(),
                    why, "an instance is tried again later"
                );
                Some(LATER)
            }
        };
        let retry_at = pause.map(|pause| self.queue.retry_later(now, pause));
        let Some(instance) = self.instance(peer, place) else {
            return;
        };
        instance.busy = false;
        instance.retry_at = retry_at;
        let print = instance.fingerprint;
        self.queue.end((peer, place), print);
        self.release_claims((peer, place));
        let names: Vec<String> = self.registry.targets.keys().cloned().collect();
        names.iter().for_each(|name| self.targets.asked(name));
        self.enqueue(peer, place);
    }

    /// Puts an instance into the queue if it wants work.
    pub(super) fn enqueue(&mut self, peer: PeerId, place: Place) {
        let Some(clinic) = self.clinics.get(&peer) else {
            return;
        };
        let Some(instance) = clinic.instances.get(&place) else {
            return;
        };
        if instance.busy || !instance.wants_work() {
            if !instance.busy {
                self.queue.remove((peer, place));
            }
            return;
        }
        let class = self.class_of(clinic, instance.study);
        let order = self.studies.get(&(peer, instance.study)).copied();
        let last = instance.trouble.as_ref().is_some_and(Troubled::is_last);
        let key = Key::new(class, order.unwrap_or(0), peer, place);
        self.queue.put(key.last(last));
    }

    /// A study's class has changed.
    pub(super) fn requeue_study(&mut self, peer: PeerId, study: karez_protocol::id::StudyId) {
        let Some(clinic) = self.clinics.get(&peer) else {
            return;
        };
        let of_study = clinic.instances.iter().filter(|(_, i)| i.study == study);
        let places: Vec<Place> = of_study.map(|(place, _)| *place).collect();
        places
            .into_iter()
            .for_each(|place| self.enqueue(peer, place));
    }

    /// All instances that are not done.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (PeerId, Place)> + use<> {
        let all = self.clinics.iter().flat_map(|(peer, clinic)| {
            let open = clinic.instances.iter().filter(|(_, i)| !i.stored);
            open.map(|(place, _)| (*peer, *place))
        });
        all.collect::<Vec<_>>().into_iter()
    }

    /// A step of an instance's hand-off, as the ledger has it.
    pub(super) fn hand_off(
        &self,
        clinic: PeerId,
        place: Place,
        target: String,
        step: Step,
    ) -> Option<Entry> {
        let instance = self.clinics.get(&clinic)?.instances.get(&place)?;
        Some(Entry::HandOff(HandOff {
            clinic,
            study: instance.study,
            place,
            fingerprint: instance.fingerprint,
            target,
            wall: self.env.wall(),
            step,
        }))
    }
}

pub(super) fn answered(done: oneshot::Sender<Result<(), String>>) {
    // A worker that has gone needs no answer.
    let _ = done.send(Ok(()));
}

//! A plan played on the shipped daemons.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use karez_dimse::stub::Behaviour;
use karez_host::Failure;
use karez_receiver::{Command, command::Decision};
use karez_sender::{Handle, Sender, Work};
use karez_store::{Fault, MemDisk};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Verdict;
use super::log::Ear;
use super::plan::{Event, Plan, Who};
use crate::calendar::{Place, SiteCalendar};
use crate::link::Link;
use crate::run::Model;
use crate::run::clinic::Clinic;
use crate::run::hub::Hub;
use crate::seed::Seed;
use crate::workload;
use crate::world::Air;

/// Bytes per second that machines pack.
const SPEED: u64 = 20_000_000;
/// How long a healed world may take until everything has arrived.
const PATIENCE: Duration = Duration::from_secs(3 * 86_400);
/// How often a healed world is looked at.
const LOOK: Duration = Duration::from_secs(60);
/// A modality tries again after so long.
pub(super) const RETRY: Duration = Duration::from_secs(20);
/// Broken rules that are kept.
const KEPT: usize = 8;

/// A world that is played.
pub(super) struct World {
    pub(super) seed: Seed,
    start: Instant,
    pub(super) ear: Ear,
    pub(super) air: Air,
    pub(super) hub: Hub,
    pub(super) nodes: Vec<Node>,
    pub(super) model: Model,
    /// By clinic and study: its index in the model.
    pub(super) studies: BTreeMap<(usize, u64), usize>,
    broken: Vec<String>,
    pub(super) tasks: JoinSet<()>,
    pub(super) kills: u64,
    /// A copy of the hub's disk.
    pub(super) backup: Option<MemDisk>,
    /// The hub was restored from one: what it no longer knows, a person may have to decide.
    pub(super) restored: bool,
    /// Syncs of the hub and of each clinic before the time of the world began.
    syncs: Vec<u64>,
    /// Calls of these disks before it.
    calls: Vec<u64>,
    /// How often a modality was refused an instance.
    pub(super) refused: Arc<AtomicU64>,
}

/// A clinic that may be off.
pub(super) struct Node {
    pub(super) clinic: Arc<Clinic>,
    pub(super) sender: Option<Sender>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Event(Event),
    Power(Who),
    Cut(Who, u64),
    Room(Who),
    Writable(Who),
    Archive,
}

/// Plays a plan on a runtime of its own.
pub(super) fn play(plan: &Plan, aloud: bool) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let failed = |what: String| Verdict {
        instances: 0,
        syncs: Vec::new(),
        calls: Vec::new(),
        said: 0,
        broken: vec![what],
        trace_hash: String::new(),
    };
    match runtime {
        Err(error) => failed(format!("no runtime: {error}")),
        Ok(runtime) => runtime.block_on(async {
            let ear = Ear::new(aloud);
            let _guard = tracing::subscriber::set_default(ear.clone());
            match World::set_up(plan, ear).await {
                Ok(world) => world.play(plan).await,
                Err(failure) => failed(format!("the world could not be set up: {failure}")),
            }
        }),
    }
}

impl World {
    async fn set_up(plan: &Plan, ear: Ear) -> Result<Self, Failure> {
        let (air, seed) = (Air::new(), Seed::new(plan.seed));
        let hub = Hub::start_new(&air, seed, SPEED, plan.keep_stored()).await?;
        let mut nodes = Vec::new();
        for index in 0..plan.lines.len() {
            let name = format!("clinic{index}");
            let clinic = Clinic::new(&air, index, &name, seed, SPEED);
            air.join(clinic.site, crate::run::workshop(index)?);
            clinic.set_up(&hub.invite(&name).await?).await?;
            nodes.push(Node {
                clinic: Arc::new(clinic),
                sender: None,
            });
        }
        air.restart();
        let mut world = Self {
            seed,
            start: Instant::now(),
            ear,
            model: Model::watching(&hub.pacs, &air),
            air,
            hub,
            nodes,
            studies: BTreeMap::new(),
            broken: Vec::new(),
            tasks: JoinSet::new(),
            kills: 0,
            backup: None,
            restored: false,
            syncs: Vec::new(),
            calls: Vec::new(),
            refused: Arc::default(),
        };
        world.syncs = world.count(MemDisk::syncs);
        world.calls = world.count(MemDisk::calls);
        world.lay_lines(plan)?;
        Ok(world)
    }

    fn lay_lines(&mut self, plan: &Plan) -> Result<(), Failure> {
        for (index, line) in plan.lines.iter().enumerate() {
            let outage = |timed: &super::Timed| match timed.event {
                Event::LineDown { clinic, for_ms } if clinic == index => {
                    let seconds = |ms: u64| ms as f64 / 1e3;
                    Some((seconds(timed.at_ms), seconds(timed.at_ms + for_ms.max(1))))
                }
                _ => None,
            };
            let outages: Vec<_> = plan.events.iter().filter_map(outage).collect();
            let profile = line.profile(&outages);
            let profile = profile.map_err(|e| Failure::new(e.to_string()))?;
            let name = format!("clinic{index}");
            let horizon = plan.length() + PATIENCE * 2;
            let place = Place::alone(plan.seed, &name, horizon);
            let link = Link::new(&profile, &SiteCalendar::draw(&profile, &place), &place);
            if let Some(node) = self.nodes.get(index) {
                self.air.join(node.clinic.site, link);
            }
        }
        Ok(())
    }

    async fn play(mut self, plan: &Plan) -> Verdict {
        let mut steps: BTreeMap<(Duration, u64), Step> = BTreeMap::new();
        for (number, timed) in (1000..).zip(&plan.events) {
            let at = Duration::from_millis(timed.at_ms);
            steps.insert((at, number), Step::Event(timed.event));
        }
        for index in 0..self.nodes.len() {
            steps.insert(
                (Duration::ZERO, index as u64),
                Step::Power(Who::Clinic(index)),
            );
        }
        self.list_studies(plan);
        let mut number = 1_000_000;
        while let Some(((at, _), step)) = steps.pop_first() {
            sleep_until(self.start + at).await;
            self.ear.say(&format!("== {step:?}"));
            for (after, next) in self.step(step).await {
                number += 1;
                steps.insert((at + after, number), next);
            }
            self.check().await;
            if !self.broken.is_empty() {
                return self.verdict();
            }
        }
        self.heal().await;
        self.verdict()
    }

    /// Tells the model of every study, with every instance that it will have.
    fn list_studies(&mut self, plan: &Plan) {
        let mut due: BTreeMap<(usize, u64), workload::Study> = BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for timed in &plan.events {
            let Event::HandIn {
                clinic,
                study,
                number,
                bytes,
                ..
            } = timed.event
            else {
                continue;
            };
            if clinic >= self.nodes.len() || !seen.insert((clinic, study, number)) {
                continue;
            }
            let known = due
                .entry((clinic, study))
                .or_insert_with(|| workload::Study {
                    number: study,
                    at: Duration::from_millis(timed.at_ms),
                    class: workload::Class::Routine,
                    modality: "drawn".into(),
                    instances: Vec::new(),
                    follows: None,
                });
            known.instances.push(bytes);
        }
        for ((clinic, study), what) in due {
            let known = self.model.state().due(clinic, &what);
            self.studies.insert((clinic, study), known);
        }
    }

    /// Does a step; what follows from it, and after how long.
    async fn step(&mut self, step: Step) -> Vec<(Duration, Step)> {
        match step {
            Step::Event(event) => return self.event(event),
            Step::Power(who) => return self.power(who).await,
            Step::Cut(who, off_ms) => return self.cut(who, off_ms),
            Step::Room(who) => {
                if let Some(disk) = self.disk(who) {
                    disk.set_capacity(None);
                }
            }
            Step::Writable(who) => {
                if let Some(disk) = self.disk(who) {
                    disk.set_read_only(false);
                }
            }
            Step::Archive => self.hub.pacs.behave(|b| *b = Behaviour::default()),
        }
        Vec::new()
    }

    /// Ends every fault and demands that everything arrives.
    async fn heal(&mut self) {
        self.ear.say("== healed");
        self.hub.pacs.behave(|b| *b = Behaviour::default());
        for who in (0..self.nodes.len()).map(Who::Clinic).chain([Who::Hub]) {
            if let Some(disk) = self.disk(who) {
                disk.mend();
                disk.set_read_only(false);
                disk.set_capacity(None);
                disk.fail_at(0, Fault::Io, false);
            }
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && self.broken.is_empty() {
            for who in (0..self.nodes.len()).map(Who::Clinic).chain([Who::Hub]) {
                self.power(who).await;
            }
            if self.tasks.try_join_next().is_none()
                && self.tasks.is_empty()
                && self.is_complete().await
            {
                self.check_resent().await;
                return self.check().await;
            }
            self.release_parked().await;
            self.check().await;
            sleep(LOOK).await;
        }
        if self.broken.is_empty() {
            self.explain().await;
        }
    }

    /// What a person at the hub does once the archive is well again.
    async fn release_parked(&mut self) {
        let Ok(parked) = self.hub.ask(Command::Parked {}).await else {
            return;
        };
        for item in parked.as_array().into_iter().flatten() {
            let retry = Command::Decide {
                item: item["item"].as_str().unwrap_or_default().to_owned(),
                decision: Decision::Retry,
            };
            // What cannot be tried again is named in the end.
            let _ = self.hub.ask(retry).await;
        }
    }

    /// Something of the hub's disk, and of each clinic's.
    fn count(&self, of: fn(&MemDisk) -> u64) -> Vec<u64> {
        let all = [Who::Hub].into_iter();
        let all = all.chain((0..self.nodes.len()).map(Who::Clinic));
        all.filter_map(|who| Some(of(&self.disk(who)?))).collect()
    }

    /// Connections of all clinics whose handshake came through.
    pub(super) fn connections(&self) -> u64 {
        let of = |node: &Node| {
            self.air
                .meter(node.clinic.site, |meter| meter.connections())
        };
        self.nodes.iter().map(of).sum()
    }

    pub(super) fn break_with(&mut self, what: String) {
        self.ear.say(&format!("== BROKEN: {what}"));
        if self.broken.len() < KEPT {
            self.broken.push(what);
        }
    }

    fn verdict(self) -> Verdict {
        let mut hash = blake3::Hasher::new();
        for node in &self.nodes {
            let trace = self.air.link(node.clinic.site, Link::trace_hash);
            hash.update(trace.unwrap_or_default().as_bytes());
        }
        let model = self.model.state();
        hash.update(&model.trace());
        let since = |now: Vec<u64>, then: &[u64]| {
            let both = now.into_iter().zip(then);
            both.map(|(now, then)| now - then).collect()
        };
        Verdict {
            instances: model.instances().accepted,
            syncs: since(self.count(MemDisk::syncs), &self.syncs),
            calls: since(self.count(MemDisk::calls), &self.calls),
            said: self.refused.load(Ordering::Relaxed) + self.ear.warnings(),
            broken: self.broken.clone(),
            trace_hash: hash.finalize().to_hex().to_string(),
        }
    }
}

impl Node {
    pub(super) fn handle(&self) -> Option<Handle> {
        self.sender.as_ref().map(Sender::handle)
    }

    pub(super) fn start(&mut self) -> Result<(), Failure> {
        if self.sender.is_none() {
            let sender = self.clinic.start(Work::All)?;
            self.clinic.show(Some(sender.handle()));
            self.sender = Some(sender);
        }
        Ok(())
    }
}

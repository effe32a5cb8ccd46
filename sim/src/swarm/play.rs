//! A plan played on the shipped daemons.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use karez_dimse::Status;
use karez_dimse::stub::Behaviour;
use karez_host::Failure;
use karez_protocol::priority::Class;
use karez_receiver::{Command, command::Decision};
use karez_sender::{Handle, Sender, Work};
use karez_store::{Disk, EntryKind, Fault, MemDisk};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Verdict;
use super::log::Ear;
use super::plan::{Event, Misdeed, Plan, Who};
use crate::calendar::{Place, SiteCalendar};
use crate::link::Link;
use crate::run::clinic::{Clinic, give};
use crate::run::hub::Hub;
use crate::run::{Model, Opaque};
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
const RETRY: Duration = Duration::from_secs(20);
/// A fault of the disk is followed by the end of the power.
const DYING: Duration = Duration::from_secs(2);
/// Broken rules that are kept.
const KEPT: usize = 8;

/// A world that is played.
pub(super) struct World {
    seed: Seed,
    start: Instant,
    pub(super) ear: Ear,
    air: Air,
    pub(super) hub: Hub,
    pub(super) nodes: Vec<Node>,
    pub(super) model: Model,
    /// By clinic and study: its index in the model.
    studies: BTreeMap<(usize, u64), usize>,
    broken: Vec<String>,
    tasks: JoinSet<()>,
    kills: u64,
}

/// A clinic that may be off.
pub(super) struct Node {
    clinic: Arc<Clinic>,
    sender: Option<Sender>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Event(Event),
    Power(Who),
    Cut(Who, u64),
    Room(Who),
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
        let hub = Hub::start_new(&air, seed, SPEED).await?;
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
        };
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
            Step::Archive => self.hub.pacs.behave(|b| *b = Behaviour::default()),
        }
        Vec::new()
    }

    fn event(&mut self, event: Event) -> Vec<(Duration, Step)> {
        let after = |ms: u64, step| vec![(Duration::from_millis(ms), step)];
        match event {
            Event::HandIn {
                clinic,
                study,
                number,
                bytes,
                class,
            } => {
                self.hand_in((clinic, study, number), bytes, class);
            }
            Event::Kill { who, off_ms } => return self.cut(who, off_ms),
            Event::KillAtCall { who, calls, off_ms } => {
                if let Some(disk) = self.disk(who) {
                    disk.kill_at_call(calls.max(1));
                }
                return vec![(DYING, Step::Cut(who, off_ms))];
            }
            Event::DiskFault { who, calls } => {
                if let Some(disk) = self.disk(who) {
                    disk.fail_at(calls.max(1), Fault::Io, false);
                }
            }
            Event::DiskFull { who, for_ms } => {
                if let Some(disk) = self.disk(who) {
                    let used = disk.space(Path::new("/")).map_or(0, |s| s.total - s.free);
                    disk.set_capacity(Some(used + 20_000));
                    return after(for_ms, Step::Room(who));
                }
            }
            Event::RotAtHub { pick, bit } => self.rot(pick, bit),
            Event::Clock { clinic, off_s } => {
                if let Some(node) = self.nodes.get(clinic) {
                    node.clinic.machine.set_clock_off(off_s);
                }
            }
            // It is in the line's calendar.
            Event::LineDown { .. } => {}
            Event::Archive { how, for_ms } => {
                let all = self.model.state().uids();
                self.hub.pacs.behave(|b| *b = misbehave(how, all));
                return after(for_ms, Step::Archive);
            }
        }
        Vec::new()
    }

    fn disk(&self, who: Who) -> Option<MemDisk> {
        match who {
            Who::Hub => Some(self.hub.machine.disk().clone()),
            Who::Clinic(index) => Some(self.nodes.get(index)?.clinic.machine.disk().clone()),
        }
    }

    /// The power goes; it comes back by itself. A machine that is off comes back when it was to,
    /// with a disk that works again.
    fn cut(&mut self, who: Who, off_ms: u64) -> Vec<(Duration, Step)> {
        self.kills += 1;
        let torn = self.seed.child("torn").nth(self.kills).dice().bits();
        let was_on = match who {
            Who::Hub => {
                let was_on = self.hub.handle().is_some();
                self.hub.kill(torn);
                was_on
            }
            Who::Clinic(index) => self.nodes.get_mut(index).is_some_and(|node| {
                node.clinic.kill(self.kills);
                node.sender.take().is_some()
            }),
        };
        match was_on {
            true => vec![(Duration::from_millis(off_ms.max(1000)), Step::Power(who))],
            false => Vec::new(),
        }
    }

    /// The power is back. What does not start tries again, as under a service manager.
    async fn power(&mut self, who: Who) -> Vec<(Duration, Step)> {
        let started = match who {
            Who::Hub => self.hub.start().await,
            Who::Clinic(index) => match self.nodes.get_mut(index) {
                Some(node) => node.start(),
                None => Ok(()),
            },
        };
        match started {
            Ok(()) => Vec::new(),
            Err(failure) => {
                self.ear.say(&format!("== does not start: {failure}"));
                vec![(RETRY, Step::Power(who))]
            }
        }
    }

    /// Lets a modality hand an instance in until it is taken.
    fn hand_in(&mut self, (clinic, study, number): (usize, u64, u64), bytes: u64, class: u8) {
        let (Some(node), Some(known)) = (
            self.nodes.get(clinic),
            self.studies.get(&(clinic, study)).copied(),
        ) else {
            return;
        };
        let seed = self.seed.child("study").nth(clinic as u64).nth(study);
        let made = Opaque::new(seed, number, bytes);
        let (window, model, air) = (
            node.clinic.window.clone(),
            self.model.clone(),
            self.air.clone(),
        );
        let class = match class {
            0 => Class::Stat,
            1 => Class::Urgent,
            2 => Class::Routine,
            _ => Class::Bulk,
        };
        self.tasks.spawn(async move {
            let length = made.file.len() as u64;
            model
                .state()
                .offered(known, &made.uid, made.fingerprint, length);
            loop {
                let handle = window.lock().ok().and_then(|handle| handle.clone());
                if let Some(handle) = handle
                    && let Ok(ticket) = give(&handle, &made.file, class).await
                {
                    let now = air.elapsed();
                    return model.state().accepted(now, &made.uid, ticket.order);
                }
                sleep(RETRY).await;
            }
        });
    }

    /// A bit of one of the hub's packs rots.
    fn rot(&self, pick: u64, bit: u64) {
        let disk = self.hub.machine.disk();
        let mut packs = Vec::new();
        packs_below(disk, Path::new("/hub"), &mut packs);
        let picked = pick.checked_rem(packs.len() as u64).unwrap_or(0);
        let Some(path) = usize::try_from(picked).ok().and_then(|n| packs.get(n)) else {
            return;
        };
        let length = disk.len(path).ok().flatten().unwrap_or(0);
        if let Some(bit) = bit.checked_rem(length * 8) {
            // An empty pack has no bit.
            let _ = disk.rot(path, bit);
        }
    }

    /// Ends every fault and demands that everything arrives.
    async fn heal(&mut self) {
        self.ear.say("== healed");
        self.hub.pacs.behave(|b| *b = Behaviour::default());
        for who in (0..self.nodes.len()).map(Who::Clinic).chain([Who::Hub]) {
            if let Some(disk) = self.disk(who) {
                disk.mend();
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

    pub(super) fn break_with(&mut self, what: String) {
        self.ear.say(&format!("== BROKEN: {what}"));
        if self.broken.len() < KEPT {
            self.broken.push(what);
        }
    }

    fn verdict(self) -> Verdict {
        let mut hash = blake3::Hasher::new();
        for node in &self.nodes {
            let trace = self.air.link(node.clinic.site, |link| link.trace_hash());
            hash.update(trace.unwrap_or_default().as_bytes());
        }
        let model = self.model.state();
        hash.update(&model.trace());
        Verdict {
            instances: model.instances().accepted,
            broken: self.broken.clone(),
            trace_hash: hash.finalize().to_hex().to_string(),
        }
    }
}

impl Node {
    pub(super) fn handle(&self) -> Option<Handle> {
        self.sender.as_ref().map(Sender::handle)
    }

    fn start(&mut self) -> Result<(), Failure> {
        if self.sender.is_none() {
            let sender = self.clinic.start(Work::All)?;
            self.clinic.show(Some(sender.handle()));
            self.sender = Some(sender);
        }
        Ok(())
    }
}

fn misbehave(how: Misdeed, all: Vec<karez_dimse::Uid>) -> Behaviour {
    let mut b = Behaviour::default();
    match how {
        Misdeed::Down => b.down = true,
        Misdeed::Slow => b.delay = Duration::from_secs(10),
        Misdeed::Full => b.answer = Some(Status::OUT_OF_RESOURCES),
        Misdeed::Refuses => b.answer = Some(Status::CANNOT_UNDERSTAND),
        Misdeed::CutsBeforeAnswer => b.cut_before_answer = all.into_iter().collect(),
        Misdeed::Aborts => b.abort_on = all.into_iter().collect(),
    }
    b
}

fn packs_below(disk: &MemDisk, dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in disk.entries(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        if entry.kind == EntryKind::Directory {
            packs_below(disk, &path, into);
        } else if path.extension().is_some_and(|e| e == "pack") {
            into.push(path);
        }
    }
}

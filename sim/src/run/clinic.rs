//! One clinic of a world: its box comes and goes with its power, and its modalities hand in.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_host::Failure;
use karez_protocol::priority::Class;
use karez_sender::{Given, Handle, LevelChoice, Sender, Settings, Ticket, Work};
use karez_store::Disk;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::model::Model;
use super::opaque::Opaque;
use crate::calendar::{BootClock, SiteCalendar};
use crate::seed::Seed;
use crate::workload::{self, Study};
use crate::world::{Air, Machine, SiteId};

const DATA: &str = "/clinic";
/// A modality whose image was not taken tries again after so long.
const RETRY: Duration = Duration::from_secs(30);
/// A box restarts a program that did not start.
const RESTART: Duration = Duration::from_secs(60);
/// How long joining may take on the line of the workshop.
const JOINING: Duration = Duration::from_secs(600);
/// A nearly full disk is full to this share.
const NEARLY_FULL: f64 = 0.95;

/// The running sender, for whoever looks on; none while the box is off.
pub(crate) type Window = Arc<Mutex<Option<Handle>>>;

/// A clinic.
pub(crate) struct Clinic {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) site: SiteId,
    pub(crate) machine: Arc<Machine>,
    pub(crate) window: Window,
    seed: Seed,
    settings: Settings,
}

/// A study that a modality hands in, as far as it has come.
pub(crate) struct Due {
    study: Study,
    seed: Seed,
    /// Its index in the model.
    known: usize,
    next: usize,
    /// Real files, instead of made ones.
    files: Vec<PathBuf>,
}

impl Clinic {
    pub(crate) fn new(air: &Air, index: usize, name: &str, seed: Seed, speed: u64) -> Self {
        let site = SiteId(u16::try_from(index + 1).unwrap_or(u16::MAX));
        let seed = seed.child("clinic").child(name);
        let machine = Machine::new(air, site.ip(), seed.child("machine")).with_speed(speed);
        Self {
            index,
            name: name.to_owned(),
            site,
            machine: Arc::new(machine),
            window: Window::default(),
            seed,
            settings: settings(),
        }
    }

    /// Joins the hub, on a line that works, before the clinic is brought to its site.
    ///
    /// # Errors
    /// It does not start or does not join.
    pub(crate) async fn set_up(&self, invitation: &str) -> Result<(), Failure> {
        let made = self.machine.disk().create_dir_all(Path::new(DATA));
        made.map_err(|e| Failure::new(format!("the clinic's disk: {e}")))?;
        let sender = self.start(Work::All)?;
        let handle = sender.handle();
        handle.join(invitation).await?;
        let joined = async {
            while handle.hub().is_none_or(|hub| hub.token.is_some()) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let joined = timeout(JOINING, joined).await;
        sender.stop().await?;
        joined.map_err(|_| Failure::new(format!("clinic {} does not join", self.name)))
    }

    /// Lives through its calendar.
    pub(crate) async fn live(self: Arc<Self>, world: Outside, mut due: VecDeque<Due>) {
        let spans = world.calendar.box_on.clone();
        for (number, (from, to)) in spans.as_slice().iter().enumerate() {
            sleep_until(world.start + *from).await;
            self.set_clock(&world.calendar, *from);
            let power = async {
                if *to < world.calendar.horizon {
                    sleep_until(world.start + *to).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = power => {}
                () = self.run(&world, &mut due) => {}
            }
            self.kill(number as u64);
        }
    }

    /// Its power goes.
    pub(crate) fn kill(&self, number: u64) {
        self.show(None);
        let torn = self.seed.child("torn").nth(number).dice().bits();
        self.machine.kill(torn);
    }

    /// Runs the sender and hands in what is due, for ever.
    pub(crate) async fn run(&self, world: &Outside, due: &mut VecDeque<Due>) {
        let sender = loop {
            match self.start(Work::All) {
                Ok(sender) => break sender,
                Err(failure) => {
                    world.fault(format!("clinic {} does not start: {failure}", self.name));
                    sleep(RESTART).await;
                }
            }
        };
        let handle = sender.handle();
        self.show(Some(handle.clone()));
        while let Some(next) = due.front_mut() {
            sleep_until(world.start + next.study.at).await;
            while let Some(bytes) = next.study.instances.get(next.next).copied() {
                match hand_in(&handle, next, bytes, world).await {
                    Ok(()) => next.next += 1,
                    Err(_) => sleep(RETRY).await,
                }
            }
            due.pop_front();
        }
        handle.ended().await;
        world.fault(format!("the engine of clinic {} ended", self.name));
    }

    pub(crate) fn start(&self, work: Work) -> Result<Sender, Failure> {
        let env = self.machine.env();
        Sender::start(env, Path::new(DATA), self.settings.clone(), work)
    }

    /// Lets the disk be nearly full at its hours.
    pub(crate) async fn fill_disk(self: Arc<Self>, world: Outside) {
        let disk = self.machine.disk();
        for (from, to) in world.calendar.disk_full.as_slice() {
            sleep_until(world.start + *from).await;
            let used = disk.space(Path::new(DATA)).map(|s| s.total - s.free);
            let room = used.unwrap_or(0) as f64 / NEARLY_FULL;
            disk.set_capacity(Some(room as u64));
            sleep_until(world.start + *to).await;
            disk.set_capacity(None);
        }
    }

    /// Tells the machine of every link-up that it can see, and the meter of every one at which
    /// something is owed.
    pub(crate) async fn watch_link(self: Arc<Self>, world: Outside) {
        let mut at = Duration::ZERO;
        let usable = world.calendar.usable();
        loop {
            let seen = world.air.link(self.site, |link| link.next_signal(at));
            let seen = seen.flatten().map(|(when, up)| (when, up, false));
            let real = usable.next_change(at).map(|(when, up)| (when, up, true));
            let Some((when, _, _)) = seen.into_iter().chain(real).min() else {
                return;
            };
            sleep_until(world.start + when).await;
            at = when;
            if seen.is_some_and(|(t, up, _)| t == when && up) {
                self.machine.link_up();
            }
            let up = real.is_some_and(|(t, up, _)| t == when && up);
            if up && world.model.state().bytes_of(self.index).0 > 0 {
                world.air.meter(self.site, |meter| meter.link_up(when));
            }
        }
    }

    /// Shows the running sender to whoever looks on.
    pub(crate) fn show(&self, handle: Option<Handle>) {
        *self.window() = handle;
    }

    /// The running sender, if one runs now.
    pub(crate) fn running(&self) -> Option<Handle> {
        self.window().clone()
    }

    fn set_clock(&self, calendar: &SiteCalendar, at: Duration) {
        let boot = calendar.boots.iter().find(|boot| boot.at == at);
        match boot.map(|boot| boot.clock) {
            Some(BootClock::OffBy(seconds)) => self.machine.set_clock_off(seconds),
            Some(BootClock::Epoch) => self.machine.set_clock_to_epoch(),
            Some(BootClock::Right) | None => self.machine.set_clock_off(0),
        }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, Option<Handle>> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a clinic sees of the world.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) start: Instant,
    pub(crate) air: Air,
    pub(crate) calendar: Arc<SiteCalendar>,
    pub(crate) model: Model,
}

impl Outside {
    fn fault(&self, what: String) {
        self.model.state().faults.push(what);
    }
}

impl Due {
    /// A study that the model is told of.
    pub(crate) fn new(model: &Model, site: usize, study: Study, seed: Seed) -> Self {
        Self {
            known: model.state().due(site, &study),
            seed: seed.child("study").nth(study.number).child(&study.modality),
            study,
            next: 0,
            files: Vec::new(),
        }
    }

    /// The same of real files.
    pub(crate) fn with_files(self, files: Vec<PathBuf>) -> Self {
        Self { files, ..self }
    }

    fn image(&self, bytes: u64) -> std::io::Result<Opaque> {
        match self.files.get(self.next) {
            Some(path) => Opaque::read(path),
            None => Ok(Opaque::new(self.seed, self.next as u64, bytes)),
        }
    }
}

async fn hand_in(handle: &Handle, due: &Due, bytes: u64, world: &Outside) -> Result<(), Failure> {
    let made = match due.image(bytes) {
        Ok(made) => made,
        Err(error) => {
            world.fault(format!("a file of the study cannot be read: {error}"));
            return Ok(());
        }
    };
    let length = made.file.len() as u64;
    let offered = |model: &Model| {
        let mut state = model.state();
        state.offered(due.known, &made.uid, made.fingerprint, length);
    };
    offered(&world.model);
    let ticket = give(handle, &made.file, class(due.study.class)).await?;
    let mut model = world.model.state();
    model.accepted(world.air.elapsed(), &made.uid, ticket.order);
    Ok(())
}

/// Hands one file in.
///
/// # Errors
/// It is not accepted.
pub(crate) async fn give(handle: &Handle, file: &[u8], class: Class) -> Result<Ticket, Failure> {
    let mut intake = handle.intake(Given {
        folder: Vec::new(),
        class: Some(class),
    })?;
    intake.write(file).await?;
    intake.finish().await
}

const fn class(class: workload::Class) -> Class {
    match class {
        workload::Class::Stat => Class::Stat,
        workload::Class::Urgent => Class::Urgent,
        workload::Class::Routine => Class::Routine,
        workload::Class::Bulk => Class::Bulk,
    }
}

/// The shipped defaults, but: noise is not searched for repeats, and released studies go after a
/// day, so that a month fits into memory.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.pack.level = LevelChoice::Fast;
    settings.spool.evict_below.0 = u64::MAX;
    settings.spool.keep_released.0 = 86_400_000;
    settings
}

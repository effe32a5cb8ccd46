//! A world put together, run to its end, and looked at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use karez_host::Failure;
use karez_host::units::Period;
use karez_receiver::Command;
use karez_sender::{Handle, Work};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::clinic::{Clinic, Due, Outside};
use super::hub::Hub;
use super::model::Model;
use super::outcome::{Instances, Outcome};
use super::watch::Watch;
use super::{End, Folder, Run, SitePlan};
use crate::calendar::{Place, SiteCalendar};
use crate::link::Link;
use crate::profile::Profile;
use crate::seed::Seed;
use crate::workload::{Class, Study};
use crate::world::{Air, ColdFile};

/// Bytes per second that a machine packs or rebuilds (A: a small box, one core).
const SPEED: u64 = 20_000_000;
/// The hub keeps stored studies so long, so that a month fits into memory.
const KEEP: Period = Period(600_000);
/// Worlds of so many bytes do not stay in memory.
const LARGE: u64 = 2 << 30;
/// The line on which clinics are set up.
const WORKSHOP: &str = "rate_kbit=10000,rtt_ms=20";

/// A world that runs.
pub(super) struct World<'a> {
    pub(super) run: &'a Run,
    pub(super) air: Air,
    pub(super) hub: Hub,
    pub(super) clinics: Vec<Arc<Clinic>>,
    pub(super) calendars: Vec<Arc<SiteCalendar>>,
    pub(super) model: Model,
    start: Instant,
    tasks: JoinSet<()>,
}

/// Runs a world to its end.
///
/// # Errors
/// A daemon could not be set up.
pub(super) async fn run(run: &Run) -> Result<Outcome, Failure> {
    let mut world = World::set_up(run).await?;
    world.begin();
    let mut watch = Watch::new(&world);
    let limit = world.start + run.horizon();
    loop {
        let next = Instant::now() + watch.grain();
        sleep_until(next.min(limit)).await;
        watch.look(&world).await;
        if Instant::now() >= limit || world.is_over(run.end) {
            break;
        }
    }
    world.outcome(watch).await
}

impl<'a> World<'a> {
    /// Sets hub and clinics up on lines that work.
    async fn set_up(run: &'a Run) -> Result<Self, Failure> {
        let (air, seed) = (Air::new(), Seed::new(run.seed));
        let hub = Hub::start_new(&air, seed, SPEED, KEEP).await?;
        let mut clinics = Vec::new();
        for (index, site) in run.sites.iter().enumerate() {
            let clinic = Clinic::new(&air, index, &site.name, seed, SPEED);
            air.join(clinic.site, workshop(index)?);
            clinic.set_up(&hub.invite(&site.name).await?).await?;
            clinics.push(Arc::new(clinic));
        }
        air.restart();
        Ok(Self {
            model: Model::watching(&hub.pacs, &air),
            run,
            air,
            hub,
            clinics,
            calendars: Vec::new(),
            start: Instant::now(),
            tasks: JoinSet::new(),
        })
    }

    /// The time of the world begins.
    fn begin(&mut self) {
        let run = self.run;
        for (clinic, site) in self.clinics.iter().zip(&run.sites) {
            let place = run.place(site);
            let calendar = Arc::new(SiteCalendar::draw(&site.profile, &place));
            let link = Link::new(&site.profile, &calendar, &place);
            self.air.join(clinic.site, link);
            let due = due(run, site, clinic, &calendar, &self.model);
            let world = Outside {
                start: self.start,
                air: self.air.clone(),
                calendar: calendar.clone(),
                model: self.model.clone(),
            };
            self.calendars.push(calendar);
            self.tasks.spawn(clinic.clone().watch_link(world.clone()));
            self.tasks.spawn(clinic.clone().fill_disk(world.clone()));
            self.tasks.spawn(clinic.clone().live(world, due));
        }
        let faults = run.pacs.clone();
        self.tasks
            .spawn(faults.befall(self.hub.pacs.clone(), self.start));
        self.spare_memory();
    }

    /// A month without a line leaves many gigabytes at the clinics: what is synced there goes to a
    /// file of no name.
    fn spare_memory(&self) {
        let bytes: u64 = self.model.state().studies.iter().map(|s| s.bytes).sum();
        if bytes < LARGE {
            return;
        }
        match ColdFile::new() {
            Ok(file) => {
                let file = Arc::new(file);
                for clinic in &self.clinics {
                    clinic.machine.disk().put_away(file.clone());
                }
            }
            Err(error) => tracing::warn!(%error, "the world stays in memory"),
        }
    }

    fn is_over(&self, end: End) -> bool {
        match end {
            End::At(_) => false,
            End::Done { arrivals, .. } => {
                self.air.elapsed() >= arrivals && self.model.state().is_done()
            }
        }
    }

    async fn outcome(mut self, watch: Watch) -> Result<Outcome, Failure> {
        let simulated = self.air.elapsed();
        self.tasks.shutdown().await;
        let instances = self.judge().await?;
        let status = self.hub.ask(Command::Clinics {}).await?;
        let sum = |key: &str| {
            let clinics = status.as_array().map_or(&[][..], Vec::as_slice);
            clinics.iter().filter_map(|c| c[key].as_u64()).sum::<u64>()
        };
        let (payload, resent) = (sum("payload_bytes"), sum("resent_bytes"));
        let mut outcome = watch.outcome(&self, simulated);
        outcome.payload_bytes = payload;
        outcome.resent_bytes = resent;
        outcome.goodput_share = payload as f64 / outcome.capacity_bytes.max(1) as f64;
        outcome.instances = instances;
        let faults = std::mem::take(&mut self.model.state().faults);
        match faults.first() {
            Some(fault) => Err(Failure::new(fault.clone())),
            None => Ok(outcome),
        }
    }

    /// What was accepted, against what the archive has and what the senders still owe.
    async fn judge(&self) -> Result<Instances, Failure> {
        let mut counts = self.model.state().instances();
        for clinic in &self.clinics {
            let owed = self.model.state().owed(clinic.index);
            let running = clinic.running();
            let started = match &running {
                Some(_) => None,
                None => Some(clinic.start(Work::Accept)?),
            };
            let handle = running.or_else(|| started.as_ref().map(karez_sender::Sender::handle));
            if let Some(handle) = handle {
                let all = self.model.state().orders(clinic.index);
                counts.verified += progress(&handle, &all).await?.verified;
                for order in owed {
                    let now = progress(&handle, &[order]).await?;
                    counts.parked += now.parked;
                    counts.lost += u64::from(now.instances == 0 || now.stored > 0);
                }
            }
        }
        Ok(counts)
    }
}

async fn progress(handle: &Handle, orders: &[u64]) -> Result<karez_sender::Progress, Failure> {
    let ranges = orders.iter().map(|order| (*order, *order + 1));
    handle.progress(ranges.collect()).await
}

impl Run {
    /// Where and when a site is drawn.
    pub(super) fn place<'a>(&'a self, site: &'a SitePlan) -> Place<'a> {
        Place {
            seed: Seed::new(self.seed),
            site: &site.name,
            district: &site.district,
            operator: site.operator,
            exempt: site.exempt,
            horizon: self.horizon(),
            events: &self.events,
        }
    }
}

/// What a site's modalities will hand in.
fn due(
    run: &Run,
    site: &SitePlan,
    clinic: &Clinic,
    calendar: &SiteCalendar,
    model: &Model,
) -> VecDeque<Due> {
    let seed = Seed::new(run.seed).child("workload").child(&site.name);
    let mut studies = site.bulk.clone();
    if let Some(workload) = &site.workload {
        studies.extend(workload.studies(seed, &calendar.room_power, run.arrivals(), run.thin));
    }
    if site.files.is_empty() {
        let due = |study| Due::new(model, clinic.index, study, seed);
        return studies.into_iter().map(due).collect();
    }
    let (made, files) = (studies.into_iter().enumerate(), site.files.iter().cloned());
    let real = |((number, made), folder): ((usize, Option<Study>), Folder)| {
        let study = Study {
            number: number as u64,
            at: made.as_ref().map_or(Duration::ZERO, |made| made.at),
            class: made.map_or(Class::Routine, |made| made.class),
            modality: "files".into(),
            instances: folder.bytes,
            follows: None,
        };
        Due::new(model, clinic.index, study, seed).with_files(folder.files)
    };
    match &site.workload {
        Some(_) => made
            .map(|(n, made)| (n, Some(made)))
            .zip(files)
            .map(real)
            .collect(),
        None => (0..).map(|n| (n, None)).zip(files).map(real).collect(),
    }
}

/// The line on which the clinic of this index is set up.
pub(crate) fn workshop(index: usize) -> Result<Link<Vec<u8>>, Failure> {
    let profile = Profile::from_spec(WORKSHOP).map_err(|e| Failure::new(e.to_string()))?;
    let name = format!("workshop {index}");
    let place = Place::alone(0, &name, Duration::from_secs(3600));
    Ok(Link::new(
        &profile,
        &SiteCalendar::draw(&profile, &place),
        &place,
    ))
}

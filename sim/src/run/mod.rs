//! World mode: clinics and a hub, the shipped daemons' libraries, in virtual time.
//!
//! | module | owns |
//! |---|---|
//! | `world` | a world put together and run to its end |
//! | `clinic` | one sender: its box comes and goes with its power, its modalities hand in |
//! | `hub` | the receiver and its archive |
//! | `files` | real files for the modalities |
//! | `faults` | when the archive misbehaves |
//! | `model` | the reference model: what was accepted, beside what the archive holds |
//! | `watch` | samples, and the sums at the end |
//!
//! The clinics have joined, on a line that works, before the time of the world begins.

pub(crate) mod clinic;
mod faults;
mod files;
pub(crate) mod hub;
mod model;
mod opaque;
mod outcome;
mod timeline;
mod watch;
mod world;

use std::time::Duration;

use karez_host::Failure;

pub(crate) use world::workshop;

pub use faults::PacsFaults;
pub use files::{Folder, Found, find as find_studies};
pub use model::{Model, State, Study as ModelStudy};
pub use opaque::Opaque;
pub use outcome::{Instances, Outcome, Waits};
pub use timeline::{Sample, SiteTimeline, StudyTimeline, Timeline};

use crate::profile::{Event, Profile, Scenario};
use crate::time::DAY;
use crate::workload::{Study, Workload};

/// What is run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The profile's or the scenario's name.
    pub name: String,
    /// Draws everything.
    pub seed: u64,
    /// The sites.
    pub sites: Vec<SitePlan>,
    /// What a scenario adds to the calendars.
    pub events: Vec<Event>,
    /// When it ends.
    pub end: End,
    /// Only every so-many-th patient comes (0 and 1: all).
    pub thin: u64,
    /// What the archive does wrong.
    pub pacs: PacsFaults,
}

/// One site.
#[derive(Clone, Debug)]
pub struct SitePlan {
    /// Its name.
    pub name: String,
    /// Its district.
    pub district: String,
    /// Its line and box.
    pub profile: Profile,
    /// Its mobile operator.
    pub operator: u8,
    /// On the white list.
    pub exempt: bool,
    /// The studies that it makes.
    pub workload: Option<Workload>,
    /// Studies on top.
    pub bulk: Vec<Study>,
    /// Real files: with a workload they take the place of what it would make, until they are all
    /// sent; else they are there from the start.
    pub files: Vec<Folder>,
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After so long.
    At(Duration),
    /// When everything is at the archive.
    Done {
        /// Patients come until then.
        arrivals: Duration,
        /// Nobody waits longer.
        within: Duration,
    },
}

impl Run {
    /// A site alone.
    #[must_use]
    pub fn of_profile(profile: Profile, workload: Option<Workload>, end: End, seed: u64) -> Self {
        let site = SitePlan {
            name: "clinic".into(),
            district: "clinic".into(),
            operator: 1,
            exempt: false,
            workload,
            bulk: Vec::new(),
            files: Vec::new(),
            profile,
        };
        Self {
            name: site.profile.name.clone(),
            seed,
            sites: vec![site],
            events: Vec::new(),
            end,
            thin: 1,
            pacs: PacsFaults::default(),
        }
    }

    /// The sites of a scenario, each with its own workload, or all with this one.
    ///
    /// # Errors
    /// A workload cannot be read.
    pub fn of_scenario(
        scenario: &Scenario,
        workload: Option<&Workload>,
        end: End,
        seed: u64,
    ) -> Result<Self, Failure> {
        let site = |site: &crate::profile::ScenarioSite| {
            let own = site.workload.as_deref().map(Workload::load);
            let own = own.transpose().map_err(|e| Failure::usage(e.to_string()))?;
            Ok(SitePlan {
                name: site.name.clone(),
                district: site.district.clone(),
                profile: site.profile.clone(),
                operator: site.operator,
                exempt: site.exempt,
                workload: workload.cloned().or(own),
                bulk: Vec::new(),
                files: Vec::new(),
            })
        };
        Ok(Self {
            name: scenario.name.clone(),
            seed,
            sites: scenario
                .sites
                .iter()
                .map(site)
                .collect::<Result<_, Failure>>()?,
            events: scenario.events.clone(),
            end,
            thin: 1,
            pacs: PacsFaults::default(),
        })
    }

    /// Hands real studies to the sites in turn.
    pub fn share_out(&mut self, studies: Vec<Folder>) {
        let sites = self.sites.len().max(1);
        for (index, study) in studies.into_iter().enumerate() {
            if let Some(site) = self.sites.get_mut(index % sites) {
                site.files.push(study);
            }
        }
    }

    /// Runs it on a runtime of its own with a paused clock.
    ///
    /// # Errors
    /// A daemon could not be set up, or ended by a bug.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let began = std::time::Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.map_err(|e| Failure::new(format!("no runtime: {e}")))?;
        let mut outcome = runtime.block_on(world::run(self))?;
        outcome.wall_s = began.elapsed().as_secs_f64();
        Ok(outcome)
    }

    /// When it is over in any case.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        match self.end {
            End::At(at) => at,
            End::Done { within, .. } => within,
        }
    }

    /// Until when patients come.
    #[must_use]
    pub fn arrivals(&self) -> Duration {
        match self.end {
            End::At(at) => at,
            End::Done { arrivals, .. } => arrivals,
        }
    }
}

/// How long a run waits for everything to arrive, after the last patient.
pub const PATIENCE: Duration = Duration::from_secs(90 * DAY.as_secs());

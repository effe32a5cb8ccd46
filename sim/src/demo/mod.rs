//! The main job in one command: a clinic, a rural link with outages, a hub, an archive
//! that is given everything by C-STORE, and a STAT radiograph that overtakes a CT. The shipped
//! daemons' libraries in one process, in real time. It ends by comparing every byte.

mod script;
mod show;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use karez_host::Failure;

pub use script::{Given, Script};
pub use show::table;

/// What is asked of a demo.
#[derive(Clone, Debug)]
pub struct Options {
    /// Real files instead of made ones: each folder in it is a study.
    pub studies: Option<PathBuf>,
    /// How many times faster than a real link of 1 Mbit/s.
    pub speed: f64,
    /// Spoils one byte of what the archive got, so that the comparison must fail.
    pub spoil: bool,
    /// Seed of link and studies.
    pub seed: u64,
}

/// How one study fared.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it is.
    pub name: String,
    /// Its class.
    pub class: String,
    /// Files in it.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// From its acceptance until the hub's receipt STORED was back at the clinic.
    pub stored_after: Option<Duration>,
    /// When that was, since the start.
    pub stored_at: Option<Duration>,
    /// Files whose data sets the archive holds as they were.
    pub identical: usize,
}

impl Outcome {
    /// Whether all of it arrived as it was.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.identical == self.files && self.stored_at.is_some()
    }
}

/// The whole demo's result.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each study.
    pub studies: Vec<Outcome>,
    /// IP bytes from the clinic to the hub.
    pub wire_up: u64,
    /// IP bytes back.
    pub wire_down: u64,
    /// Times the link went down.
    pub outages: usize,
    /// Why the hub keeps instances for a person, and how many.
    pub parked: BTreeMap<String, usize>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Every byte is there.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.studies.is_empty() && self.studies.iter().all(Outcome::is_whole)
    }

    /// A study that came after another one and was stored before it, and that other one.
    #[must_use]
    pub fn overtaking(&self) -> Option<(&Outcome, &Outcome)> {
        let mut pairs = self.studies.iter().zip(self.studies.iter().skip(1));
        let is_before = |second: &Outcome, first: &Outcome| {
            let at = second.stored_at;
            at.is_some_and(|at| first.stored_at.is_none_or(|first| at < first))
        };
        let found = pairs.find(|(first, second)| is_before(second, first));
        found.map(|(first, second)| (second, first))
    }
}

/// Runs the demo; `say` is given a line of progress now and then.
///
/// # Errors
/// The files cannot be read, or a daemon could not be started.
pub async fn run(options: &Options, say: &mut dyn FnMut(&str)) -> Result<Report, Failure> {
    let script = Script::of(options)?;
    let world = world::World::start(options).await?;
    let timeline = script.play(&world, say).await?;
    world.finish(&script, &timeline, options.spoil).await
}

//! Link profiles and scenarios: TOML files, built in or by path, checked to the last key.
//!
//! A profile says how one site's line behaves and what feeds its sender box; a [`Scenario`] puts
//! sites on a common calendar. The keys are documented in [`schema`], the built-in files are
//! under `sim/profiles` and `sim/scenarios`. A file given by path works like a built-in name.

mod builtin;
mod check;
mod error;
mod merge;
mod price;
mod scenario;
pub mod schema;
mod spec;
pub mod values;

use std::path::Path;
use std::time::Duration;

pub use error::{ProfileError, nearest, suggestion};
pub use scenario::{Courier, Event, EventKind, Scenario, ScenarioSite, Service};

pub(crate) use builtin::workload as builtin_workload;
pub(crate) use error::shown;

use crate::calendar::Spans;
use schema::{
    Attach, Backhaul, BoxPower, Bundle, Cycle, Degrade, Fade, Flap, Grid, Hole, IdlePromotion,
    Jitter, Layer, Medium, Nat, Order, ProfileFile, Rate, Reorder, Tower, UdpMix,
};
use values::{GilbertElliott, RateTrace};

/// One site's line and box, ready to use.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The built-in name, or the file's.
    pub name: String,
    /// One line for people.
    pub about: String,
    /// The facts it rests on.
    pub rests_on: Vec<String>,
    /// Which orders hit it.
    pub medium: Medium,
    /// Largest IP packet, bytes.
    pub mtu: usize,
    /// Site to hub.
    pub up: Direction,
    /// Hub to site.
    pub down: Direction,
    /// The wait after silence.
    pub idle_promotion: Option<IdlePromotion>,
    /// Seconds-scale outages.
    pub flap: Option<Flap>,
    /// Hours-scale outages.
    pub backhaul: Option<Backhaul>,
    /// The electricity calendar.
    pub grid: Grid,
    /// Tower power; none: never lacks it.
    pub tower: Option<Tower>,
    /// No box power, no link.
    pub modem_on_box: bool,
    /// What feeds the sender box.
    pub power: BoxPower,
    /// Orders of the place.
    pub order: Order,
    /// Listed outages.
    pub outages: Spans,
    /// A fixed up/down cycle.
    pub cycle: Option<Cycle>,
    /// Regular fades.
    pub fade: Option<Fade>,
    /// Times when the link is worse.
    pub degrade: Vec<Degrade>,
    /// The way back in.
    pub attach: Option<Attach>,
    /// Address translation.
    pub nat: Option<Nat>,
    /// What the path does to UDP.
    pub udp: UdpMix,
    /// The price; none: unmetered.
    pub bundle: Option<Bundle>,
    /// Layers whose return shows as link-up.
    pub signal: Vec<Layer>,
    /// A second line, and the silence after which the router changes over.
    pub second: Option<(Box<Profile>, Duration)>,
}

/// One direction of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// Where the rate comes from.
    pub rate: RateSource,
    /// One-way delay without queue or jitter.
    pub owd: Duration,
    /// Delay on top.
    pub jitter: Option<Jitter>,
    /// Independent loss.
    pub loss: f64,
    /// Bursty loss.
    pub ge: Option<GilbertElliott>,
    /// Bytes the queue holds.
    pub queue_bytes: usize,
    /// Share that arrives twice.
    pub duplicate: f64,
    /// Share that arrives with one bit turned.
    pub corrupt: f64,
    /// Packets set back.
    pub reorder: Option<Reorder>,
    /// One-way outages.
    pub hole: Option<Hole>,
}

/// Where a rate comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum RateSource {
    /// The random process.
    Process(Rate),
    /// A list.
    Trace(RateTrace),
}

impl Profile {
    /// Loads a built-in profile by name (`rural-edge`, `S1`) or a file by path.
    ///
    /// # Errors
    /// Names the file, the line, the key and the fix.
    pub fn load(name_or_path: &str) -> Result<Self, ProfileError> {
        Self::load_with(name_or_path, &[])
    }

    /// As [`Profile::load`], with `key=value` settings on top (`up.loss=0.1`, TOML values).
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn load_with(name_or_path: &str, settings: &[String]) -> Result<Self, ProfileError> {
        if let Some((name, text)) = builtin::profile(name_or_path) {
            return Self::read(name, text, None, settings);
        }
        let path = Path::new(name_or_path);
        let text = read_file(path, "profile", &builtin::profile_names())?;
        Self::read(&shown(path), &text, path.parent(), settings)
    }

    /// Reads a profile from text; files it names are looked for in `folder`.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn from_toml(file: &str, text: &str, folder: Option<&Path>) -> Result<Self, ProfileError> {
        Self::read(file, text, folder, &[])
    }

    /// A plain synthetic link from `rate_kbit=512,rtt_ms=650,...` (the keys of `bench --link`).
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn from_spec(spec: &str) -> Result<Self, ProfileError> {
        spec::parse(spec)
    }

    /// The names of the built-in profiles.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        builtin::profile_names()
    }

    fn read(
        file: &str,
        text: &str,
        folder: Option<&Path>,
        settings: &[String],
    ) -> Result<Self, ProfileError> {
        let mut merged = merge::with_base(file, text, folder, 0)?;
        for setting in settings {
            merged = merge::setting(setting)?.over(merged);
        }
        let name = file.strip_suffix(".toml").unwrap_or(file);
        check::resolve(name, merged).map_err(|e| {
            ProfileError {
                file: file.to_owned(),
                ..e
            }
            .located(text)
        })
    }
}

/// Parses one profile file, with our errors.
fn parse(file: &str, text: &str) -> Result<ProfileFile, ProfileError> {
    toml::from_str(text).map_err(|e| ProfileError::from_toml(file, text, &e))
}

/// Reads a profile or scenario file of at most a megabyte.
fn read_file(path: &Path, kind: &str, known: &[&str]) -> Result<String, ProfileError> {
    const LIMIT: u64 = 1 << 20;
    let file = shown(path);
    let looks_like_name = path.extension().is_none() && path.components().count() == 1;
    let meta = std::fs::metadata(path).map_err(|e| {
        let problem = if looks_like_name {
            format!("no built-in {kind} and no file of that name")
        } else {
            format!("cannot be read ({e})")
        };
        ProfileError::new(&file, problem).fix(suggestion(&file, known))
    })?;
    if !meta.is_file() || meta.len() > LIMIT {
        return Err(
            ProfileError::new(&file, format!("is no {kind} file of at most 1 MiB"))
                .fix("give the path of a TOML file"),
        );
    }
    std::fs::read_to_string(path).map_err(|e| {
        ProfileError::new(&file, format!("cannot be read ({e})"))
            .fix("save it as UTF-8 text that you may read")
    })
}

#[cfg(test)]
mod tests;

//! Live mode: the same link model in real time, between two network namespaces of this machine.
//!
//! Two TUN devices, one in each namespace, carry every IPv4 packet through a [`Link`] in this
//! process, so that any program meets the same profile under the same seed as in a world. Linux,
//! root. Addresses are kept as they are: translation (`nat`) is left out here.

mod namespace;
mod packet;
mod pump;
mod stop;

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use thiserror::Error;

use crate::calendar::{Place, SiteCalendar};
use crate::link::{Counters, Link};
use crate::profile::Profile;
use crate::time::DAY;
use namespace::Namespace;
use pump::Pump;

/// The clinic's address inside; commands find it in `LINK_CLINIC` (`KAREZ_...` are
/// keys of the daemons' configuration).
pub const CLINIC: &str = "10.77.0.1";
/// The hub's address inside; commands find it in `LINK_HUB`.
pub const HUB: &str = "10.77.0.2";

/// The hub's command gets this head start.
const HEAD_START: Duration = Duration::from_millis(300);
/// How long a command that was asked to end may take.
const GRACE: Duration = Duration::from_secs(3);

/// What to run, and over which link.
#[derive(Clone, Debug)]
pub struct Live<'a> {
    /// The link.
    pub profile: &'a Profile,
    /// The seed.
    pub seed: u64,
    /// Where on the calendar to start; none: the first moment from 09:00 on when it is up.
    pub start: Option<Duration>,
    /// The longest it may take.
    pub limit: Duration,
    /// The command in the clinic's namespace; when it ends, all ends.
    pub clinic: &'a [String],
    /// The command in the hub's namespace, may be empty.
    pub hub: &'a [String],
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The exit status of the clinic's command; none when it was ended from here.
    pub exit: Option<i32>,
    /// Where on the calendar it started.
    pub start: Duration,
    /// How long it took.
    pub took: Duration,
    /// Clinic to hub.
    pub up: Counters,
    /// Hub to clinic.
    pub down: Counters,
}

/// Why live mode did not run.
#[derive(Debug, Error)]
pub enum LiveError {
    /// This machine cannot.
    #[error("live mode cannot run here: {0}")]
    Unavailable(String),
    /// A set-up command failed.
    #[error("`{command}` failed: {problem}")]
    Setup {
        /// The command.
        command: String,
        /// What it said.
        problem: String,
    },
    /// A command of the caller could not be started.
    #[error("the {side}'s command could not be started: {source}; give its full path after `--`")]
    Start {
        /// Clinic or hub.
        side: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The link is never up.
    #[error("this link is not up once in 30 days; give --start or another --seed")]
    NeverUp,
    /// Reading or writing a device failed.
    #[error("the TUN device failed: {0}; run again, and with a `tun` module in the kernel")]
    Device(#[from] std::io::Error),
}

/// Says why live mode cannot run on this machine.
///
/// # Errors
/// The reason, and what to do about it.
pub fn available() -> Result<(), LiveError> {
    let fault = |reason: &str| Err(LiveError::Unavailable(reason.to_owned()));
    if !rustix::process::geteuid().is_root() {
        return fault("it needs root for network namespaces; run it with sudo");
    }
    if !Path::new("/dev/net/tun").exists() {
        return fault("there is no /dev/net/tun; load the `tun` module");
    }
    match Command::new("ip").arg("-V").output() {
        Ok(_) => Ok(()),
        Err(_) => fault("the command `ip` is missing; install iproute2"),
    }
}

/// Runs both commands over the link until the clinic's ends or the time is up.
///
/// # Errors
/// See [`LiveError`]. Namespaces and devices are gone afterwards in any case.
pub fn run(live: &Live<'_>) -> Result<Report, LiveError> {
    available()?;
    namespace::remove_stale();
    let profile = without_translation(live.profile);
    let (link, start) = link_from(&profile, live)?;
    let clinic = Namespace::create("clinic", CLINIC, profile.mtu)?;
    let hub = Namespace::create("hub", HUB, profile.mtu)?;
    let stop = stop::on_signal();
    let mut pump = Pump::start(link, start, clinic.device(), hub.device());
    let hub_child = Guard(hub.spawn("hub", live.hub)?);
    pump.run(HEAD_START, || false)?;
    let mut clinic_child = Guard(clinic.spawn("clinic", live.clinic)?);
    pump.run(live.limit, || clinic_child.ended() || stop.asked())?;
    let exit = clinic_child.status();
    drop(clinic_child);
    pump.finish()?;
    drop(hub_child);
    let (took, up, down) = pump.results();
    Ok(Report {
        exit,
        start,
        took,
        up,
        down,
    })
}

fn without_translation(profile: &Profile) -> Profile {
    let second = profile.second.as_ref();
    Profile {
        nat: None,
        second: second.map(|(line, wait)| (Box::new(without_translation(line)), *wait)),
        ..profile.clone()
    }
}

fn link_from(profile: &Profile, live: &Live<'_>) -> Result<(Link<Vec<u8>>, Duration), LiveError> {
    let nine = Duration::from_secs(9 * 3600);
    let horizon = live.start.unwrap_or_default() + live.limit + DAY * 30;
    let place = Place::alone(live.seed, "live", horizon);
    let calendar = SiteCalendar::draw(profile, &place);
    let first_up = || {
        calendar
            .usable()
            .within(nine, horizon)
            .as_slice()
            .first()
            .map(|span| span.0)
    };
    let start = live.start.or_else(first_up).ok_or(LiveError::NeverUp)?;
    Ok((Link::new(profile, &calendar, &place), start))
}

/// A child that does not outlive its guard.
struct Guard(Option<Child>);

impl Guard {
    fn ended(&mut self) -> bool {
        self.0
            .as_mut()
            .is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    fn status(&mut self) -> Option<i32> {
        self.0.as_mut()?.try_wait().ok().flatten()?.code()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(child) = &mut self.0 else { return };
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let (Ok(None), Some(pid)) = (child.try_wait(), pid) {
            // It may have ended by itself just now: then there is nobody to tell.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let mut waited = Duration::ZERO;
        while waited < GRACE && matches!(child.try_wait(), Ok(None)) {
            let step = Duration::from_millis(20);
            std::thread::sleep(step);
            waited += step;
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

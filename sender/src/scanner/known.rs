//! The scanners that have called, and those that may send.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karez_dimse::AeTitle;
use karez_host::env::work;
use karez_host::{Env, Failure};
use karez_store::{read_whole, write_atomically};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::quote::quoted;
use super::settings::Dicom;
use crate::limits::{SCANNERS_ALLOWED, SCANNERS_FILE, SCANNERS_SEEN};
use crate::status::{PortStatus, ScannerStatus};

/// A scanner, by what it calls itself and from where. Neither proves anything (FIELD T25).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller {
    pub(super) title: String,
    pub(super) address: IpAddr,
}

/// Everything known of scanners. What was allowed by command is kept in a file.
pub(crate) struct Scanners {
    env: Arc<dyn Env>,
    path: PathBuf,
    dicom: Dicom,
    /// Held while the file is changed.
    file: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    allowed: BTreeSet<String>,
    seen: BTreeMap<Caller, Seen>,
    port: PortStatus,
}

struct Seen {
    last: Instant,
    images: u64,
    refused: u64,
    /// What it called us, when that is not our name.
    miscalled: Option<String>,
    /// What went wrong last; empty once an image was taken.
    problem: String,
    /// Why it is not told what became of its images; empty once it was.
    untold: String,
}

/// The file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    allow: BTreeSet<String>,
}

impl Scanners {
    /// Reads which scanners were allowed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn open(env: Arc<dyn Env>, dir: &Path, dicom: Dicom) -> Result<Self, Failure> {
        let path = dir.join("scanners");
        let unreadable = |cause: String| {
            Failure::new(format!(
                "the list of allowed scanners cannot be read: {cause}"
            ))
            .at(path.display())
            .fix("Remove the file and allow the scanners again")
        };
        let bytes = read_whole(&*env.disk(), &path, SCANNERS_FILE);
        let bytes = bytes.map_err(|error| unreadable(error.to_string()))?;
        let kept: Option<Kept> = bytes
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|_| unreadable("it is damaged".to_owned()))?;
        let state = State {
            allowed: kept.unwrap_or_default().allow,
            ..State::default()
        };
        Ok(Self {
            env,
            path,
            dicom,
            file: Mutex::default(),
            state: Mutex::new(state),
        })
    }

    /// Lets a scanner send from now on, or no more; durable on return.
    ///
    /// # Errors
    /// It is no AE title; it is named in the configuration; the disk's.
    pub(crate) async fn allow(self: &Arc<Self>, title: &str, may: bool) -> Result<(), Failure> {
        let title = AeTitle::new(title).map_err(|e| Failure::usage(e.to_string()))?;
        let (this, title) = (self.clone(), fold(title.as_str()));
        let lost = |_| Failure::new("the list of allowed scanners could not be changed");
        let change = move || this.change(&title, may);
        work(&*self.env, 0, change).await.map_err(lost)?
    }

    /// Whether a scanner of this title may send.
    pub(super) fn may_send(&self, title: &str) -> bool {
        let title = fold(title);
        self.dicom.allow_any || self.is_configured(&title) || self.state().allowed.contains(&title)
    }

    /// Somebody calls.
    pub(super) fn called(&self, caller: &Caller) {
        self.note(caller, |seen| seen.miscalled = None);
    }

    /// Somebody calls us by a name that is not ours.
    pub(super) fn miscalled(&self, caller: &Caller, called: &str, titles: &str) {
        self.note(caller, |seen| {
            seen.miscalled = Some(format!("calls us {called}: our titles here are {titles}"));
        });
    }

    /// An image is here for good.
    pub(super) fn took(&self, caller: &Caller) {
        self.note(caller, |seen| {
            seen.images += 1;
            seen.problem.clear();
        });
    }

    /// An image was refused.
    pub(super) fn refused(&self, caller: &Caller, why: &str) {
        self.note(caller, |seen| {
            seen.refused += 1;
            seen.problem = format!("an image was refused: {why}");
        });
    }

    /// The association died in the middle of an image.
    pub(super) fn broke(&self, caller: &Caller) {
        self.note(caller, |seen| {
            seen.problem = "broke off in the middle of an image: send it again".to_owned();
        });
    }

    /// Its request for storage commitment was not taken.
    pub(super) fn unpromised(&self, caller: &Caller, why: &str) {
        self.note(caller, |seen| {
            seen.problem = format!("asked for storage commitment, which was refused: {why}");
        });
    }

    /// It could not be told what became of its images.
    pub(super) fn untold(&self, caller: &Caller, at: &str, why: &str) {
        self.note_quietly(caller, |seen| {
            seen.untold = format!(
                "cannot be told at {at} that its images are kept: {why}; tried again until it can \
                 (`dicom.report_port`, `dicom.report_to`)"
            );
        });
    }

    /// It was told.
    pub(super) fn told(&self, caller: &Caller) {
        self.note_quietly(caller, |seen| seen.untold.clear());
    }

    /// The port is open.
    pub(super) fn port_open(&self, at: SocketAddr) {
        tracing::info!(%at, "scanners can send");
        self.state().port = PortStatus {
            listen: at.to_string(),
            problem: String::new(),
        };
    }

    /// The port cannot be had.
    pub(super) fn port_lost(&self, at: SocketAddr, error: &io::Error) {
        let problem = format!("scanners cannot send to {at}: {error}; tried again until it works");
        let mut state = self.state();
        if state.port.problem != problem {
            tracing::warn!(%at, %error, "the port for scanners cannot be had; trying again");
        }
        state.port = PortStatus {
            listen: String::new(),
            problem,
        };
    }

    /// The port, and the scanners that have called since the start.
    pub(crate) fn status(&self) -> (PortStatus, Vec<ScannerStatus>) {
        let now = self.env.now();
        let state = self.state();
        let shown = |(caller, seen): (&Caller, &Seen)| {
            let allowed = self.dicom.allow_any
                || self.is_configured(&fold(&caller.title))
                || state.allowed.contains(&fold(&caller.title));
            ScannerStatus {
                title: caller.title.clone(),
                address: caller.address.to_string(),
                allowed,
                images: seen.images,
                refused: seen.refused,
                last_s: now.saturating_duration_since(seen.last).as_secs(),
                problem: problem(caller, seen, allowed),
            }
        };
        let scanners = state.seen.iter().map(shown).collect();
        (state.port.clone(), scanners)
    }

    fn change(&self, title: &str, may: bool) -> Result<(), Failure> {
        let _one_at_a_time = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if !may && self.is_configured(title) {
            return Err(Failure::new("the scanner is allowed by the configuration")
                .at("dicom.allow")
                .fix("Take it out there and start the daemon again"));
        }
        let mut allow = self.state().allowed.clone();
        match may {
            true => allow.insert(title.to_owned()),
            false => allow.remove(title),
        };
        if allow.len() > SCANNERS_ALLOWED {
            return Err(Failure::new("no more scanners can be allowed one by one")
                .fix("Set `dicom.allow_any`, and let only the scanners reach the port"));
        }
        let kept = Kept { allow };
        let text = serde_json::to_vec(&kept).map_err(|e| Failure::new(e.to_string()))?;
        write_atomically(&*self.env.disk(), &self.path, &text)?;
        self.state().allowed = kept.allow;
        Ok(())
    }

    fn is_configured(&self, folded: &str) -> bool {
        self.dicom.allow.iter().any(|title| fold(title) == folded)
    }

    fn note(&self, caller: &Caller, change: impl FnOnce(&mut Seen)) {
        let now = self.env.now();
        self.note_quietly(caller, |seen| {
            seen.last = now;
            change(seen);
        });
    }

    /// Without the scanner having called.
    fn note_quietly(&self, caller: &Caller, change: impl FnOnce(&mut Seen)) {
        let now = self.env.now();
        let mut state = self.state();
        if !state.seen.contains_key(caller) && state.seen.len() >= SCANNERS_SEEN {
            forget_one(&mut state.seen);
        }
        let seen = state.seen.entry(caller.clone()).or_insert(Seen {
            last: now,
            images: 0,
            refused: 0,
            miscalled: None,
            problem: String::new(),
            untold: String::new(),
        });
        change(seen);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that sent least, and of these the one that called longest ago.
fn forget_one(seen: &mut BTreeMap<Caller, Seen>) {
    let least = seen.iter().min_by_key(|(_, s)| (s.images > 0, s.last));
    if let Some(caller) = least.map(|(caller, _)| caller.clone()) {
        seen.remove(&caller);
    }
}

/// All that a scanner needs, the next thing to do first.
fn problem(caller: &Caller, seen: &Seen, allowed: bool) -> String {
    let Caller { title, address } = caller;
    let wants = || {
        let word = quoted(title);
        format!("wants to send: allow it with `karez-sender allow {word}`")
    };
    let went_wrong = Some(seen.problem.clone()).filter(|text| !text.is_empty());
    let untold = Some(seen.untold.clone()).filter(|text| !text.is_empty());
    let all = [
        seen.miscalled.clone(),
        (!allowed).then(wants),
        went_wrong,
        untold,
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    match all.as_slice() {
        [] => String::new(),
        some => format!("Scanner {title} at {address} {}", some.join("; it ")),
    }
}

/// Titles differ by more than case (FIELD T25): a typed one is forgiven its case.
fn fold(title: &str) -> String {
    title.trim().to_ascii_uppercase()
}

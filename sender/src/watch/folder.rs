//! One watched folder: which of its files are ready, and what has become of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use karez_host::Failure;
use karez_store::{Disk, Stamp};
use tokio::time::Instant;

use super::file::Kind;
use super::file::kind;
use super::walk::Listing;
use crate::limits::{CUT_PATIENCE, WATCH_RETRY};
use crate::status::WatchStatus;

/// A file as it was seen.
struct Seen {
    stamp: Stamp,
    /// Since when it has been so.
    since: Instant,
    /// What it is; not looked at before it is quiet.
    kind: Option<Kind>,
    state: State,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// It failed; not before this again.
    Failed(Instant),
    /// Accepted.
    Taken,
    /// Accepted, and could not be put away; not before this again.
    Stuck(Instant),
}

/// What is to be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Take { whole: bool },
    PutAway,
}

/// The files of a folder that were not there, or not so, before.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    quiet: Duration,
    seen: BTreeMap<PathBuf, Seen>,
    /// Counts since the start.
    taken: u64,
    not_whole: u64,
    /// Why a file failed last.
    failure: String,
}

impl Folder {
    pub(super) fn new(path: PathBuf, quiet: Duration) -> Self {
        Self {
            path,
            quiet,
            seen: BTreeMap::new(),
            taken: 0,
            not_whole: 0,
            failure: String::new(),
        }
    }

    /// Forgets the files that are no longer there.
    pub(super) fn forget_gone(&mut self, listing: &Listing) {
        if listing.problem.is_none() {
            let there: BTreeSet<&PathBuf> = listing.files.iter().map(|(path, _)| path).collect();
            self.seen.retain(|path, _| there.contains(path));
        }
    }

    /// What is to be done with a file as it stands now.
    pub(super) fn step(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        stamp: Stamp,
        now: Instant,
    ) -> Step {
        let seen = self.seen.entry(path.to_owned()).or_insert(Seen {
            stamp,
            since: now,
            kind: None,
            state: State::Waiting,
        });
        if seen.stamp != stamp {
            *seen = Seen {
                stamp,
                since: now,
                kind: None,
                state: State::Waiting,
            };
        }
        match seen.state {
            State::Taken => return Step::Nothing,
            State::Stuck(until) if now >= until => return Step::PutAway,
            State::Failed(until) if now < until => return Step::Nothing,
            State::Stuck(_) => return Step::Nothing,
            State::Waiting | State::Failed(_) => {}
        }
        let quiet = now.saturating_duration_since(seen.since);
        if quiet < self.quiet || stamp.len == 0 {
            return Step::Nothing;
        }
        if seen.kind.is_none() {
            // What cannot be looked at cannot be taken, and is named then.
            seen.kind = Some(kind(disk, path).unwrap_or(Kind::Whole));
        }
        match seen.kind {
            Some(Kind::Whole) => Step::Take { whole: true },
            Some(Kind::Cut) if quiet >= self.quiet * CUT_PATIENCE => Step::Take { whole: false },
            _ => Step::Nothing,
        }
    }

    /// A file was accepted.
    pub(super) fn took(&mut self, path: &Path, whole: bool) {
        self.taken += 1;
        self.not_whole += u64::from(!whole);
        self.set(path, State::Taken);
    }

    /// A file was accepted and is still where it was.
    pub(super) fn stuck(&mut self, path: &Path, now: Instant, why: &Failure) {
        self.failure = why.to_string();
        self.set(path, State::Stuck(now + WATCH_RETRY));
    }

    /// A file was put away; what stands there now, if anything, is another one.
    pub(super) fn put_away(&mut self, path: &Path) {
        self.seen.remove(path);
    }

    /// A file could not be taken.
    pub(super) fn failed(&mut self, path: &Path, now: Instant, why: &Failure) {
        self.failure = why.to_string();
        self.set(path, State::Failed(now + WATCH_RETRY));
    }

    /// Somebody wrote to a file while it was read.
    pub(super) fn changed(&mut self, path: &Path) {
        self.seen.remove(path);
    }

    /// How the folder stands.
    pub(super) fn status(&self, name: &str, now: Instant) -> WatchStatus {
        let mut status = WatchStatus {
            folder: name.to_owned(),
            taken: self.taken,
            not_whole: self.not_whole,
            ..WatchStatus::default()
        };
        for seen in self.seen.values() {
            let quiet = now.saturating_duration_since(seen.since) >= self.quiet;
            match (seen.state, seen.kind) {
                (State::Taken, _) => {}
                (State::Stuck(_), _) => status.not_put_away += 1,
                (State::Failed(_), _) => status.waiting += 1,
                (_, Some(Kind::Strange)) => status.not_dicom += 1,
                (_, Some(Kind::Directory)) => {}
                _ if seen.stamp.len == 0 && quiet => status.empty += 1,
                _ => status.waiting += 1,
            }
            if matches!(seen.state, State::Failed(_) | State::Stuck(_)) {
                status.problem.clone_from(&self.failure);
            }
        }
        status
    }

    fn set(&mut self, path: &Path, state: State) {
        if let Some(seen) = self.seen.get_mut(path) {
            seen.state = state;
        }
    }
}

//! How the line was: a week in slots of half an hour, for the ribbon and for honest estimates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karez_store::{Disk, read_whole, write_atomically};
use serde::{Deserialize, Serialize};

use super::view::Ribbon;

/// The file in a data directory.
pub const HISTORY: &str = "line.json";

const SLOT_S: i64 = 1800;
const DAY_SLOTS: i64 = 48;
const KEPT_SLOTS: i64 = 7 * DAY_SLOTS;
/// Bytes of the longest file: a slot takes about 30.
const FILE: usize = 64 * 1024;
/// Below this nothing is learned.
const LEARNED_S: u64 = 6 * 3600;

/// How the line was for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since 1970 by a clock that may be wrong.
    pub wall: i64,
    /// Seconds since the last sample.
    pub seconds: u64,
    /// Whether the line was up.
    pub up: bool,
}

/// The line's past.
pub struct History {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    /// By slot: seconds up and seconds watched.
    slots: BTreeMap<i64, (u64, u64)>,
    #[serde(skip)]
    written: i64,
}

impl History {
    /// That of a data directory. What cannot be read is begun anew.
    #[must_use]
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        let path = dir.join(HISTORY);
        let read = read_whole(&*disk, &path, FILE).ok().flatten();
        let state = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            disk,
            path,
            state: Mutex::new(state.unwrap_or_default()),
        }
    }

    /// Adds a sample; once a slot what is known is written down.
    pub fn add(&self, sample: Sample) {
        let slot = sample.wall.div_euclid(SLOT_S);
        let mut state = self.state();
        let (up, watched) = state.slots.entry(slot).or_default();
        // A clock that jumps must not make a slot longer than it is.
        let seconds = sample.seconds.min((SLOT_S as u64).saturating_sub(*watched));
        *watched += seconds;
        *up += if sample.up { seconds } else { 0 };
        state
            .slots
            .retain(|s, _| (slot - KEPT_SLOTS..=slot + 1).contains(s));
        if state.written != slot {
            state.written = slot;
            self.write(&state);
        }
    }

    /// The last 24 hours.
    #[must_use]
    pub fn ribbon(&self, wall: i64) -> Ribbon {
        let last = wall.div_euclid(SLOT_S);
        let state = self.state();
        let of = |slot: i64| state.slots.get(&slot).copied().unwrap_or_default();
        let slots = (last - DAY_SLOTS + 1..=last).map(of);
        let mut ribbon = Ribbon::default();
        for (up, watched) in slots {
            ribbon.up_s += up;
            ribbon.watched_s += watched;
            let percent = |(up, of): (u64, u64)| u8::try_from(up * 100 / of).unwrap_or(100);
            ribbon
                .slots
                .push((watched > 0).then(|| percent((up, watched))));
        }
        ribbon
    }

    /// How long `seconds` of an unbroken line take by what was learned of its outages; as they are
    /// while too little was learned; none when the line was never up.
    #[must_use]
    pub fn stretched(&self, seconds: u64) -> Option<u64> {
        let state = self.state();
        let sum = |s: (u64, u64), slot: &(u64, u64)| (s.0 + slot.0, s.1 + slot.1);
        let (up, watched) = state.slots.values().fold((0, 0), sum);
        match (up, watched) {
            (_, 0..LEARNED_S) => Some(seconds),
            (0, _) => None,
            (up, watched) => {
                let stretched = u128::from(seconds) * u128::from(watched) / u128::from(up);
                u64::try_from(stretched).ok()
            }
        }
    }

    fn write(&self, state: &State) {
        let Ok(json) = serde_json::to_vec(state) else {
            return;
        };
        if let Err(error) = write_atomically(&*self.disk, &self.path, &json) {
            tracing::debug!(%error, "the line's past could not be written down");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("History").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use karez_store::RealDisk;

    use super::*;

    fn watch(history: &History, from_hour: i64, to_hour: i64, up: bool) {
        for half in from_hour * 2..to_hour * 2 {
            history.add(Sample {
                wall: half * SLOT_S + SLOT_S / 2,
                seconds: 1800,
                up,
            });
        }
    }

    #[test]
    fn outages_stretch_what_is_left_and_a_line_that_was_never_up_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(Arc::new(RealDisk), dir.path());
        assert_eq!(history.stretched(600), Some(600), "nothing is learned yet");
        watch(&history, 0, 8, false);
        assert_eq!(history.stretched(600), None);
        watch(&history, 8, 24, true);
        assert_eq!(history.stretched(600), Some(900));
        let ribbon = history.ribbon(24 * 3600 - 1);
        assert_eq!(ribbon.slots.len(), 48);
        assert_eq!((ribbon.slots[0], ribbon.slots[47]), (Some(0), Some(100)));
        assert_eq!((ribbon.up_s, ribbon.watched_s), (16 * 3600, 24 * 3600));
        let again = History::open(Arc::new(RealDisk), dir.path());
        assert!(
            again.stretched(600).is_some_and(|s| s > 600),
            "it survives a restart"
        );
    }

    #[test]
    fn a_clock_that_jumps_back_forgets_the_future_and_a_week_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(Arc::new(RealDisk), dir.path());
        watch(&history, 0, 24 * 30, true);
        assert!(history.state().slots.len() <= 7 * 48 + 1);
        watch(&history, 0, 1, true);
        assert!(history.state().slots.len() <= 2);
        history.add(Sample {
            wall: 0,
            seconds: 9_000,
            up: true,
        });
        assert!(history.ribbon(0).watched_s <= 1800 * 2);
    }
}

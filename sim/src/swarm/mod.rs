//! Whole worlds drawn from seeds, with everything going wrong that may: after each event the
//! invariants are checked, then all is healed and completion is demanded.
//!
//! | module | owns |
//! |---|---|
//! | `plan` | what is drawn, and how it is written down |
//! | `draw` | the drawing |
//! | `play` | a plan played on the shipped daemons |
//! | `befall` | what events do to machines |
//! | `check` | what must hold |
//! | `shrink` | a failing plan cut smaller |

mod befall;
mod check;
mod draw;
mod log;
mod plan;
mod play;
mod shrink;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use plan::{Event, LinePlan, Misdeed, Plan, Timed, Who};
pub use shrink::shrink;

/// How a plan went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Instances accepted, and all of them at the archive in the end.
    pub instances: u64,
    /// Syncs of the hub's disk, and of each clinic's.
    pub syncs: Vec<u64>,
    /// All calls of these disks.
    pub calls: Vec<u64>,
    /// How often a modality was refused an instance, or a daemon warned.
    pub said: u64,
    /// What did not hold; empty when all did.
    pub broken: Vec<String>,
    /// Over all packets and all instances at the archive.
    pub trace_hash: String,
}

impl Verdict {
    /// Whether everything held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}

/// Plays a plan; prints what happens, if asked to, on standard error.
#[must_use]
pub fn play(plan: &Plan, aloud: bool) -> Verdict {
    play::play(plan, aloud)
}

/// Plays the plans of these seeds on all processors; `tell` hears of each, in no order, and says
/// whether to go on.
pub fn swarm(seeds: std::ops::Range<u64>, tell: impl FnMut(u64, &Verdict) -> bool + Send) {
    let (next, tell) = (AtomicU64::new(seeds.start), Mutex::new(tell));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let verdict = play(&Plan::draw(seed), false);
                    let mut tell = tell.lock().unwrap_or_else(PoisonError::into_inner);
                    if !tell(seed, &verdict) {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

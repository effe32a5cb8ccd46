//! Targets at work: which take something now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use karez_host::Failure;
use tokio::time::Instant;
use tracing::{info, warn};

use karez_protocol::manifest::Proof;

use super::Engine;
use super::trouble::Record;
use crate::handoff::{Address, Target};
use crate::limits::TARGET_PAUSE;

/// All targets.
#[derive(Default)]
pub(crate) struct Targets(BTreeMap<String, At>);

struct At {
    url: String,
    target: Arc<dyn Target>,
    health: Health,
    /// What waited for it was brought back when its pause was over.
    noticed: bool,
    record: Record,
}

/// Whether a target takes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It does.
    Up,
    /// It did not; it is asked again with one instance, after ever longer pauses.
    Down {
        /// Its words.
        why: String,
        /// When it is asked again.
        until: Instant,
        /// The pause after that.
        pause: Duration,
        /// It is being asked now.
        asking: bool,
    },
    /// An administrator lets it rest.
    Paused,
}

impl Targets {
    /// How a target is.
    pub(crate) fn health(&self, name: &str) -> Option<&Health> {
        self.0.get(name).map(|at| &at.health)
    }

    /// A target that takes something now.
    pub(super) fn open(&self, name: &str, now: Instant) -> Option<Arc<dyn Target>> {
        let at = self.0.get(name)?;
        let open = match &at.health {
            Health::Up => true,
            Health::Down { until, asking, .. } => *until <= now && !asking,
            Health::Paused => false,
        };
        open.then(|| at.target.clone())
    }

    /// Whether a target can confirm that it keeps what it has stored.
    pub(super) fn confirms(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|at| at.target.confirms())
    }

    /// When the pause of the next one that did not take anything is over.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let pauses = self.0.values().filter(|at| !at.noticed);
        pauses.filter_map(At::until).min()
    }

    /// Whether a pause is over since this was last asked.
    pub(super) fn notice_due(&mut self, now: Instant) -> bool {
        let over = |at: &&mut At| !at.noticed && at.until().is_some_and(|until| until <= now);
        let mut any = false;
        for at in self.0.values_mut().filter(over) {
            (at.noticed, any) = (true, true);
        }
        any
    }

    /// What is known of a target.
    pub(super) fn record(&mut self, name: &str) -> Option<&mut Record> {
        self.0.get_mut(name).map(|at| &mut at.record)
    }

    /// An instance goes to a target.
    pub(super) fn asking(&mut self, name: &str) {
        if let Some(Health::Down { asking, .. }) = self.0.get_mut(name).map(|at| &mut at.health) {
            *asking = true;
        }
    }

    /// A target that was being asked, and of which nothing was heard, may be asked again.
    pub(super) fn asked(&mut self, name: &str) {
        if let Some(Health::Down { asking, .. }) = self.0.get_mut(name).map(|at| &mut at.health) {
            *asking = false;
        }
    }
}

impl At {
    const fn until(&self) -> Option<Instant> {
        match self.health {
            Health::Down { until, .. } => Some(until),
            Health::Up | Health::Paused => None,
        }
    }
}

impl Engine {
    /// Makes targets of the registry's entries.
    pub(super) fn targets_changed(&mut self) {
        let mut old = std::mem::take(&mut self.targets.0);
        for (name, entry) in &self.registry.targets {
            let Ok(address) = entry.url.parse::<Address>() else {
                warn!(target_name = name, "a target's address is not understood");
                continue;
            };
            let before = old.remove(name).filter(|at| at.url == entry.url);
            let mut at = before.unwrap_or_else(|| At {
                url: entry.url.clone(),
                target: address.open(self.env.clone(), &self.reports),
                health: Health::Up,
                noticed: false,
                record: Record::default(),
            });
            match (entry.paused, &at.health) {
                (true, _) => at.health = Health::Paused,
                (false, Health::Paused) => at.health = Health::Up,
                (false, _) => {}
            }
            self.targets.0.insert(name.clone(), at);
        }
        self.queue.bring_back();
        let all: Vec<_> = self.unfinished().collect();
        for (peer, place) in all {
            self.settle(peer, place);
        }
    }

    /// A target took an instance, or says that it has it.
    pub(super) fn target_works(&mut self, name: &str, proof: Proof) {
        let Some(at) = self.targets.0.get_mut(name) else {
            return;
        };
        at.record.broken = 0;
        at.record.taken += u64::from(proof == Proof::Status);
        if matches!(at.health, Health::Down { .. }) {
            info!(target_name = name, "a target takes instances again");
            at.health = Health::Up;
            self.end_pauses(name);
            self.queue.bring_back();
        }
    }

    /// A target did not take an instance, and would not take another.
    pub(super) fn target_is_down(&mut self, name: &str, why: String, longest: Duration) {
        let now = self.now();
        let Some(at) = self.targets.0.get_mut(name) else {
            return;
        };
        let (wait, before) = match &at.health {
            Health::Paused => return,
            Health::Up => (TARGET_PAUSE.0, ""),
            Health::Down { pause, why, .. } => ((*pause).min(longest), why.as_str()),
        };
        if before != why {
            warn!(target_name = name, why, "a target takes nothing now");
        }
        at.noticed = false;
        at.health = Health::Down {
            why,
            until: now + wait,
            pause: (wait * 2).min(longest),
            asking: false,
        };
    }

    pub(super) fn target_named(&self, name: &str) -> Result<Arc<dyn Target>, Failure> {
        let at = self.targets.0.get(name);
        at.map(|at| at.target.clone())
            .ok_or_else(|| no_target(name))
    }
}

pub(super) fn no_target(name: &str) -> Failure {
    Failure::new(format!("there is no target `{name}`")).fix("See `target list`")
}

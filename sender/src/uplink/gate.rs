//! Who may go over the link now: everything, or STAT alone. Shared by the connection, the engine,
//! which writes down what is spent, and the status.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use karez_host::Env;
use karez_protocol::priority::Class;
use karez_protocol::wire::WireError;
use karez_quic::{Lane, Net, Room};
use tokio::time::Instant;

use super::budget::{Budget, Hold, Limits, Now};
use super::meter::{Meter, Metered};
use crate::status::{BudgetStatus, Spent};

/// Bytes that lie in QUIC and in the lanes beside those in flight.
const UNCOMMITTED: u64 = 192 * 1024;

/// The budget of the link, and what is counted against it.
pub(crate) struct Gate {
    env: Arc<dyn Env>,
    start: Instant,
    meter: Arc<Meter>,
    state: Mutex<State>,
}

struct State {
    budget: Budget,
    /// What the meter said last.
    counted: u64,
}

impl Gate {
    pub(crate) fn new(env: Arc<dyn Env>, limits: Limits) -> Self {
        Self {
            start: env.now(),
            env,
            meter: Arc::default(),
            state: Mutex::new(State {
                budget: Budget::new(limits),
                counted: 0,
            }),
        }
    }

    /// Sockets whose bytes count.
    pub(super) fn net(&self) -> Arc<dyn Net> {
        Arc::new(Metered {
            net: self.env.net(),
            meter: self.meter.clone(),
        })
    }

    /// The lanes that may be asked for a frame, and when to look again if that is not all.
    /// `window`: bytes that QUIC may have in flight.
    pub(super) fn allows(&self, room: Room, window: u64) -> (Room, Option<Duration>) {
        let mut state = self.state();
        state.budget.set_under_way(2 * window + UNCOMMITTED);
        let Some((_, again)) = state.budget.hold(self.now()) else {
            return (room, None);
        };
        let ignores = [Lane::Control, Lane::Class(Class::Stat)];
        let lanes = ignores.into_iter().filter(|lane| room.has(*lane));
        (lanes.fold(Room::NONE, Room::with), Some(again))
    }

    /// Sends nothing but STAT until told otherwise.
    pub(crate) fn pause(&self, paused: bool) {
        self.state().budget.pause(paused);
    }

    /// Other limits from now on.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.state().budget.set_limits(limits);
    }

    /// What an earlier process wrote down.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), WireError> {
        self.state().budget.restore(bytes)
    }

    /// What is to be written down.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.state().budget.to_bytes()
    }

    /// Whether nothing is limited, so that nothing need be written down.
    pub(crate) fn is_free(&self) -> bool {
        self.state().budget.is_free()
    }

    /// As the status shows it.
    pub(crate) fn status(&self) -> BudgetStatus {
        let mut state = self.state();
        let now = self.now();
        let [hour, day, month] = state.budget.spent(now).map(|(used, limit)| Spent {
            bytes: used,
            limit_bytes: Some(limit).filter(|limit| *limit > 0),
        });
        let hold = state.budget.hold(now).map(|(hold, _)| hold);
        BudgetStatus {
            paused: hold == Some(Hold::Paused),
            holds: hold.map(words).unwrap_or_default().to_owned(),
            hour,
            day,
            month,
        }
    }

    fn now(&self) -> Now {
        Now {
            running: self.env.now().saturating_duration_since(self.start),
            wall: self.env.wall(),
        }
    }

    /// With everything counted up to now.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.meter.bytes();
        let fresh = bytes - state.counted;
        state.counted = bytes;
        state.budget.spend(self.now(), fresh);
        state
    }
}

const fn words(hold: Hold) -> &'static str {
    match hold {
        Hold::Paused => "paused by command: only STAT is sent; `karez-sender resume` goes on",
        Hold::Hours => "outside link.hours: only STAT is sent",
        Hold::Spent(0) => "link.bytes_per_hour is spent: only STAT is sent",
        Hold::Spent(1) => "link.bytes_per_day is spent: only STAT is sent",
        Hold::Spent(_) => "link.bytes_per_month is spent: only STAT is sent",
    }
}

//! Bugs that the simulator's tests switch on, to see that they are caught. In no shipped build:
//! only the feature `mutants` compiles them in.

use std::sync::atomic::{AtomicU8, Ordering};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// What is written counts as durable without a sync.
    AckBeforeSync = 1,
    /// After a restart the hub does not know which chunks it holds.
    Forgetful = 2,
    /// The hub's ledger says stored before the archive has answered.
    LedgerFirst = 3,
}

static ON: AtomicU8 = AtomicU8::new(0);

/// Switches a bug on, for the whole process.
pub fn switch_on(mutant: Mutant) {
    ON.store(mutant as u8, Ordering::Relaxed);
}

/// Whether it is on.
#[must_use]
pub fn is_on(mutant: Mutant) -> bool {
    ON.load(Ordering::Relaxed) == mutant as u8
}

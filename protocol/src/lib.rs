//! The pure core of Karez: what is sealed, what is said, what is owed, as values and state
//! machines without I/O, clocks or randomness of their own (ARCHITECTURE I2).
//!
//! `docs/SPEC.md` is the format; `docs/DESIGN.md` says why. A reader new to the code starts at
//! [`manifest`] (what a study is made of), goes on to [`session`] (how it travels), and looks up
//! the rest on the way.

mod crockford;
pub mod error;
pub mod id;
pub mod invitation;
pub mod limits;
pub mod link;
pub mod manifest;
#[cfg(feature = "mutants")]
pub mod mutant;
pub mod priority;
pub mod resume;
pub mod schedule;
pub mod seal;
pub mod session;
pub mod units;
pub mod wire;

pub use error::Retry;

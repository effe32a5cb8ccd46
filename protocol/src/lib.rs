//! The pure core of Karez: what is sealed, what is said, what is owed, as values and state
//! machines without I/O, clocks or randomness of their own (ARCHITECTURE I2).
//!
//! `docs/SPEC.md` is the format; `docs/DESIGN.md` says why.

pub mod id;

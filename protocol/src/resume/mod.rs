//! What a receiver holds durably, and how it says so: the resume manifest.

mod have;
mod runs;

pub use have::{Covered, Have, HaveSet, Stored, What};
pub use runs::RunSet;

//! The way in: bytes are sealed before they touch the disk, and an instance is accepted only
//! when they and the journal entry that names them are durable.

mod file;
mod intake;
mod said;

pub(crate) use file::IngestFile;
pub(crate) use intake::{Arrived, IntakeTools};
pub use intake::{Given, Intake};

/// Domain of the seal over an instance's fingerprint: no block of a file has this number.
pub(crate) const FINGERPRINT_BLOCK: u32 = u32::MAX;

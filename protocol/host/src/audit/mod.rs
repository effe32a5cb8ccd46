//! The audit log: who sent, received, handed off, looked at names, exported, changed, resolved.
//!
//! An append-only chain of lines in journals of the store (SPEC 10). Each line carries the head
//! of the chain before it, so that nothing can be altered, left out or put in another order
//! without a trace; the hub's head stands in every receipt, so that its clinics are witnesses.
//! No patient data: studies are named by keyed hashes, and no free text of people is kept.

mod line;
mod log;
mod note;
mod read;
mod show;
pub mod syslog;
mod xml;

pub use line::{Head, Line};
pub use log::AuditLog;
pub use note::{Event, Note};
pub use read::{Break, Checked, Witness, check, lines};
pub use show::{as_text, verdict};
pub use syslog::AuditSettings;
pub use xml::message;

//! DICOM networking: the PDU stream, negotiation, command sets, and the services
//! C-ECHO, C-STORE, C-FIND and storage commitment (PS3.7 and PS3.8), generic over the byte stream.
//!
//! [`scp`] answers a scanner, [`scu`] hands an instance to a PACS, [`part10`] puts a file meta group
//! before a received data set and finds the data set in a file, [`stub`] is a small PACS for tests.
//! Data sets are never parsed and never rewritten: the bytes that come in go out.
//!
//! The only crate that knows `dicom-ul`. It reads no clock but tokio's and touches no file.

pub mod ae;
pub mod command;
pub mod commitment;
mod dimse;
mod element;
mod error;
pub mod identifier;
pub mod limits;
mod negotiate;
pub mod part10;
pub mod scp;
pub mod scu;
mod status;
pub mod stub;
pub mod uid;
mod ul;
mod wire;

pub use ae::AeTitle;
pub use element::Tag;
pub use error::{AbortSource, ContextRefusal, Error, Phase, RejectReason, Rejection, Violation};
pub use identifier::Identifier;
pub use negotiate::Context;
pub use status::{Status, Verdict};
pub use uid::Uid;
pub use wire::Timeouts;

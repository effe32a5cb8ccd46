//! The durable store: packs of sealed bytes and small journals, on a disk that may lie, fill up,
//! rot or lose power at any instant.
//!
//! [`Disk`] is the project's only door to files. [`Store`] keeps one self-describing pack file for
//! each segment and a few named journals; its index is a cache. Nothing is there until
//! [`Store::commit`] has said so: [`Stored`] is the only proof (ARCHITECTURE I1).
//! `FORMAT.md` beside this crate draws the bytes.

mod atomic;
mod blob;
mod disk;
mod error;
mod extents;
mod files;
mod format;
mod fresh;
mod index;
mod limits;
mod log;
mod mem;
mod pack;
mod preamble;
mod real;
mod recover;
mod scan;
mod store;
mod sync;

pub use atomic::{read_whole, write_atomically};
pub use blob::{Blob, Blobs};
pub use disk::{DirEntry, Disk, EntryKind, File, Lock, OpenMode, Space, Stamp};
pub use error::{Error, Place, Retry};
pub use format::Kind;
#[cfg(feature = "mutants")]
pub use karez_protocol::mutant;
pub use limits::{HANDLES, MAX_HEAD, MAX_NUMBER, MAX_PAYLOAD, MAX_UNCOLLECTED, MAX_UNCOMMITTED};
pub use mem::{Cold, Durable, Fault, MemDisk};
pub use real::RealDisk;
pub use recover::{Found, Recovery};
pub use store::{Commit, Cursor, Extent, Options, Store, Stored, StoredNote, Verified, Walked};

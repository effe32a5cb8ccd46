//! The store: segments and journals of one data directory.

mod attest;
mod commit;
mod journals;
mod open;
mod rewrite;
mod segments;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use karez_protocol::id::SegmentId;

use crate::disk::{Lock, Space};
use crate::error::{Error, Place};
use crate::files::Files;
use crate::pack::Pack;

pub use commit::{Commit, Stored, StoredNote};
pub use journals::Extent;
pub use segments::Verified;
pub use walk::{Cursor, Walked};

use journals::Journal;

/// A data directory's packs and journals. Synchronous: whoever calls waits for the disk.
///
/// What is appended is there after [`Store::commit`] has said so, and not before: reads, runs and
/// iterations show durable entries only. An error of one file leaves all others usable.
pub struct Store {
    files: Files,
    dirs: Dirs,
    packs: BTreeMap<SegmentId, Pack>,
    journals: BTreeMap<String, Journal>,
    /// Files that could not be opened; they are left as they are.
    failed: BTreeSet<Target>,
    /// Files with entries that wait for a commit.
    dirty: BTreeSet<Target>,
    /// Bytes that wait for a commit.
    uncommitted: u64,
    /// Proofs that wait to be handed out.
    done: Commit,
    options: Options,
    _lock: Box<dyn Lock>,
}

/// How to open a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Random bytes for the files made from now on. A peer that does not know them cannot send a
    /// payload that recovery could take for an entry.
    pub salt: [u8; 16],
}

struct Dirs {
    root: PathBuf,
    packs: PathBuf,
    journals: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Pack(SegmentId),
    Journal(String),
}

impl Store {
    /// Room on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn space(&self) -> Result<Space, Error> {
        let space = self.files.disk().space(&self.dirs.root);
        space.map_err(|e| Error::io("measure", Place::Directory, e))
    }

    /// Bytes of all packs and journals.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        let packs: u64 = self.packs.values().map(|pack| pack.log.durable()).sum();
        let journals: u64 = self.journals.values().map(Journal::bytes).sum();
        packs + journals
    }

    /// Fills in a full disk's figures.
    fn explain(&self, error: Error, wanted: u64) -> Error {
        let free = || self.space().map_or(0, |space| space.free);
        if matches!(error, Error::Full { .. }) {
            error.with_room(free(), wanted)
        } else {
            error
        }
    }
}

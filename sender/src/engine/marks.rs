//! Which files of watched folders were taken: keyed hashes, in a journal of their own because a
//! file may stay in its folder long after its instance was released and evicted.

use std::collections::BTreeSet;

use karez_host::Failure;
use tokio::sync::oneshot;

use super::Engine;
use super::commit::Pending;
use super::entry::MARKS;
use crate::limits::MARKS_PER_ENTRY;

/// A file as it stood: path, length and time, as a keyed hash.
pub(crate) type Mark = [u8; 16];

impl Engine {
    /// Every mark that is durable.
    pub(super) fn marks(&mut self) -> Result<BTreeSet<Mark>, Failure> {
        let mut marks = BTreeSet::new();
        self.read(MARKS, &mut |bytes| marks.extend(bytes.as_chunks::<16>().0))?;
        Ok(marks)
    }

    /// Adds a mark; the answer goes when it is durable.
    pub(super) fn mark(&mut self, mark: &Mark, reply: oneshot::Sender<Result<(), Failure>>) {
        match self.journal(MARKS, mark) {
            Ok(position) => self.pending.push(Pending::Mark { position, reply }),
            Err(failure) => drop(reply.send(Err(failure))),
        }
    }

    /// Keeps these marks and forgets all others.
    pub(super) fn keep_marks(&mut self, live: &BTreeSet<Mark>) -> Result<(), Failure> {
        let all: Vec<Mark> = live.iter().copied().collect();
        let entries = all.chunks(MARKS_PER_ENTRY).map(<[Mark]>::as_flattened);
        let rewritten = self.store.journal_rewrite(MARKS, entries);
        if let Err(error) = &rewritten {
            self.troubled(error);
        }
        rewritten.map(drop).map_err(Failure::from)
    }
}

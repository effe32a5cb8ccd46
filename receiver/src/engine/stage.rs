//! Journal entries: staged, appended together, and believed only after the sync.

use karez_host::Failure;
use karez_protocol::manifest::Receipt;
use karez_protocol::wire::{decode, encode};
use karez_store::Error;
use tokio::sync::oneshot;

use super::Engine;
use crate::registry::Entry;

/// A journal entry that is to become durable.
pub(super) struct Staged {
    entry: Entry,
    /// Who waits for it. An entry that nobody waits for is tried again until it holds.
    done: Option<oneshot::Sender<Result<(), String>>>,
}

impl Engine {
    /// Writes an entry with the next sync.
    pub(super) fn stage(&mut self, entry: Entry) {
        self.staged.push(Staged { entry, done: None });
    }

    /// The same for somebody who waits.
    pub(super) fn stage_for(&mut self, entry: Entry, done: oneshot::Sender<Result<(), String>>) {
        let done = Some(done);
        self.staged.push(Staged { entry, done });
    }

    /// Writes entries now, for a person's command.
    pub(super) fn write(&mut self, entries: Vec<Entry>) -> Result<(), Failure> {
        for entry in &entries {
            self.store.journal_append(entry.journal(), &encode(entry))?;
        }
        self.note_entries(&entries);
        self.commit()?;
        entries.into_iter().for_each(|entry| self.believe(entry));
        Ok(())
    }

    /// Whether entries wait and may be written: not on a disk that has just refused them.
    pub(super) fn has_staged(&self) -> bool {
        let lines = self.audit.waits() && !self.audit_fails;
        (lines || !self.staged.is_empty()) && !self.disk_refuses()
    }

    pub(super) fn append_staged(&mut self) -> Vec<Staged> {
        if self.disk_refuses() || !self.append_audit() {
            return Vec::new();
        }
        let mut appended = Vec::new();
        for staged in std::mem::take(&mut self.staged) {
            let bytes = encode(&staged.entry);
            match self.store.journal_append(staged.entry.journal(), &bytes) {
                Ok(_) => appended.push(staged),
                Err(error) => {
                    self.disk_failed(&error);
                    self.give_back(staged, &error);
                }
            }
        }
        appended
    }

    pub(super) fn settle_staged(&mut self, staged: Vec<Staged>, failed: Option<&Error>) {
        for staged in staged {
            match failed {
                Some(error) => self.give_back(staged, error),
                None => {
                    self.believe(staged.entry);
                    if let Some(done) = staged.done {
                        // Whoever waited may have gone; the entry holds.
                        let _ = done.send(Ok(()));
                    }
                }
            }
        }
    }

    /// A repeated entry says the same, so what may be half there is written again.
    fn give_back(&mut self, staged: Staged, error: &Error) {
        match staged.done {
            Some(done) => {
                let _ = done.send(Err(error.to_string()));
            }
            None => self.staged.push(staged),
        }
    }

    /// A durable entry takes effect.
    fn believe(&mut self, entry: Entry) {
        self.registry.apply(entry.clone());
        match entry {
            Entry::Receipt { clinic, signed } => {
                let receipt = decode::<Receipt>(&signed.body);
                if let (Some(clinic), Ok(receipt)) = (self.clinics.get_mut(&clinic), receipt) {
                    clinic.sink.add_receipt(&receipt, &signed);
                }
            }
            Entry::HandOff(hand_off) => self.stepped(&hand_off),
            Entry::Target { .. } | Entry::Paused { .. } | Entry::Removed { .. } => {
                self.targets_changed();
            }
            _ => {}
        }
    }

    /// What came in vain, as a sum that a kill does not forget.
    pub(super) fn stage_resent(&mut self) {
        for (clinic, more) in std::mem::take(&mut self.resent) {
            let before = self.registry.resent.get(&clinic).copied().unwrap_or(0);
            let waiting = self.staged.iter().filter_map(|staged| match &staged.entry {
                Entry::Resent {
                    clinic: whose,
                    bytes,
                } if *whose == clinic => Some(*bytes),
                _ => None,
            });
            let bytes = waiting.max().unwrap_or(before) + more;
            self.stage(Entry::Resent { clinic, bytes });
        }
    }
}

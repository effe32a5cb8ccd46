//! The group commit: what waits for it, and what it makes true.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use karez_host::Failure;
use karez_protocol::id::StudyId;
use karez_protocol::seal::Signed;
use karez_protocol::units::Moment;
use karez_store::{Commit, Error};
use tokio::sync::oneshot;

use super::commitment::Asked;
use super::entry::{Accepted, Costs, RECEIPTS, StudyFacts, TOTALS, signed_bytes};
use super::table::Place;
use super::{Engine, Ticket};
use crate::limits::DISK_RETRY;

/// Entries of a journal of which only the last counts, before it is written anew.
const LAST_OF: usize = 256;

/// Something that a commit will make true.
pub(super) enum Pending {
    Accept {
        position: u64,
        accepted: Accepted,
        /// Where it came from.
        source: String,
        facts: Option<StudyFacts>,
        reply: oneshot::Sender<Result<Ticket, Failure>>,
    },
    Study {
        position: u64,
        study: StudyId,
        facts: StudyFacts,
        reply: oneshot::Sender<Result<String, Failure>>,
    },
    Receipt {
        position: u64,
        signed: Signed,
    },
    Mark {
        position: u64,
        reply: oneshot::Sender<Result<(), Failure>>,
    },
    Asked {
        position: u64,
        id: u64,
        asked: Asked,
        reply: oneshot::Sender<Result<(), Failure>>,
    },
}

/// The disk does not take what it should.
pub(super) struct Trouble {
    pub(super) text: String,
    pub(super) full: bool,
    tried: Moment,
}

/// Entries in each journal.
pub(super) type Counts = BTreeMap<&'static str, usize>;

impl Trouble {
    pub(super) fn retry_at(&self) -> Moment {
        self.tried.after(DISK_RETRY)
    }
}

impl Engine {
    /// Writes a journal entry; it counts after the commit.
    pub(super) fn journal(&mut self, name: &'static str, entry: &[u8]) -> Result<u64, Failure> {
        let written = self.store.journal_append(name, entry);
        if let Err(error) = &written {
            self.troubled(error);
        }
        *self.journal_entries.entry(name).or_default() += 1;
        written.map_err(|e| Failure::new(e.to_string()))
    }

    /// Makes durable what was written, and does what that allows.
    pub(super) fn commit(&mut self) {
        let written = self.sealed.iter().any(|s| s.written);
        if self.pending.is_empty() && !written {
            return;
        }
        let all_written = self.sealed.iter().all(|s| s.written);
        if self.sync() && all_written {
            self.trouble = None;
        }
    }

    /// The only commit of a store that has not failed since the last one; whether it succeeded.
    /// Then all that waits is durable, since a failure never leaves anything waiting.
    pub(super) fn sync(&mut self) -> bool {
        let appended = self.audit.append(&mut self.store);
        let committed = appended.and_then(|()| self.store.commit());
        self.audit.settle(&mut self.store);
        if let Err(error) = committed {
            self.troubled(&error);
            return false;
        }
        for pending in std::mem::take(&mut self.pending) {
            self.settle(pending);
        }
        self.settle_sealed();
        true
    }

    /// Any call of the store has failed. The store has dropped what waited in the file that
    /// failed, and gives its positions out anew: so now, before anything else is written, it is
    /// settled which of what waits is durable, and the rest is refused or written again.
    pub(super) fn troubled(&mut self, error: &Error) {
        self.note_trouble(error.to_string(), matches!(error, Error::Full { .. }));
        // The first of these may fail with another file; the second hands out all proofs.
        let commits = [self.store.commit(), self.store.commit()];
        self.audit.settle(&mut self.store);
        let proved: BTreeSet<_> = commits.iter().flatten().flat_map(proved).collect();
        let failure = Failure::new(error.to_string());
        for pending in std::mem::take(&mut self.pending) {
            if proved.contains(&pending.place()) {
                self.settle_again(pending);
            } else {
                self.unsettle(pending, &failure);
            }
        }
        for sealed in &mut self.sealed {
            sealed.written = false;
        }
    }

    /// The disk failed, and is tried again after a while.
    pub(super) fn note_trouble(&mut self, text: String, full: bool) {
        if self.trouble.is_none() {
            tracing::warn!(
                text,
                "the disk does not do what it should; trying again until it does"
            );
        }
        let tried = self.now();
        self.trouble = Some(Trouble { text, full, tried });
    }

    /// Settles what is durable although something else was not: a study's facts may be what was
    /// dropped, so they are written once more.
    fn settle_again(&mut self, pending: Pending) {
        if let Pending::Accept {
            accepted,
            facts: Some(facts),
            ..
        } = &pending
        {
            // Should it fail again, a restart finds the study in the ordinary class.
            let _ = self
                .store
                .journal_append(super::entry::STUDIES, &facts.to_bytes(accepted.study));
        }
        self.settle(pending);
    }

    /// Whether the disk failed a moment ago, so that it is not yet tried again.
    pub(super) fn resting(&self) -> bool {
        let now = self.now();
        self.trouble.as_ref().is_some_and(|t| t.retry_at() > now)
    }

    /// When the disk failed and nothing waits to be written, writes something small to see
    /// whether it does again.
    pub(super) fn try_disk(&mut self) {
        let waits = !self.sealed.is_empty() || !self.pending.is_empty();
        if self.trouble.is_none() || self.resting() || waits {
            return;
        }
        let costs = self.costs();
        let written = self.store.journal_append(TOTALS, &costs.to_bytes());
        *self.journal_entries.entry(TOTALS).or_default() += 1;
        match written {
            Err(error) => self.troubled(&error),
            Ok(_) if self.sync() => self.trouble = None,
            Ok(_) => {}
        }
    }

    pub(super) fn journal_receipt(&mut self, signed: Signed) {
        // What the disk does not take now, the hub says again when it is asked.
        if let Ok(position) = self.journal(RECEIPTS, &signed_bytes(&signed)) {
            self.pending.push(Pending::Receipt { position, signed });
        }
    }

    fn settle(&mut self, pending: Pending) {
        match pending {
            Pending::Accept {
                accepted,
                source,
                facts,
                reply,
                ..
            } => self.accepted(accepted, &source, facts, reply),
            Pending::Study {
                study,
                facts,
                reply,
                ..
            } => {
                self.set_facts(study, facts);
                let _ = reply.send(Ok(study.short()));
            }
            Pending::Mark { reply, .. } => drop(reply.send(Ok(()))),
            Pending::Asked {
                id, asked, reply, ..
            } => {
                self.enter_commitment(id, asked);
                let _ = reply.send(Ok(()));
            }
            Pending::Receipt { signed, .. } => {
                if let Err(error) = self.source.accept_receipt(&signed) {
                    tracing::warn!(%error, "a durable receipt no longer fits");
                }
            }
        }
    }

    pub(super) fn accepted(
        &mut self,
        accepted: Accepted,
        source: &str,
        facts: Option<StudyFacts>,
        reply: oneshot::Sender<Result<Ticket, Failure>>,
    ) {
        let now = self.now();
        let ticket = Ticket {
            order: accepted.order,
            study: accepted.study.short(),
        };
        let unsealed = &self.shared.unsealed;
        unsealed.fetch_add(accepted.length, std::sync::atomic::Ordering::Relaxed);
        if let Some(facts) = facts {
            self.set_facts(accepted.study, facts);
        }
        self.count_accepted(accepted.study, source);
        self.tables.enter(accepted, Place::Waiting, now);
        let _ = reply.send(Ok(ticket));
    }

    fn unsettle(&mut self, pending: Pending, failure: &Failure) {
        match pending {
            Pending::Accept {
                accepted, reply, ..
            } => self.refuse(&accepted.blob, reply, failure.clone()),
            Pending::Study { reply, .. } => drop(reply.send(Err(failure.clone()))),
            Pending::Mark { reply, .. } | Pending::Asked { reply, .. } => {
                drop(reply.send(Err(failure.clone())));
            }
            Pending::Receipt { .. } => {}
        }
    }

    /// Writes down what the link has cost so far.
    pub(super) fn write_costs(&mut self) {
        let costs: Costs = self.costs();
        if costs == self.link.written {
            return;
        }
        match self.keep_last(TOTALS, &costs.to_bytes()) {
            Ok(()) => self.link.written = costs,
            Err(error) => self.troubled(&error),
        }
    }

    /// Writes an entry to a journal of which only the last one counts.
    pub(super) fn keep_last(&mut self, journal: &'static str, entry: &[u8]) -> Result<(), Error> {
        let many = self.journal_entries.get(journal).copied().unwrap_or(0) > LAST_OF;
        if many {
            self.journal_entries.insert(journal, 1);
            return self.store.journal_rewrite(journal, [entry]).map(drop);
        }
        *self.journal_entries.entry(journal).or_default() += 1;
        self.store.journal_append(journal, entry).map(drop)
    }
}

impl Pending {
    const fn place(&self) -> (&'static str, u64) {
        match self {
            Self::Accept { position, .. } => (super::entry::INGEST, *position),
            Self::Study { position, .. } => (super::entry::STUDIES, *position),
            Self::Receipt { position, .. } => (RECEIPTS, *position),
            Self::Mark { position, .. } => (super::entry::MARKS, *position),
            Self::Asked { position, .. } => (super::entry::COMMITMENT, *position),
        }
    }
}

fn proved(commit: &Commit) -> BTreeSet<(&'static str, u64)> {
    let name = |journal: &str| match journal {
        super::entry::INGEST => Some(super::entry::INGEST),
        super::entry::STUDIES => Some(super::entry::STUDIES),
        RECEIPTS => Some(RECEIPTS),
        super::entry::MARKS => Some(super::entry::MARKS),
        super::entry::COMMITMENT => Some(super::entry::COMMITMENT),
        _ => None,
    };
    let notes = commit.notes.iter();
    notes
        .filter_map(|note| Some((name(note.journal())?, note.position())))
        .collect()
}

const _: () = assert!(DISK_RETRY.as_secs() < Duration::from_secs(60).as_secs());

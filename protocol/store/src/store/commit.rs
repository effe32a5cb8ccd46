//! Appending and the group commit: the only place where something becomes stored.

use std::sync::Arc;

use karez_protocol::id::SegmentId;

use super::{Store, Target};
use crate::error::{Error, Place};
use crate::format::Kind;
use crate::limits::{MAX_DIRTY, MAX_NUMBER, MAX_PAYLOAD, MAX_UNCOLLECTED, MAX_UNCOMMITTED};
use crate::pack::Appended;

/// What commits have made durable.
#[derive(Debug, Default)]
pub struct Commit {
    /// Entries of packs; those of one segment in the order of their appending.
    pub entries: Vec<Stored>,
    /// Entries of journals; those of one journal in the order of their appending.
    pub notes: Vec<StoredNote>,
}

/// Proof that an entry of a pack is durable. Only the store makes one; a have-set that is told to
/// a peer is built from nothing else (ARCHITECTURE I1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    segment: SegmentId,
    kind: Kind,
    number: u64,
}

/// Proof that an entry of a journal is durable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredNote {
    journal: Arc<str>,
    position: u64,
}

impl Store {
    /// Writes an entry to a segment's pack. It is there after [`Store::commit`].
    ///
    /// The same entry again is no error and is proved again; other bytes under the same name are
    /// refused. A long series commits by itself now and then; the proofs wait for
    /// [`Store::commit`].
    ///
    /// # Errors
    /// [`Error::NoSegment`], [`Error::Conflict`], [`Error::TooLong`], [`Error::BadNumber`],
    /// [`Error::Uncollected`]; [`Error::Full`], [`Error::Io`] and its kin: then this entry is not
    /// there, and what else waited in this pack is proved by the next commit or was dropped.
    pub fn append(
        &mut self,
        segment: SegmentId,
        kind: Kind,
        number: u64,
        payload: &[u8],
    ) -> Result<(), Error> {
        check(Place::Pack(segment), number, payload)?;
        self.make_way(&Target::Pack(segment))?;
        let pack = self
            .packs
            .get_mut(&segment)
            .ok_or(Error::NoSegment(segment))?;
        match pack.append(&mut self.files, kind, number, payload) {
            Ok(Appended::Written(bytes)) => {
                self.uncommitted += bytes;
                self.dirty.insert(Target::Pack(segment));
            }
            Ok(Appended::Waiting) => {}
            Ok(Appended::Durable) => self.done.entries.push(Stored {
                segment,
                kind,
                number,
            }),
            Err(error) => return Err(self.explain(error, payload.len() as u64)),
        }
        Ok(())
    }

    /// Writes an entry to a journal, made if missing, and gives its position. It is there after
    /// [`Store::commit`].
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooLong`], [`Error::Uncollected`]; [`Error::Full`],
    /// [`Error::Io`] and its kin, as in [`Store::append`].
    pub fn journal_append(&mut self, name: &str, payload: &[u8]) -> Result<u64, Error> {
        check(Place::Journal(name.to_owned()), 0, payload)?;
        let target = Target::Journal(name.to_owned());
        self.make_way(&target)?;
        self.make_journal(name)?;
        let missing = || Error::Damaged {
            place: Place::Journal(name.to_owned()),
        };
        let journal = self.journals.get_mut(name).ok_or_else(missing)?;
        match journal.append(&mut self.files, payload) {
            Ok((position, bytes)) => {
                self.uncommitted += bytes;
                self.dirty.insert(target);
                Ok(position)
            }
            Err(error) => Err(self.explain(error, payload.len() as u64)),
        }
    }

    /// Makes everything appended durable, with one sync for each file, packs before journals, and
    /// hands out the proofs.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`] and its kin, of the first file that failed. What waited in
    /// that file is dropped, to be appended anew; what other files made durable is proved by the
    /// next commit.
    pub fn commit(&mut self) -> Result<Commit, Error> {
        self.flush()?;
        Ok(std::mem::take(&mut self.done))
    }

    /// Makes everything appended durable; the proofs wait.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let wanted = std::mem::take(&mut self.uncommitted);
        let mut failed = None;
        for target in std::mem::take(&mut self.dirty) {
            if let Err(error) = self.commit_one(&target) {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), |error| Err(self.explain(error, wanted)))
    }

    fn commit_one(&mut self, target: &Target) -> Result<(), Error> {
        match target {
            Target::Pack(id) => {
                let Some(pack) = self.packs.get_mut(id) else {
                    return Ok(());
                };
                let entries = pack.commit(&mut self.files)?;
                let stored = |(kind, number)| Stored {
                    segment: *id,
                    kind,
                    number,
                };
                self.done.entries.extend(entries.into_iter().map(stored));
                pack.save_if_due(&mut self.files, &self.dirs.packs);
            }
            Target::Journal(name) => {
                let Some(journal) = self.journals.get_mut(name) else {
                    return Ok(());
                };
                let positions = journal.commit(&mut self.files)?;
                let journal: Arc<str> = name.as_str().into();
                let note = |position| StoredNote {
                    journal: Arc::clone(&journal),
                    position,
                };
                self.done.notes.extend(positions.map(note));
            }
        }
        Ok(())
    }

    /// Commits when a bound is reached.
    fn make_way(&mut self, target: &Target) -> Result<(), Error> {
        if self.done.entries.len() + self.done.notes.len() >= MAX_UNCOLLECTED {
            return Err(Error::Uncollected);
        }
        let many = self.dirty.len() >= MAX_DIRTY && !self.dirty.contains(target);
        if many || self.uncommitted >= MAX_UNCOMMITTED {
            self.flush()
        } else {
            Ok(())
        }
    }
}

impl Commit {
    /// Takes back proofs that wait, of entries that are no longer kept.
    pub(super) fn withdraw(&mut self, segment: SegmentId, keep: &dyn Fn(Kind, u64) -> bool) {
        let kept = |entry: &Stored| entry.segment != segment || keep(entry.kind, entry.number);
        self.entries.retain(kept);
    }

    /// Takes back proofs that wait, of a journal's entries.
    pub(super) fn withdraw_notes(&mut self, journal: &str) {
        self.notes.retain(|note| &*note.journal != journal);
    }
}

impl Stored {
    /// The segment.
    #[must_use]
    pub fn segment(&self) -> SegmentId {
        self.segment
    }

    /// What is stored.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl StoredNote {
    /// The journal's name.
    #[must_use]
    pub fn journal(&self) -> &str {
        &self.journal
    }

    /// The position that [`Store::journal_append`] gave.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

fn check(place: Place, number: u64, payload: &[u8]) -> Result<(), Error> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::TooLong {
            place,
            length: payload.len(),
            most: MAX_PAYLOAD,
        });
    }
    if number > MAX_NUMBER {
        Err(Error::BadNumber(number))
    } else {
        Ok(())
    }
}

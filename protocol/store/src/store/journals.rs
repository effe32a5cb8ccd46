//! Journals: small named logs whose entries have positions instead of names.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Store, Target};
use crate::error::{Error, Place};
use crate::files::Files;
use crate::format::{Class, FIRST, FileHeader, HEADER, Purpose, span};
use crate::fresh::Fresh;
use crate::limits::{MAX_NAME, MAX_PAYLOAD};
use crate::log::{Log, remove_if_there};
use crate::pack::{broken_off, unreadable};
use crate::preamble;
use crate::recover::{Found, read_tail};
use crate::scan::{Item, Scan};

/// An open journal.
pub(super) struct Journal {
    log: Log,
    /// Below: durable.
    durable: u64,
    /// The position of the next entry.
    next: u64,
}

/// How far a journal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Positions below this are durable.
    pub durable: u64,
    /// The position of the next entry.
    pub next: u64,
    /// Durable bytes of its file.
    pub bytes: u64,
}

impl Store {
    /// The names of all journals.
    pub fn journals(&self) -> impl Iterator<Item = &str> {
        self.journals.keys().map(String::as_str)
    }

    /// The names of journals that are there and could not be opened.
    pub fn failed_journals(&self) -> impl Iterator<Item = &str> {
        self.failed.iter().filter_map(|target| match target {
            Target::Journal(name) => Some(name.as_str()),
            Target::Pack(_) => None,
        })
    }

    /// Shows every durable entry of a journal with its position, in order. A journal that does
    /// not exist has none. Gives the number of places where lines rotted or cannot be read.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the journal could not be opened; [`Error::Io`].
    pub fn journal_read_all(
        &mut self,
        name: &str,
        show: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<usize, Error> {
        self.must_not_have_failed(name)?;
        match self.journals.get(name) {
            Some(journal) => journal.read_all(&mut self.files, show),
            None => Ok(0),
        }
    }

    /// Writes a journal anew with these entries alone, durably: a checkpoint. Gives the position
    /// of the first; positions go on where the journal stood, so that none ever names two
    /// entries. What waited for a commit is committed first; waiting proofs of the old entries are
    /// taken back.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::TooLong`]; [`Error::Full`], [`Error::Io`] and its kin: then
    /// the journal is as before, or, if only the very last sync failed, as wanted but not yet
    /// proof against a power cut.
    pub fn journal_rewrite<T: AsRef<[u8]>>(
        &mut self,
        name: &str,
        entries: impl IntoIterator<Item = T>,
    ) -> Result<u64, Error> {
        self.must_not_have_failed(name)?;
        self.flush()?;
        let old = self.journals.get(name);
        let base = old.map_or(0, |journal| journal.next);
        let generation = old.map_or(0, |journal| journal.log.header.generation + 1);
        let header = self.journal_header(name, generation, base);
        let place = journal_place(&self.dirs.journals, name)?;
        let mut fresh =
            Fresh::begin(&self.files, place, header, &[]).map_err(|e| self.explain(e, 0))?;
        let mut next = base;
        for entry in entries {
            let payload = entry.as_ref();
            let written = fits(name, payload)
                .and_then(|()| fresh.append(Class::Journal, next, payload).map(drop));
            if let Err(error) = written {
                fresh.discard(&self.files);
                return Err(self.explain(error, payload.len() as u64));
            }
            next += 1;
        }
        let (log, named) = fresh
            .finish(&mut self.files)
            .map_err(|e| self.explain(e, 0))?;
        self.done.withdraw_notes(name);
        self.journals.insert(
            name.to_owned(),
            Journal {
                log,
                durable: next,
                next,
            },
        );
        named.map(|()| base)
    }

    /// How far a journal has come; `None` when there is none of this name.
    #[must_use]
    pub fn journal_extent(&self, name: &str) -> Option<Extent> {
        let journal = self.journals.get(name)?;
        Some(Extent {
            durable: journal.durable,
            next: journal.next,
            bytes: journal.bytes(),
        })
    }

    /// Removes a journal with everything in it, durably. One that is not there is no error.
    ///
    /// # Errors
    /// [`Error::BadName`]; [`Error::Io`] and its kin: then it may come back after a power cut;
    /// remove it again.
    pub fn remove_journal(&mut self, name: &str) -> Result<(), Error> {
        let (place, path) = journal_place(&self.dirs.journals, name)?;
        let target = Target::Journal(name.to_owned());
        self.files.forget(&path);
        self.journals.remove(name);
        self.failed.remove(&target);
        self.dirty.remove(&target);
        self.done.withdraw_notes(name);
        let disk = self.files.disk();
        let removed = remove_if_there(disk.as_ref(), &path);
        let removed = removed.and_then(|()| disk.sync_dir(&self.dirs.journals));
        removed.map_err(|e| Error::io("remove", place, e))
    }

    /// Makes a journal if it is missing.
    pub(super) fn make_journal(&mut self, name: &str) -> Result<(), Error> {
        if self.journals.contains_key(name) {
            return Ok(());
        }
        self.journal_rewrite(name, std::iter::empty::<&[u8]>())
            .map(drop)
    }

    fn journal_header(&self, name: &str, generation: u64, base: u64) -> FileHeader {
        let (purpose, id, salt) = (Purpose::Journal, journal_id(name), self.options.salt);
        FileHeader {
            purpose,
            id,
            generation,
            base,
            salt,
        }
    }

    /// A journal that could not be opened must not be made anew over its content.
    fn must_not_have_failed(&self, name: &str) -> Result<(), Error> {
        if self.failed.contains(&Target::Journal(name.to_owned())) {
            return Err(Error::Damaged {
                place: Place::Journal(name.to_owned()),
            });
        }
        Ok(())
    }
}

impl Journal {
    pub(super) fn open(
        files: &mut Files,
        dir: &Path,
        name: &str,
        found: &mut Found,
    ) -> Result<Self, Error> {
        let (place, path) = journal_place(dir, name)?;
        let failed = |e| Error::io("open", place.clone(), e);
        let file = files.write(&path).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        let start = preamble::read(file, Purpose::Journal, journal_id(name));
        let start = start.map_err(|e| unreadable(e, &place))?;
        found.repaired = start.repaired;
        let key = start.header.key();
        let mut next = start.header.base;
        let tail = read_tail(file, &key, (FIRST, len), &mut |_, entry| {
            next = next.max(entry.number + 1);
        });
        let tail = tail.map_err(|e| broken_off(e, &place))?;
        let guessed = tail.unreadable;
        let last = tail.last;
        let end = tail.settle(file, found).map_err(failed)?;
        // A rotten position stays taken.
        next = found
            .positions
            .iter()
            .fold(next, |next, rotten| next.max(rotten + 1));
        if guessed {
            // So do those that the unreadable bytes may hold.
            let bytes: u64 = found
                .damaged
                .iter()
                .map(|range| range.end - range.start)
                .sum();
            next += bytes / HEADER as u64;
        }
        let log = Log::new(place.clone(), path, start.header, end, last);
        Ok(Self {
            log,
            durable: next,
            next,
        })
    }

    pub(super) fn append(
        &mut self,
        files: &mut Files,
        payload: &[u8],
    ) -> Result<(u64, u64), Error> {
        let position = self.next;
        let written = self.log.append(files, (Class::Journal, position), payload);
        if written.is_err() && self.log.has_dropped() {
            self.next = self.durable;
        }
        written?;
        self.next += 1;
        Ok((position, span(payload.len() as u32)))
    }

    pub(super) fn commit(&mut self, files: &mut Files) -> Result<Range<u64>, Error> {
        if let Err(error) = self.log.sync(files) {
            self.next = self.durable;
            return Err(error);
        }
        let range = self.durable..self.next;
        self.durable = self.next;
        Ok(range)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.log.durable()
    }

    fn read_all(
        &self,
        files: &mut Files,
        show: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<usize, Error> {
        let file = files.read(&self.log.path);
        let file = file.map_err(|e| Error::io("read", self.log.place.clone(), e))?;
        let range = FIRST..self.log.durable();
        let mut scan = Scan::new(file, &self.log.key, range).lenient();
        let failed = |e| broken_off(e, &self.log.place);
        let mut rotten = 0;
        while let Some(item) = scan.next().map_err(failed)? {
            match item {
                Item::Entry {
                    offset,
                    entry,
                    sound: true,
                } => {
                    show(entry.number, scan.payload(offset, &entry).map_err(failed)?);
                }
                Item::Entry { .. } | Item::Damage(_) => rotten += 1,
            }
        }
        Ok(rotten)
    }
}

/// Whether a journal may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(good)
}

fn journal_place(dir: &Path, name: &str) -> Result<(Place, PathBuf), Error> {
    if !is_name(name) {
        return Err(Error::BadName);
    }
    Ok((
        Place::Journal(name.to_owned()),
        dir.join(format!("{name}.journal")),
    ))
}

fn journal_id(name: &str) -> [u8; 16] {
    crate::format::array_at(blake3::hash(name.as_bytes()).as_bytes(), 0)
}

fn fits(name: &str, payload: &[u8]) -> Result<(), Error> {
    let (length, most) = (payload.len(), MAX_PAYLOAD);
    let place = || Place::Journal(name.to_owned());
    if length > most {
        Err(Error::TooLong {
            place: place(),
            length,
            most,
        })
    } else {
        Ok(())
    }
}

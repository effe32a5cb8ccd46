//! The pack of one segment: its log, what is in it, and what waits for a commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use karez_protocol::id::SegmentId;

use crate::disk::Disk;
use crate::error::{Error, Place};
use crate::extents::Spot;
use crate::files::Files;
use crate::format::{
    Class, Entry, FIRST, FileHeader, FileKey, HEADER, Kind, Parsed, Purpose, span,
};
use crate::fresh::Fresh;
use crate::index::{Cached, Index};
use crate::limits::INDEX_LAG;
use crate::log::{Log, remove_if_there};
use crate::preamble::{self, Unreadable};
use crate::recover::{Found, read_tail};
use crate::scan::ScanError;

/// An open pack.
pub(crate) struct Pack {
    pub(crate) id: SegmentId,
    pub(crate) head: Vec<u8>,
    pub(crate) log: Log,
    pub(crate) index: Index,
    /// Written, not durable.
    pending: BTreeMap<(Kind, u64), Pending>,
    /// How much of the pack the index file covers.
    saved: u64,
    /// The index changed without the pack: rot was found.
    stale: bool,
    /// Part of the pack could not be read: its index is not for keeping.
    guessed: bool,
}

struct Pending {
    spot: Spot,
    hash: [u8; 32],
}

/// What an append did.
pub(crate) enum Appended {
    /// So many bytes wait for a commit.
    Written(u64),
    /// The same entry waits for a commit already.
    Waiting,
    /// The same entry is durable already.
    Durable,
}

impl Pack {
    /// Makes the pack of a new segment, durable with its head.
    pub(crate) fn create(
        files: &mut Files,
        dir: &Path,
        header: FileHeader,
        head: &[u8],
    ) -> Result<Self, Error> {
        let id = SegmentId(header.id);
        let place = (Place::Pack(id), path(dir, id));
        let (log, named) = Fresh::begin(files, place, header, head)?.finish(files)?;
        named?;
        Ok(Self::new(id, head.to_vec(), log, Index::default()))
    }

    /// A pack whose index file does not count.
    pub(crate) fn new(id: SegmentId, head: Vec<u8>, log: Log, index: Index) -> Self {
        Self {
            id,
            head,
            log,
            index,
            pending: BTreeMap::new(),
            saved: 0,
            stale: false,
            guessed: false,
        }
    }

    /// Opens a pack that is there and makes it whole.
    pub(crate) fn open(
        files: &mut Files,
        dir: &Path,
        id: SegmentId,
        found: &mut Found,
    ) -> Result<Self, Error> {
        let path = path(dir, id);
        let disk = files.disk().clone();
        let place = Place::Pack(id);
        let failed = |e| Error::io("open", place.clone(), e);
        let file = files.write(&path).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        let start = preamble::read(file, Purpose::Pack, id.0);
        let start = start.map_err(|e| unreadable(e, &place))?;
        found.repaired = start.repaired;
        let key = start.header.key();
        let cached = Cached::load(disk.as_ref(), &index_path(dir, id), file, len);
        found.rebuilt = cached.is_none() && len > FIRST;
        let cached = cached.unwrap_or(Cached {
            index: Index::default(),
            covered: FIRST,
            last: 0,
        });
        if found.rebuilt {
            remove_if_there(disk.as_ref(), &index_path(dir, id)).map_err(failed)?;
        }
        let (mut index, covered) = (cached.index, cached.covered);
        let tail = read_tail(file, &key, (covered, len), &mut |offset, entry| {
            if let Class::Entry(kind) = entry.class {
                index.insert(
                    kind,
                    entry.number,
                    Spot {
                        offset,
                        length: entry.length,
                    },
                );
            }
        });
        let tail = tail.map_err(|e| broken_off(e, &place))?;
        let guessed = tail.unreadable;
        let last = if tail.last == 0 {
            cached.last
        } else {
            tail.last
        };
        let end = tail.settle(file, found).map_err(failed)?;
        found
            .rotten
            .retain(|&(kind, number)| index.get(kind, number).is_none());
        index.rotten.extend(&found.rotten);
        let log = Log::new(place.clone(), path, start.header, end, last);
        let saved = if found.rebuilt { 0 } else { covered };
        Ok(Self {
            saved,
            guessed,
            ..Self::new(id, start.head, log, index)
        })
    }

    /// Writes an entry; it is there after [`Pack::commit`].
    pub(crate) fn append(
        &mut self,
        files: &mut Files,
        kind: Kind,
        number: u64,
        payload: &[u8],
    ) -> Result<Appended, Error> {
        let conflict = Error::Conflict {
            place: Place::Pack(self.id),
        };
        if let Some(waiting) = self.pending.get(&(kind, number)) {
            let same = blake3::hash(payload).as_bytes() == &waiting.hash;
            return same.then_some(Appended::Waiting).ok_or(conflict);
        }
        match self.read(files, kind, number) {
            Ok(there) if there == payload => return Ok(Appended::Durable),
            Ok(_) => return Err(conflict),
            // Rot is healed by the bytes at hand.
            Err(Error::NoEntry { .. } | Error::Rotten { .. }) => {}
            Err(error) => return Err(error),
        }
        let offset = self
            .log
            .append(files, (Class::Entry(kind), number), payload);
        let offset = offset.inspect_err(|_| {
            if self.log.has_dropped() {
                self.pending.clear();
            }
        })?;
        let length = payload.len() as u32;
        let pending = Pending {
            spot: Spot { offset, length },
            hash: *blake3::hash(payload).as_bytes(),
        };
        self.pending.insert((kind, number), pending);
        Ok(Appended::Written(span(length)))
    }

    /// Makes everything written durable; gives what that was, in the order of its writing. After
    /// a failure nothing of it is there.
    pub(crate) fn commit(&mut self, files: &mut Files) -> Result<Vec<(Kind, u64)>, Error> {
        let synced = self.log.sync(files);
        let mut entries: Vec<_> = std::mem::take(&mut self.pending).into_iter().collect();
        synced?;
        entries.sort_by_key(|(_, pending)| pending.spot.offset);
        for ((kind, number), pending) in &entries {
            self.index.insert(*kind, *number, pending.spot);
        }
        Ok(entries.into_iter().map(|(name, _)| name).collect())
    }

    /// Reads an entry and proves it. Rot is remembered: the entry is no longer there.
    pub(crate) fn read(
        &mut self,
        files: &mut Files,
        kind: Kind,
        number: u64,
    ) -> Result<Vec<u8>, Error> {
        let missing = Error::NoEntry {
            segment: self.id,
            kind,
            number,
        };
        let rotten = Error::Rotten {
            segment: self.id,
            kind,
            number,
        };
        let Some(spot) = self.index.get(kind, number) else {
            let rots = self.index.rotten.contains(&(kind, number));
            return Err(if rots { rotten } else { missing });
        };
        let mut bytes = vec![0; HEADER + spot.length as usize];
        let read = files
            .read(&self.log.path)
            .and_then(|file| file.read_at(spot.offset, &mut bytes));
        let whole = self.is_there(read)?;
        let entry = parse(&bytes[..HEADER], &self.log.key, (kind, number), spot);
        if !(whole && entry.is_some_and(|entry| entry.holds(&bytes[HEADER..]))) {
            self.rot(kind, number);
            return Err(rotten);
        }
        bytes.drain(..HEADER);
        Ok(bytes)
    }

    /// The header of a durable entry, which holds the payload's BLAKE3; `None` when there is no
    /// such entry, or only a rotten one.
    pub(crate) fn header(
        &mut self,
        files: &mut Files,
        kind: Kind,
        number: u64,
    ) -> Result<Option<Entry>, Error> {
        let Some(spot) = self.index.get(kind, number) else {
            return Ok(None);
        };
        let mut bytes = [0; HEADER];
        let read = files
            .read(&self.log.path)
            .and_then(|file| file.read_at(spot.offset, &mut bytes));
        let whole = self.is_there(read)?;
        let entry = parse(&bytes, &self.log.key, (kind, number), spot);
        if !whole || entry.is_none() {
            self.rot(kind, number);
        }
        Ok(entry.filter(|_| whole))
    }

    /// Writes the index file if it lags too far behind; its failure is no harm.
    pub(crate) fn save_if_due(&mut self, files: &mut Files, dir: &Path) {
        let lag = self.log.durable() - self.saved.min(self.log.durable());
        if lag >= INDEX_LAG.max(32 * self.index.size()) && self.save(files, dir).is_err() {
            // Not again before as much has come in once more.
            self.saved = self.log.durable();
            self.stale = true;
        }
    }

    /// Writes the index file if it does not say everything.
    pub(crate) fn save(&mut self, files: &mut Files, dir: &Path) -> Result<(), Error> {
        if self.guessed || (self.saved == self.log.durable() && !self.stale) {
            return Ok(());
        }
        let disk = files.disk().clone();
        let file = files.read(&self.log.path);
        let file = file.map_err(|e| Error::io("open", self.log.place.clone(), e))?;
        self.index
            .save(disk.as_ref(), &index_path(dir, self.id), &self.log, file)?;
        (self.saved, self.stale) = (self.log.durable(), false);
        Ok(())
    }

    /// Whether a read got all its bytes; a file that is too short has lost them.
    fn is_there(&self, read: std::io::Result<()>) -> Result<bool, Error> {
        match read {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(Error::io("read", self.log.place.clone(), e)),
        }
    }

    /// An entry is no longer there.
    pub(crate) fn rot(&mut self, kind: Kind, number: u64) {
        self.index.rot(kind, number);
        self.stale = true;
    }
}

fn parse(header: &[u8], key: &FileKey, (kind, number): (Kind, u64), spot: Spot) -> Option<Entry> {
    let Parsed::Good(entry) = Entry::parse(header, key, spot.offset) else {
        return None;
    };
    let named = entry.class == Class::Entry(kind) && entry.number == number;
    (named && entry.length == spot.length).then_some(entry)
}

/// Where the pack of a segment stands.
pub(crate) fn path(dir: &Path, id: SegmentId) -> PathBuf {
    dir.join(format!("{id}.pack"))
}

/// Where the index of a segment stands.
pub(crate) fn index_path(dir: &Path, id: SegmentId) -> PathBuf {
    dir.join(format!("{id}.index"))
}

/// Removes the files of a segment, durably.
pub(crate) fn remove(disk: &dyn Disk, dir: &Path, id: SegmentId) -> Result<(), Error> {
    let removed = remove_if_there(disk, &index_path(dir, id))
        .and_then(|()| remove_if_there(disk, &path(dir, id)))
        .and_then(|()| disk.sync_dir(dir));
    removed.map_err(|e| Error::io("remove", Place::Pack(id), e))
}

/// Why a file's start does not read.
pub(crate) fn unreadable(error: Unreadable, place: &Place) -> Error {
    let place = place.clone();
    match error {
        Unreadable::Io(error) => Error::io("open", place, error),
        Unreadable::Newer { found, known } => Error::Newer {
            place,
            found,
            known,
        },
        Unreadable::Damaged => Error::Damaged { place },
    }
}

/// Why a file could not be walked to its end.
pub(crate) fn broken_off(error: ScanError, place: &Place) -> Error {
    let place = place.clone();
    match error {
        ScanError::Io(error) => Error::io("read", place, error),
        ScanError::Newer(found) => Error::Newer {
            place,
            found,
            known: crate::format::VERSION,
        },
    }
}

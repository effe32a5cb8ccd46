//! Reads a file entry by entry, and finds its feet again after damage.

use std::io;
use std::ops::Range;

use crate::disk::File;
use crate::format::{ALIGN, BLOCK, Entry, FILLER, FileKey, HEADER, Parsed};

const WINDOW: usize = 1 << 20;
const PIECE: u64 = 512;

/// A walk over the entries of a file.
pub(crate) struct Scan<'a> {
    file: &'a dyn File,
    key: &'a FileKey,
    at: u64,
    end: u64,
    window: Vec<u8>,
    start: u64,
    /// Goes on around what cannot be read.
    lenient: bool,
    /// Something could not be read, and passed for damage.
    pub(crate) unreadable: bool,
}

/// What stands at a place.
pub(crate) enum Item {
    /// A sound header; the payload may be rotten or cut off by the end of the file.
    Entry {
        offset: u64,
        entry: Entry,
        sound: bool,
    },
    /// Bytes that are no entry.
    Damage(Range<u64>),
}

/// Why a walk ends early.
#[derive(Debug)]
pub(crate) enum ScanError {
    Io(io::Error),
    Newer(u32),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn File, key: &'a FileKey, range: Range<u64>) -> Self {
        let Range { start, end } = range;
        Self {
            file,
            key,
            at: start,
            end,
            window: Vec::new(),
            start,
            lenient: false,
            unreadable: false,
        }
    }

    /// Sectors that the disk refuses pass for damage. When it refuses all, that is an error still.
    pub(crate) fn lenient(self) -> Self {
        Self {
            lenient: true,
            ..self
        }
    }

    /// The next thing in the file; `None` at its end.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, ScanError> {
        self.skip_fillers()?;
        if self.at >= self.end {
            self.must_live()?;
            return Ok(None);
        }
        let from = self.at;
        match self.entry_at(from)? {
            Some((entry, sound)) => {
                self.at = (from + entry.span()).min(self.end);
                Ok(Some(Item::Entry {
                    offset: from,
                    entry,
                    sound,
                }))
            }
            None => {
                self.at = self.next_sound(from + ALIGN)?;
                Ok(Some(Item::Damage(from..self.at)))
            }
        }
    }

    /// The payload of a sound entry that [`Scan::next`] has just given.
    pub(crate) fn payload(&mut self, offset: u64, entry: &Entry) -> Result<&[u8], ScanError> {
        let start = offset + HEADER as u64;
        Ok(self
            .bytes(start, entry.length as usize)?
            .unwrap_or_default())
    }

    /// A disk that has died on the way has no bad sectors; it has none that can be read.
    fn must_live(&self) -> io::Result<()> {
        let mut byte = [0];
        if !self.unreadable || self.file.read_at(0, &mut byte).is_ok() {
            return Ok(());
        }
        self.file.read_at(BLOCK, &mut byte)
    }

    fn skip_fillers(&mut self) -> Result<(), ScanError> {
        while self
            .bytes(self.at, FILLER.len())?
            .is_some_and(|bytes| bytes == FILLER)
        {
            self.at += ALIGN;
        }
        Ok(())
    }

    fn entry_at(&mut self, offset: u64) -> Result<Option<(Entry, bool)>, ScanError> {
        let key = self.key;
        let Some(header) = self.bytes(offset, HEADER)? else {
            return Ok(None);
        };
        let entry = match Entry::parse(header, key, offset) {
            Parsed::Good(entry) => entry,
            Parsed::Newer(version) => return Err(ScanError::Newer(version)),
            Parsed::Bad => return Ok(None),
        };
        let payload = self.bytes(offset + HEADER as u64, entry.length as usize)?;
        let sound = payload.is_some_and(|payload| entry.holds(payload));
        let whole = offset + entry.span() <= self.end;
        Ok(Some((entry, sound && whole)))
    }

    /// The first place from `at` on where a whole sound entry or a filler stands, or the end.
    fn next_sound(&mut self, mut at: u64) -> Result<u64, ScanError> {
        while at < self.end {
            let Some(word) = self.bytes(at, FILLER.len())? else {
                break;
            };
            if word == FILLER {
                return Ok(at);
            }
            if matches!(self.entry_at(at)?, Some((_, true))) {
                return Ok(at);
            }
            at += ALIGN;
        }
        Ok(self.end)
    }

    /// `length` bytes at `offset`; `None` when they reach over the end.
    fn bytes(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, ScanError> {
        if offset + length as u64 > self.end {
            return Ok(None);
        }
        let held = self.start..self.start + self.window.len() as u64;
        if offset < held.start || offset + length as u64 > held.end {
            let most = usize::try_from(self.end - offset).unwrap_or(WINDOW);
            self.window.resize(most.min(WINDOW), 0);
            self.start = offset;
            match self.file.read_at(offset, &mut self.window) {
                Err(_) if self.lenient => {
                    self.unreadable |= read_around(self.file, offset, &mut self.window)?;
                }
                read => read?,
            }
        }
        let from = (offset - self.start) as usize;
        Ok(self.window.get(from..from + length))
    }
}

/// Reads what can be read; what cannot becomes zeros, which are no entries. Says whether there was
/// such a place.
fn read_around(file: &dyn File, offset: u64, window: &mut [u8]) -> io::Result<bool> {
    let (mut read, mut refused) = (false, None);
    let (mut at, mut rest) = (offset, window);
    while !rest.is_empty() {
        let most = (PIECE - at % PIECE).min(rest.len() as u64);
        let (piece, after) = rest.split_at_mut(most as usize);
        match file.read_at(at, piece) {
            Ok(()) => read = true,
            Err(error) => {
                piece.fill(0);
                refused = Some(error);
            }
        }
        (at, rest) = (at + most, after);
    }
    match refused {
        Some(error) if !read => Err(error),
        refused => Ok(refused.is_some()),
    }
}

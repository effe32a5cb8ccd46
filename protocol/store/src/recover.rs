//! What opening a file after a crash finds, and how it makes the file whole again.
//!
//! Each entry says how far the file was known durable when it was written; the highest such mark
//! parts rot (bytes that were committed and no longer hold) from what a crash tore (bytes of the
//! last batch, which nobody was promised).

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use karez_protocol::id::SegmentId;

use crate::disk::File;
use crate::error::Error;
use crate::format::{ALIGN, Class, Entry, FILLER, FileKey, Kind};
use crate::limits::MAX_TORN;
use crate::scan::{Item, Scan, ScanError};

/// What opening a store found, by file; files without a word to say are not listed.
#[derive(Debug, Default)]
pub struct Recovery {
    /// By segment.
    pub segments: BTreeMap<SegmentId, Found>,
    /// By journal.
    pub journals: BTreeMap<String, Found>,
    /// Unfinished files and orphaned indexes that were removed.
    pub leftovers: usize,
}

impl Recovery {
    /// Whether every file was whole.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.segments
            .values()
            .chain(self.journals.values())
            .all(Found::is_clean)
    }
}

/// What opening one file found.
#[derive(Debug, Default)]
pub struct Found {
    /// The index was missing, stale or damaged, and the whole file was read.
    pub rebuilt: bool,
    /// Bytes read to bring the index up to date.
    pub scanned: u64,
    /// Bytes of an invalid end that were cut off: a batch that a crash tore.
    pub cut: u64,
    /// Bytes inside the last batch that a crash tore.
    pub torn: u64,
    /// Entries of the last batch whose bytes do not hold. Committed only if they rotted since.
    pub torn_entries: Vec<(Kind, u64)>,
    /// Committed entries that rotted and have no sound copy.
    pub rotten: Vec<(Kind, u64)>,
    /// Committed positions of a journal that rotted.
    pub positions: Vec<u64>,
    /// Committed byte ranges whose content cannot be named any more.
    pub damaged: Vec<Range<u64>>,
    /// One of the two preamble blocks was bad and was written again.
    pub repaired: bool,
    /// The file cannot be used; the rest of the store can.
    pub failed: Option<Error>,
}

impl Found {
    /// Whether the file was whole.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let lost = !self.rotten.is_empty() || !self.positions.is_empty();
        let torn = self.cut > 0 || self.torn > 0;
        !(lost || torn || !self.damaged.is_empty() || self.repaired || self.failed.is_some())
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_clean() && !self.rebuilt && self.scanned == 0
    }
}

/// The part of a file that no index covers.
pub(crate) struct Tail {
    from: u64,
    len: u64,
    /// Where the last entry starts; 0 when there is none.
    pub(crate) last: u64,
    /// Where the last entry ends.
    end: u64,
    /// Everything below was known durable when something after it was written.
    mark: u64,
    holes: Vec<Hole>,
    /// Some holes may only be what the disk refused to read now: nothing is cut or laid over, and
    /// the next open looks again.
    pub(crate) unreadable: bool,
}

struct Hole {
    range: Range<u64>,
    what: Option<(Class, u64)>,
}

/// Reads a file from `from` to `len` and shows the visitor each sound entry.
pub(crate) fn read_tail(
    file: &dyn File,
    key: &FileKey,
    (from, len): (u64, u64),
    visit: &mut dyn FnMut(u64, &Entry),
) -> Result<Tail, ScanError> {
    let mut tail = Tail {
        from,
        len,
        last: 0,
        end: from,
        mark: from,
        holes: Vec::new(),
        unreadable: false,
    };
    let mut scan = Scan::new(file, key, from..len).lenient();
    while let Some(item) = scan.next()? {
        match item {
            Item::Entry {
                offset,
                entry,
                sound,
            } => {
                tail.mark = tail
                    .mark
                    .max(offset.saturating_sub(u64::from(entry.unsynced)));
                let end = (offset + entry.span()).min(len);
                if sound {
                    (tail.last, tail.end) = (offset, end);
                    visit(offset, &entry);
                } else {
                    let what = Some((entry.class, entry.number));
                    tail.holes.push(Hole {
                        range: offset..end,
                        what,
                    });
                }
            }
            Item::Damage(range) => tail.damaged(range),
        }
    }
    tail.unreadable = scan.unreadable;
    Ok(tail)
}

impl Tail {
    /// Notes damage, as one hole with the damage before it when no entry stands between.
    fn damaged(&mut self, range: Range<u64>) {
        match self.holes.last_mut() {
            Some(hole) if hole.what.is_none() && self.end <= hole.range.start => {
                hole.range.end = range.end;
            }
            _ => self.holes.push(Hole { range, what: None }),
        }
    }

    /// Makes the file whole and everything in it durable; gives the place for the next entry.
    ///
    /// What was read may have come from a page cache whose write-back failed in another process:
    /// the last batch is written once more over itself before the sync that everything rests on.
    pub(crate) fn settle(self, file: &dyn File, found: &mut Found) -> io::Result<u64> {
        if self.len == self.from {
            return Ok(self.len);
        }
        found.scanned = self.len - self.from;
        let whole = self.end.max(self.mark);
        let end = if self.is_torn(whole) { whole } else { self.len };
        for hole in &self.holes {
            let bytes = hole.range.end - hole.range.start;
            if hole.range.start >= end {
                found.cut += bytes;
                found.tear(hole);
            } else if self.is_torn(hole.range.start) && fill(file, &hole.range).is_ok() {
                found.torn += bytes;
                found.tear(hole);
            } else {
                found.rot(hole);
            }
        }
        if end < self.len {
            file.set_len(end)?;
        }
        if self.is_batch() {
            self.write_again(file, end)?;
        }
        file.sync()?;
        Ok(end.next_multiple_of(ALIGN))
    }

    /// Writes what holds between the mark and the end over itself.
    fn write_again(&self, file: &dyn File, end: u64) -> io::Result<()> {
        let mut at = self.mark;
        for hole in self
            .holes
            .iter()
            .filter(|hole| hole.range.start >= self.mark)
        {
            copy_over(file, at..hole.range.start.min(end))?;
            at = hole.range.end;
        }
        copy_over(file, at..end)
    }

    /// Whether damage here can come from a crash: after the mark, and no more than a batch.
    fn is_torn(&self, at: u64) -> bool {
        at >= self.mark && self.is_batch() && !self.unreadable
    }

    fn is_batch(&self) -> bool {
        self.len - self.mark <= MAX_TORN
    }
}

impl Found {
    fn tear(&mut self, hole: &Hole) {
        if let Some((Class::Entry(kind), number)) = hole.what {
            self.torn_entries.push((kind, number));
        }
    }

    fn rot(&mut self, hole: &Hole) {
        match hole.what {
            Some((Class::Entry(kind), number)) => self.rotten.push((kind, number)),
            Some((Class::Journal, position)) => self.positions.push(position),
            Some((Class::Head, _)) | None => self.damaged.push(hole.range.clone()),
        }
    }
}

fn fill(file: &dyn File, range: &Range<u64>) -> io::Result<()> {
    let words = (range.end - range.start) / ALIGN;
    file.write_at(range.start, &FILLER.repeat(words as usize))
}

fn copy_over(file: &dyn File, range: Range<u64>) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    let mut at = range.start;
    while at < range.end {
        let most = (range.end - at).min(bytes.len() as u64) as usize;
        file.read_at(at, &mut bytes[..most])?;
        file.write_at(at, &bytes[..most])?;
        at += most as u64;
    }
    Ok(())
}

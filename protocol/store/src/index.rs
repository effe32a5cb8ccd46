//! What a pack holds and where: kept in memory, cached in a side file.
//!
//! The side file is written without a sync and believed only when it is whole and the last entry
//! that it covers is still where it was: its header is bound to the file and the place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::atomic::read_whole;
use crate::disk::{Disk, File, OpenMode};
use crate::error::Error;
use crate::extents::{Extent, Extents, Spot};
use crate::format::{HEADER, Kind, u32_at, u64_at};
use crate::fresh::temporary;
use crate::limits::MAX_INDEX;
use crate::log::{Log, remove_if_there};

const MAGIC: &[u8; 8] = b"karezix1";
/// Magic, covered length, place and header of the last entry.
const FIXED: usize = 8 + 8 + 8 + HEADER;
const RUN: usize = 8 + 8 + 4 + 4 + 4;

/// What a pack holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    kinds: BTreeMap<Kind, Extents>,
    /// Entries that rotted and have no sound copy.
    pub(crate) rotten: BTreeSet<(Kind, u64)>,
}

/// An index file's content, and how far it goes.
pub(crate) struct Cached {
    pub(crate) index: Index,
    pub(crate) covered: u64,
    pub(crate) last: u64,
}

impl Index {
    pub(crate) fn insert(&mut self, kind: Kind, number: u64, spot: Spot) {
        self.rotten.remove(&(kind, number));
        self.kinds.entry(kind).or_default().insert(number, spot);
    }

    /// The entry is no longer there.
    pub(crate) fn rot(&mut self, kind: Kind, number: u64) {
        if let Some(extents) = self.kinds.get_mut(&kind) {
            extents.remove(number);
        }
        self.rotten.insert((kind, number));
    }

    pub(crate) fn get(&self, kind: Kind, number: u64) -> Option<Spot> {
        self.kinds.get(&kind)?.get(number)
    }

    pub(crate) fn of(&self, kind: Kind) -> Option<&Extents> {
        self.kinds.get(&kind)
    }

    /// The notes of every tag, in the order in which they were appended.
    pub(crate) fn notes(&self) -> Vec<(Spot, u8, u64)> {
        let mut notes = Vec::new();
        for (&kind, extents) in &self.kinds {
            let Kind::Note(tag) = kind else { continue };
            let mut next = extents.next(0);
            while let Some((number, spot)) = next {
                notes.push((spot, tag, number));
                next = extents.next(number + 1);
            }
        }
        notes.sort_by_key(|(spot, ..)| spot.offset);
        notes
    }

    /// The first entry after `cursor`, by kind and number.
    pub(crate) fn after(&self, cursor: Option<(Kind, u64)>) -> Option<(Kind, u64, Spot)> {
        let (kind, number) = cursor.map_or((Kind::Record, 0), |(kind, number)| (kind, number + 1));
        let mut from = number;
        for (&kind, extents) in self.kinds.range(kind..) {
            if let Some((number, spot)) = extents.next(from) {
                return Some((kind, number, spot));
            }
            from = 0;
        }
        None
    }

    /// About how long its file would be, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let runs: usize = self
            .kinds
            .values()
            .map(|extents| extents.iter().len())
            .sum();
        (FIXED + runs * RUN + self.rotten.len() * 10) as u64
    }

    /// Writes the side file: whole or not at all, but without a sync. It is a cache.
    pub(crate) fn save(
        &self,
        disk: &dyn Disk,
        path: &Path,
        log: &Log,
        pack: &dyn File,
    ) -> Result<(), Error> {
        let mut last = [0; HEADER];
        let written = pack.read_at(log.last(), &mut last).and_then(|()| {
            let bytes = self.encode(log, &last);
            remove_if_there(disk, &temporary(path))?;
            disk.open(&temporary(path), OpenMode::CreateNew)?
                .write_at(0, &bytes)?;
            disk.rename(&temporary(path), path)
        });
        written.map_err(|error| {
            let _ = disk.remove(&temporary(path));
            Error::io("write the index of", log.place.clone(), error)
        })
    }

    fn encode(&self, log: &Log, last: &[u8; HEADER]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() as usize + 256);
        out.extend(MAGIC);
        out.extend(log.durable().to_le_bytes());
        out.extend(log.last().to_le_bytes());
        out.extend(last);
        out.extend((self.kinds.len() as u32).to_le_bytes());
        for (&kind, extents) in &self.kinds {
            out.extend(kind_code(kind));
            out.extend((extents.iter().len() as u32).to_le_bytes());
            for (first, run) in extents.iter() {
                out.extend(first.to_le_bytes());
                out.extend(run.offset.to_le_bytes());
                out.extend(run.count.to_le_bytes());
                out.extend(run.stride.to_le_bytes());
                out.extend(run.length.to_le_bytes());
            }
        }
        out.extend((self.rotten.len() as u32).to_le_bytes());
        for &(kind, number) in &self.rotten {
            out.extend(kind_code(kind));
            out.extend(number.to_le_bytes());
        }
        let check = blake3::hash(&out);
        out.extend(check.as_bytes());
        out
    }
}

impl Cached {
    /// Reads the side file; `None` when it is missing, damaged, or not of this pack as it is.
    pub(crate) fn load(disk: &dyn Disk, path: &Path, pack: &dyn File, len: u64) -> Option<Self> {
        let bytes = read_whole(disk, path, MAX_INDEX as usize).ok()??;
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if blake3::hash(body).as_bytes() != check || body.len() < FIXED {
            return None;
        }
        let (fixed, rest) = body.split_at(FIXED);
        let (covered, last) = (u64_at(fixed, 8), u64_at(fixed, 16));
        let ours = &fixed[..8] == MAGIC && covered <= len;
        let mut header = [0; HEADER];
        if !ours || pack.read_at(last, &mut header).is_err() || header != fixed[24..] {
            return None;
        }
        Some(Self {
            index: decode(&mut Reader(rest))?,
            covered,
            last,
        })
    }
}

fn decode(reader: &mut Reader<'_>) -> Option<Index> {
    let mut index = Index::default();
    for _ in 0..reader.u32()? {
        let kind = reader.kind()?;
        let extents = index.kinds.entry(kind).or_default();
        for _ in 0..reader.u32()? {
            let first = reader.u64()?;
            let offset = reader.u64()?;
            let (count, stride, length) = (reader.u32()?, reader.u32()?, reader.u32()?);
            if !extents.push(
                first,
                Extent {
                    offset,
                    count,
                    stride,
                    length,
                },
            ) {
                return None;
            }
        }
    }
    for _ in 0..reader.u32()? {
        let kind = reader.kind()?;
        index.rotten.insert((kind, reader.u64()?));
    }
    reader.0.is_empty().then_some(index)
}

fn kind_code(kind: Kind) -> [u8; 2] {
    match kind {
        Kind::Record => [1, 0],
        Kind::Chunk => [2, 0],
        Kind::Note(tag) => [3, tag],
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32_at(bytes, 0))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8).map(|bytes| u64_at(bytes, 0))
    }

    fn kind(&mut self) -> Option<Kind> {
        match *self.take(2)? {
            [1, 0] => Some(Kind::Record),
            [2, 0] => Some(Kind::Chunk),
            [3, tag] => Some(Kind::Note(tag)),
            _ => None,
        }
    }
}

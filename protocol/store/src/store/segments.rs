//! Segments: making, reading, proving, rewriting and removing them.

use std::ops::Range;

use karez_protocol::id::SegmentId;

use super::{Commit, Store, Target};
use crate::error::{Error, Place};
use crate::format::{FIRST, FileHeader, Kind, Purpose};
use crate::limits::MAX_HEAD;
use crate::pack::{self, Pack};

/// What one step of proving a segment found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Entries that rotted; they are no longer there.
    pub rotten: Vec<(Kind, u64)>,
    /// Entries that the disk could not read now. They stay; [`Store::condemn`] gives them up.
    pub unreadable: Vec<(Kind, u64)>,
    /// Bytes read.
    pub bytes: u64,
    /// Where to go on; `None` when all is proved.
    pub next: Option<(Kind, u64)>,
}

impl Store {
    /// Makes a segment, durable with its head on return. The same segment again is no error.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it has another head, [`Error::TooLong`]; [`Error::Full`],
    /// [`Error::Io`] and its kin: then it is not there, or empty.
    pub fn create_segment(&mut self, segment: SegmentId, head: &[u8]) -> Result<(), Error> {
        let place = Place::Pack(segment);
        if head.len() > MAX_HEAD {
            return Err(Error::TooLong {
                place,
                length: head.len(),
                most: MAX_HEAD,
            });
        }
        if self.failed.contains(&Target::Pack(segment)) {
            return Err(Error::Damaged { place });
        }
        match self.packs.get(&segment) {
            Some(pack) if pack.head == head => return Ok(()),
            Some(_) => return Err(Error::Conflict { place }),
            None => {}
        }
        let header = self.pack_header(segment, 0);
        let made = Pack::create(&mut self.files, &self.dirs.packs, header, head);
        let pack = made.map_err(|e| self.explain(e, FIRST))?;
        self.packs.insert(segment, pack);
        Ok(())
    }

    /// All segments, in the order of their ids.
    pub fn segments(&self) -> impl Iterator<Item = SegmentId> {
        self.packs.keys().copied()
    }

    /// Whether there is such a segment.
    #[must_use]
    pub fn has_segment(&self, segment: SegmentId) -> bool {
        self.packs.contains_key(&segment)
    }

    /// The head of a segment.
    #[must_use]
    pub fn head(&self, segment: SegmentId) -> Option<&[u8]> {
        self.packs.get(&segment).map(|pack| pack.head.as_slice())
    }

    /// Whether an entry is there, durably.
    #[must_use]
    pub fn contains(&self, segment: SegmentId, kind: Kind, number: u64) -> bool {
        self.packs
            .get(&segment)
            .is_some_and(|pack| pack.index.get(kind, number).is_some())
    }

    /// The numbers of the records that are there, as ascending ranges.
    #[must_use]
    pub fn records(&self, segment: SegmentId) -> Vec<Range<u64>> {
        self.runs(segment, Kind::Record)
    }

    /// The numbers of the chunks that are there, as ascending ranges.
    #[must_use]
    pub fn chunks(&self, segment: SegmentId) -> Vec<Range<u64>> {
        self.runs(segment, Kind::Chunk)
    }

    /// The numbers of one kind that are there, as ascending ranges.
    #[must_use]
    pub fn runs(&self, segment: SegmentId, kind: Kind) -> Vec<Range<u64>> {
        let extents = self
            .packs
            .get(&segment)
            .and_then(|pack| pack.index.of(kind));
        extents
            .map(crate::extents::Extents::runs)
            .unwrap_or_default()
    }

    /// Entries of a segment that rotted and have no sound copy, in order.
    #[must_use]
    pub fn rotten(&self, segment: SegmentId) -> Vec<(Kind, u64)> {
        let pack = self.packs.get(&segment);
        pack.map(|pack| pack.index.rotten.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Bytes of a segment's pack; 0 without one.
    #[must_use]
    pub fn bytes(&self, segment: SegmentId) -> u64 {
        self.packs
            .get(&segment)
            .map_or(0, |pack| pack.log.durable())
    }

    /// Reads an entry and proves it by its BLAKE3.
    ///
    /// # Errors
    /// [`Error::NoSegment`], [`Error::NoEntry`]; [`Error::Rotten`]: then the entry is no longer
    /// there and may be appended anew; [`Error::Io`].
    pub fn read(&mut self, segment: SegmentId, kind: Kind, number: u64) -> Result<Vec<u8>, Error> {
        let pack = self
            .packs
            .get_mut(&segment)
            .ok_or(Error::NoSegment(segment))?;
        pack.read(&mut self.files, kind, number)
    }

    /// The BLAKE3 of an entry's payload as it was when stored (a chunk's `ChunkId`); `None` when
    /// it is not there.
    ///
    /// # Errors
    /// [`Error::NoSegment`], [`Error::Io`].
    pub fn hash(
        &mut self,
        segment: SegmentId,
        kind: Kind,
        number: u64,
    ) -> Result<Option<[u8; 32]>, Error> {
        let pack = self
            .packs
            .get_mut(&segment)
            .ok_or(Error::NoSegment(segment))?;
        Ok(pack
            .header(&mut self.files, kind, number)?
            .map(|entry| entry.hash))
    }

    /// Shows tag, number and payload of every note of a segment, in the order of their
    /// appending. A rotten note is left out and listed by [`Store::rotten`].
    ///
    /// # Errors
    /// [`Error::NoSegment`], [`Error::Io`].
    pub fn notes(
        &mut self,
        segment: SegmentId,
        show: &mut dyn FnMut(u8, u64, &[u8]),
    ) -> Result<(), Error> {
        let pack = self
            .packs
            .get_mut(&segment)
            .ok_or(Error::NoSegment(segment))?;
        for (_, tag, number) in pack.index.notes() {
            match pack.read(&mut self.files, Kind::Note(tag), number) {
                Ok(payload) => show(tag, number, &payload),
                Err(Error::Rotten { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Proves every entry of a segment; gives those that rotted or cannot be read.
    ///
    /// # Errors
    /// [`Error::NoSegment`].
    pub fn verify(&mut self, segment: SegmentId) -> Result<Vec<(Kind, u64)>, Error> {
        let verified = self.verify_some(segment, None, u64::MAX)?;
        Ok([verified.rotten, verified.unreadable].concat())
    }

    /// Proves entries after `cursor` until about `most` bytes are read: a scrub in steps.
    ///
    /// # Errors
    /// [`Error::NoSegment`].
    pub fn verify_some(
        &mut self,
        segment: SegmentId,
        cursor: Option<(Kind, u64)>,
        most: u64,
    ) -> Result<Verified, Error> {
        let pack = self
            .packs
            .get_mut(&segment)
            .ok_or(Error::NoSegment(segment))?;
        let mut verified = Verified {
            next: cursor,
            ..Verified::default()
        };
        while let Some((kind, number, spot)) = pack.index.after(verified.next) {
            if verified.bytes >= most {
                return Ok(verified);
            }
            match pack.read(&mut self.files, kind, number) {
                Ok(_) => {}
                Err(Error::Rotten { .. }) => verified.rotten.push((kind, number)),
                Err(_) => verified.unreadable.push((kind, number)),
            }
            verified.bytes += u64::from(spot.length);
            verified.next = Some((kind, number));
        }
        verified.next = None;
        Ok(verified)
    }

    /// Gives an entry up as rotten, such as one that the disk can read no more: it is no longer
    /// there and may be appended anew.
    pub fn condemn(&mut self, segment: SegmentId, kind: Kind, number: u64) {
        if let Some(pack) = self.packs.get_mut(&segment) {
            pack.rot(kind, number);
        }
    }

    /// Removes a segment with everything in it, durably. One that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Io`] and its kin: then it may come back after a power cut; remove it again.
    pub fn remove_segment(&mut self, segment: SegmentId) -> Result<(), Error> {
        self.files.forget(&pack::path(&self.dirs.packs, segment));
        self.packs.remove(&segment);
        self.failed.remove(&Target::Pack(segment));
        self.dirty.remove(&Target::Pack(segment));
        self.done.withdraw(segment, &|_, _| false);
        pack::remove(self.files.disk().as_ref(), &self.dirs.packs, segment)
    }

    /// Writes the index files that do not say everything; wise when the store is idle.
    ///
    /// # Errors
    /// The first failure; the store does not need them.
    pub fn save_index(&mut self) -> Result<(), Error> {
        let mut failed = None;
        for pack in self.packs.values_mut() {
            if let Err(error) = pack.save(&mut self.files, &self.dirs.packs) {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Commits, writes the index files and lets the directory go.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn close(mut self) -> Result<Commit, Error> {
        let commit = self.commit();
        // A cache that is not written costs a scan at the next open.
        let _ = self.save_index();
        commit
    }

    pub(super) fn pack_header(&self, segment: SegmentId, generation: u64) -> FileHeader {
        let salt = self.options.salt;
        FileHeader {
            purpose: Purpose::Pack,
            id: segment.0,
            generation,
            base: 0,
            salt,
        }
    }
}

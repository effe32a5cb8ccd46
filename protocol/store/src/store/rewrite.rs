//! Compaction: a pack written anew with what is still wanted.

use karez_protocol::id::SegmentId;

use super::Store;
use crate::error::Error;
use crate::extents::Spot;
use crate::files::Files;
use crate::format::{Class, FIRST, Kind};
use crate::fresh::Fresh;
use crate::index::Index;
use crate::pack::{Pack, broken_off};
use crate::scan::{Item, Scan};

impl Store {
    /// Writes a segment's pack anew with its head and what `keep` says, durably. Rotten entries
    /// go. What waited for a commit is committed first; waiting proofs of what is not kept are
    /// taken back.
    ///
    /// # Errors
    /// [`Error::NoSegment`]; [`Error::Full`], [`Error::Io`] and its kin: then the pack is as
    /// before, or, if only the very last sync failed, as wanted but not yet proof against a power
    /// cut.
    pub fn rewrite_segment(
        &mut self,
        segment: SegmentId,
        keep: &dyn Fn(Kind, u64) -> bool,
    ) -> Result<(), Error> {
        self.flush()?;
        let header = self.pack_header(segment, self.generation(segment)? + 1);
        let old = self
            .packs
            .get_mut(&segment)
            .ok_or(Error::NoSegment(segment))?;
        let (bytes, head) = (old.log.durable(), old.head.clone());
        let place = (old.log.place.clone(), old.log.path.clone());
        let begun = Fresh::begin(&self.files, place, header, &head);
        let written =
            begun.and_then(
                |mut fresh| match copy(old, &mut self.files, &mut fresh, keep) {
                    Ok(index) => Ok((index, fresh.finish(&mut self.files)?)),
                    Err(error) => {
                        fresh.discard(&self.files);
                        Err(error)
                    }
                },
            );
        let (index, (log, named)) = written.map_err(|e| self.explain(e, bytes))?;
        self.packs
            .insert(segment, Pack::new(segment, head, log, index));
        self.done.withdraw(segment, keep);
        named
    }

    fn generation(&self, segment: SegmentId) -> Result<u64, Error> {
        let pack = self.packs.get(&segment).ok_or(Error::NoSegment(segment))?;
        Ok(pack.log.header.generation)
    }
}

/// Copies what is live and wanted, in the order of the file; around sectors that the disk refuses
/// to read in one go, or when most of the file is not wanted, entry by entry.
fn copy(
    old: &mut Pack,
    files: &mut Files,
    fresh: &mut Fresh,
    keep: &dyn Fn(Kind, u64) -> bool,
) -> Result<Index, Error> {
    let (mut index, gaps) = match wanted(old, keep) < old.log.durable() / 2 {
        true => (Index::default(), true),
        false => copy_walk(old, files, fresh, keep)?,
    };
    let mut cursor = None;
    while let Some((kind, number, spot)) = old.index.after(cursor).filter(|_| gaps) {
        cursor = Some((kind, number));
        if !keep(kind, number) || index.get(kind, number).is_some() {
            continue;
        }
        match old.read(files, kind, number) {
            Err(Error::Rotten { .. }) => {}
            read => {
                let offset = fresh.append(Class::Entry(kind), number, &read?)?;
                index.insert(kind, number, Spot { offset, ..spot });
            }
        }
    }
    Ok(index)
}

/// Bytes of the entries that are wanted.
fn wanted(old: &Pack, keep: &dyn Fn(Kind, u64) -> bool) -> u64 {
    let (mut cursor, mut bytes) = (None, 0);
    while let Some((kind, number, spot)) = old.index.after(cursor) {
        cursor = Some((kind, number));
        if keep(kind, number) {
            bytes += u64::from(spot.length);
        }
    }
    bytes
}

/// Copies what one walk over the file meets, and says whether there were bytes that it could not
/// read.
fn copy_walk(
    old: &Pack,
    files: &mut Files,
    fresh: &mut Fresh,
    keep: &dyn Fn(Kind, u64) -> bool,
) -> Result<(Index, bool), Error> {
    let file = files.read(&old.log.path);
    let file = file.map_err(|e| Error::io("read", old.log.place.clone(), e))?;
    let failed = |e| broken_off(e, &old.log.place);
    let mut index = Index::default();
    let mut scan = Scan::new(file, &old.log.key, FIRST..old.log.durable()).lenient();
    while let Some(item) = scan.next().map_err(failed)? {
        let Item::Entry {
            offset,
            entry,
            sound,
        } = item
        else {
            continue;
        };
        let Class::Entry(kind) = entry.class else {
            continue;
        };
        let spot = old.index.get(kind, entry.number);
        let live = sound && spot.is_some_and(|spot| spot.offset == offset);
        if !live || !keep(kind, entry.number) {
            continue;
        }
        let payload = scan.payload(offset, &entry).map_err(failed)?;
        let offset = fresh.append(entry.class, entry.number, payload)?;
        let length = entry.length;
        index.insert(kind, entry.number, Spot { offset, length });
    }
    Ok((index, scan.unreadable))
}

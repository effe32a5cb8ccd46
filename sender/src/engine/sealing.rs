//! From a step's output to durable records that may be sent.

use std::sync::atomic::Ordering;

use karez_protocol::id::SegmentId;
use karez_protocol::session::RecordInfo;
use karez_store::{Error, Kind};

use super::Engine;
use super::entry::{RECORD_NOTE, RecordNote, TAGS};
use super::packing::Sealed;
use super::table::Place;
use crate::limits::TAGS_PER_ENTRY;
use crate::outbox::{Piece, SealedRecord};

impl Engine {
    /// Writes what the steps have made.
    pub(super) fn store_sealed(&mut self) {
        if self.resting() {
            return;
        }
        for index in 0..self.sealed.len() {
            if self.sealed[index].written {
                continue;
            }
            match self.write_one(index) {
                Ok(()) => {
                    self.sealed[index].written = true;
                    #[cfg(feature = "mutants")]
                    self.delete_early(index);
                }
                Err(error) => return self.troubled(&error),
            }
        }
    }

    #[cfg(feature = "mutants")]
    fn delete_early(&mut self, index: usize) {
        let (order, done) = (self.sealed[index].order, self.sealed[index].output.done);
        let blob = self
            .tables
            .instances
            .get(&order)
            .map(|i| i.accepted.blob.clone());
        if let Some(blob) = blob.filter(|_| done)
            && karez_store::mutant::is_on(karez_store::mutant::Mutant::DeleteBeforeSync)
        {
            let _ = self.shared.blobs.remove(&blob);
        }
    }

    fn write_one(&mut self, index: usize) -> Result<(), Error> {
        let Sealed {
            segment,
            order,
            output,
            ..
        } = &self.sealed[index];
        for piece in &output.pieces {
            match piece {
                Piece::Chunk(serial, sealed) => {
                    self.store.append(*segment, Kind::Chunk, *serial, sealed)?;
                }
                Piece::Record(record) => {
                    let note = note(*order, record).to_bytes();
                    let kind = Kind::Note(RECORD_NOTE);
                    self.store.append(*segment, kind, record.number, &note)?;
                    self.store
                        .append(*segment, Kind::Record, record.number, &record.bytes)?;
                }
            }
        }
        for tags in output.tags.chunks(TAGS_PER_ENTRY) {
            let entry: Vec<u8> = tags.iter().flat_map(|tag| tag.0).collect();
            self.store.journal_append(TAGS, &entry)?;
            *self.journal_entries.entry(TAGS).or_default() += tags.len();
        }
        Ok(())
    }

    /// What was written is durable: it may be sent, and the instance goes on or is done.
    pub(super) fn settle_sealed(&mut self) {
        let (durable, rest) = std::mem::take(&mut self.sealed)
            .into_iter()
            .partition(|s| s.written);
        self.sealed = rest;
        for sealed in durable {
            self.settle_step(sealed);
        }
    }

    fn settle_step(&mut self, sealed: Sealed) {
        let Sealed {
            study,
            segment,
            order,
            output,
            sealer,
            run,
            ..
        } = sealed;
        let done = output.done;
        let now = self.now();
        for piece in output.pieces {
            let Piece::Record(record) = piece else {
                continue;
            };
            if let Err(error) = self.source.add_record(now, segment, info(&record)) {
                tracing::error!(%error, "a record of our own does not fit");
                return self.abandon_by_bug((study, segment), order);
            }
        }
        if done {
            self.instance_sealed(segment, order);
        }
        let Some(open) = self.tables.open_mut(study, segment) else {
            return;
        };
        open.busy = false;
        open.used = now;
        open.sealer = Some(sealer);
        open.run = (!done).then_some((order, run));
        if self
            .tables
            .studies
            .get(&study)
            .is_some_and(|s| s.facts.withdrawn.is_some())
        {
            self.close_segments(study);
        }
    }

    /// All of an instance is durable in its segment: its ingest file goes.
    fn instance_sealed(&mut self, segment: SegmentId, order: u64) {
        let end = self.source.records(segment).len() as u64;
        let start = self.tables.segments.get(&segment).map_or(0, |s| s.whole);
        let Some(instance) = self.tables.instances.get(&order) else {
            return;
        };
        let (blob, length) = (instance.accepted.blob.clone(), instance.accepted.length);
        self.tables.put(order, Place::Sealed(segment, start..end));
        self.shared.unsealed.fetch_sub(length, Ordering::Relaxed);
        if let Err(error) = self.shared.blobs.remove(&blob) {
            tracing::warn!(%error, "an ingest file that is no longer needed could not be removed");
        }
    }
}

fn note(order: u64, record: &SealedRecord) -> RecordNote {
    RecordNote {
        order,
        first_chunk: record.chunks.start,
        end_chunk: record.chunks.end,
        bytes: record.chunk_bytes + record.bytes.len() as u64,
        hash: record.hash,
        starts: record.starts,
        last: record.last,
        repeats: record.repeats.iter().map(|r| (r.start, r.end)).collect(),
    }
}

fn info(record: &SealedRecord) -> RecordInfo {
    RecordInfo {
        chunks: record.chunks.clone(),
        bytes: record.chunk_bytes + record.bytes.len() as u64,
        hash: record.hash,
        starts: record.starts,
        repeats: record.repeats.clone(),
    }
}

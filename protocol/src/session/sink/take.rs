//! What a sink does with the clinic's frames.

use std::collections::BTreeSet;

use super::{Segment, Sink, SinkError, SinkEvent};
use crate::id::{ChunkId, PeerId, SegmentId, StudyId};
use crate::limits::{
    CHUNK_SEALED_MAX, GONE_RUNS_MAX, OPEN_RECORDS_MAX, OPEN_SEGMENTS_MAX, SEGMENT_CHUNKS_MAX,
    SEGMENT_RECORDS_MAX, STRANGE_CLASSES_MAX,
};
use crate::manifest::{Gone, ManifestError, RecordBytes, Revision, SegmentHead};
use crate::resume::What;
use crate::seal::Signed;
use crate::units::Moment;
use crate::wire::{Frame, encode};

impl Sink {
    /// Takes a frame from the clinic.
    ///
    /// # Errors
    /// [`SinkError`]; nothing has changed then.
    pub fn handle_frame(&mut self, now: Moment, frame: Frame) -> Result<(), SinkError> {
        match frame {
            Frame::Head(signed) => self.take_head(&signed),
            Frame::Record {
                segment,
                number,
                bytes,
            } => self.take_record(segment, number, bytes),
            Frame::Chunk {
                segment,
                serial,
                sealed,
            } => self.take_chunk(now, segment, serial, sealed),
            Frame::Ask(segments) => {
                for segment in segments {
                    self.answer(segment);
                }
                Ok(())
            }
            Frame::Priority {
                study,
                class,
                counter,
            } => {
                let known = self.classes.get(&study).map_or(0, |(c, _)| *c);
                if counter > known {
                    self.forget_classes();
                    self.classes.insert(study, (counter, class));
                    self.events.push_back(SinkEvent::Class(study, class));
                }
                Ok(())
            }
            Frame::Revision(signed) => self.take_revision(&signed),
            Frame::Gone(signed) => self.take_gone(&signed),
            _ => Err(SinkError::Unexpected(self.clinic)),
        }
    }

    /// Bounds the classes of studies of which nothing is here.
    fn forget_classes(&mut self) {
        if self.classes.len() < self.segments.len() + STRANGE_CLASSES_MAX {
            return;
        }
        let here: BTreeSet<StudyId> = self.segments.values().map(|s| s.head.study()).collect();
        self.classes.retain(|study, _| here.contains(study));
    }

    fn take_head(&mut self, signed: &Signed) -> Result<(), SinkError> {
        let refuse = self.refusal();
        let head = SegmentHead::read(signed).map_err(refuse)?;
        let names = head.names();
        if names.sender != self.clinic || names.receiver != self.me {
            return Err(SinkError::Foreign(self.clinic));
        }
        if let Some(known) = self.segments.get(&names.segment) {
            if known.head != head {
                return Err(SinkError::Contradiction {
                    segment: names.segment,
                    number: 0,
                });
            }
        } else {
            if self.segments.len() >= OPEN_SEGMENTS_MAX {
                return Err(SinkError::TooMuch {
                    clinic: self.clinic,
                    what: "65,536 segments",
                });
            }
            if self.full.is_some() {
                return Ok(());
            }
            let key = head.key(&self.keys).map_err(refuse)?;
            self.segments.insert(names.segment, Segment::new(head, key));
            let bytes = encode(signed);
            self.persist(names.segment, What::Head, bytes);
        }
        self.answer(names.segment);
        Ok(())
    }

    fn take_record(&mut self, id: SegmentId, number: u64, bytes: Vec<u8>) -> Result<(), SinkError> {
        let Some(segment) = self.segments.get_mut(&id) else {
            return Ok(());
        };
        if number >= SEGMENT_RECORDS_MAX {
            let rule = ManifestError::Rule("a record's number is out of bounds");
            return Err(refuse_of(self.clinic)(rule));
        }
        if segment.have.records().contains(number) || segment.writing_records.contains(number) {
            return Ok(());
        }
        if self.full.is_some() || segment.open.len() >= OPEN_RECORDS_MAX {
            segment.drop_record(number);
            return Ok(());
        }
        let refuse = refuse_of(self.clinic);
        let record = RecordBytes::from_bytes(bytes).map_err(refuse)?;
        let body = record.open(&segment.key, number).map_err(refuse)?;
        let wanted = body.chunk_count() * CHUNK_SEALED_MAX as u64 + record.as_bytes().len() as u64;
        #[cfg(feature = "mutants")]
        let wanted = match crate::mutant::is_on(crate::mutant::Mutant::ClaimsUncounted) {
            true => 0,
            false => wanted,
        };
        if let Some(room) = &mut self.room {
            if wanted > *room {
                // Not claimed and not asked for: it comes again when there is room.
                self.turned_away = true;
                return Ok(());
            }
            *room -= wanted;
        }
        segment.place(id, number, &body)?;
        segment.writing_records.add(number);
        let links = self.find_links(id, number, &body);
        self.persist(id, What::Record(number), record.as_bytes().to_vec());
        for link in links {
            self.persist_link(id, &link);
        }
        Ok(())
    }

    fn take_chunk(
        &mut self,
        now: Moment,
        id: SegmentId,
        serial: u64,
        sealed: Vec<u8>,
    ) -> Result<(), SinkError> {
        let Some(segment) = self.segments.get_mut(&id) else {
            return Ok(());
        };
        if serial >= SEGMENT_CHUNKS_MAX {
            let rule = ManifestError::Rule("a chunk's serial is out of bounds");
            return Err(refuse_of(self.clinic)(rule));
        }
        if segment.have.chunks().contains(serial) || segment.writing_chunks.contains(serial) {
            self.say_soon(now, id);
            return Ok(());
        }
        let Some(expected) = segment.expected(serial).filter(|_| self.full.is_none()) else {
            segment.drop_chunk(serial);
            return Ok(());
        };
        let right = sealed.len() <= CHUNK_SEALED_MAX
            && ChunkId(*blake3::hash(&sealed).as_bytes()) == expected;
        #[cfg(feature = "mutants")]
        let right = right || crate::mutant::is_on(crate::mutant::Mutant::ChunkUnproved);
        if !right {
            segment.drop_chunk(serial);
            self.ask_for_dropped(id);
            return Err(SinkError::WrongChunk {
                segment: id,
                serial,
            });
        }
        segment.writing_chunks.add(serial);
        #[cfg(feature = "mutants")]
        if crate::mutant::is_on(crate::mutant::Mutant::HaveBeforeDurable) {
            let claimed = crate::resume::Stored::claimed(id, What::Chunk(serial));
            segment.have.grow(claimed);
        }
        self.persist(id, What::Chunk(serial), sealed);
        Ok(())
    }

    fn take_revision(&mut self, signed: &Signed) -> Result<(), SinkError> {
        let refuse = self.refusal();
        let revision = Revision::read(&self.clinic, signed).map_err(refuse)?;
        self.events
            .push_back(SinkEvent::Revised(revision.study, revision.segments));
        Ok(())
    }

    fn take_gone(&mut self, signed: &Signed) -> Result<(), SinkError> {
        let refuse = self.refusal();
        let gone = Gone::read(&self.clinic, signed).map_err(refuse)?;
        let segment = gone.records.segment;
        let records = gone.records.set().within(&(0..SEGMENT_RECORDS_MAX));
        if let Some(owner) = self.segments.get_mut(&segment) {
            let mut all = owner.gone.clone();
            all.union(&records);
            if all.run_count() > GONE_RUNS_MAX {
                return Err(SinkError::TooMuch {
                    clinic: self.clinic,
                    what: "1,024 runs of lost records of one segment",
                });
            }
            owner.gone = all;
            let study = owner.head.study();
            self.events.push_back(SinkEvent::Gone {
                study,
                segment,
                records,
            });
        }
        Ok(())
    }

    /// How this clinic's bad bytes are reported.
    pub(super) fn refusal(&self) -> impl Fn(ManifestError) -> SinkError + Copy + use<> {
        refuse_of(self.clinic)
    }

    pub(super) fn persist(&mut self, segment: SegmentId, what: What, bytes: Vec<u8>) {
        self.events.push_back(SinkEvent::Persist {
            segment,
            what,
            bytes,
        });
    }
}

fn refuse_of(clinic: PeerId) -> impl Fn(ManifestError) -> SinkError + Copy {
    move |source| SinkError::Manifest { clinic, source }
}

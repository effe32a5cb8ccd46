//! One open segment: its key, its packer, and the records and chunks that come of an instance.
//! Works in short steps, each a job of its own, so that memory stays bounded and a more urgent
//! instance goes first.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use karez_host::Env;
use karez_imaging::{Codecs, HEAD, Level, PackedPart, Packer, PartRef as ImagingRef, Plan, plan};
use karez_protocol::id::{ChunkId, Fingerprint, PartTag};
use karez_protocol::limits::{
    CHUNK_PLAIN_MAX, HEAD_INLINE_MAX, RECORD_PARTS_MAX, RECORD_SEALED_MAX,
};
use karez_protocol::manifest::{
    Head, InstanceStart, ManifestError, Origin, PackedHead, PartRecord, PartRef, RecordBody,
    RecordBytes,
};
use karez_protocol::seal::{ChunkPlace, RecordPlace, SegmentKey};

use super::Tags;
use crate::ingest::IngestFile;
use crate::keys::Keys;
use crate::limits::STEP_BYTES;

/// An open segment's secrets and counters. Dropping it wipes the key.
pub(crate) struct Sealer {
    key: SegmentKey,
    packer: Packer,
    next_record: u64,
    next_chunk: u64,
}

/// One instance being packed.
pub(crate) struct Run {
    file: IngestFile,
    origin: Origin,
    fingerprint: Fingerprint,
    plan: Option<Plan>,
    /// The next part; [`HEAD`] first.
    next: u32,
    first_record: u64,
    record: Option<OpenRecord>,
}

/// A record that still takes parts.
struct OpenRecord {
    place: RecordPlace,
    body: RecordBody,
    /// At most this many bytes when encoded.
    size: usize,
    chunk_bytes: u64,
    repeats: Vec<Range<u64>>,
}

/// What jobs need from outside.
pub(crate) struct StepTools {
    pub(crate) env: Arc<dyn Env>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) tags: Arc<Tags>,
}

/// What one step made, in the order in which it must be stored.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) pieces: Vec<Piece>,
    /// Tags met for the first time.
    pub(crate) tags: Vec<PartTag>,
    /// The instance is packed to its end.
    pub(crate) done: bool,
    /// Of all pieces.
    pub(crate) bytes: usize,
}

/// Something to be stored.
pub(crate) enum Piece {
    /// A sealed chunk with its serial.
    Chunk(u64, Vec<u8>),
    /// A sealed record.
    Record(SealedRecord),
}

/// A sealed record and what a restarted sender must know of it, since it cannot open it.
#[derive(Clone)]
pub(crate) struct SealedRecord {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: [u8; 32],
    pub(crate) chunks: Range<u64>,
    /// Of the chunks.
    pub(crate) chunk_bytes: u64,
    pub(crate) starts: bool,
    pub(crate) last: bool,
    pub(crate) repeats: Vec<Range<u64>>,
}

/// Why an instance cannot be packed.
#[derive(Debug)]
pub(crate) enum StepError {
    /// Its ingest file cannot be read: rot, or a failing disk.
    Read(io::Error),
    /// A rule of the manifest does not allow it.
    Manifest(ManifestError),
}

/// Room for the body in a record.
const BODY_MAX: usize = RECORD_SEALED_MAX - 8 - 16;

impl Sealer {
    pub(crate) fn new(key: SegmentKey, packer: Packer) -> Self {
        Self {
            key,
            packer,
            next_record: 0,
            next_chunk: 0,
        }
    }

    /// Packs the next instances at this level and with these codecs.
    pub(crate) fn begin(&mut self, level: Level, codecs: Codecs) {
        self.packer.set_level(level);
        self.packer.set_codecs(codecs);
    }

    /// Lets go what the next instance could build on: it costs air, and frees memory.
    pub(crate) fn forget(&mut self) {
        self.packer.forget();
    }

    /// The records made so far.
    pub(crate) const fn records(&self) -> u64 {
        self.next_record
    }

    /// Packs and seals the next parts of an instance, about [`STEP_BYTES`] of them.
    pub(crate) fn step(&mut self, run: &mut Run, tools: &StepTools) -> Result<Output, StepError> {
        let mut out = Output::default();
        while out.bytes < STEP_BYTES && !out.done {
            let parts = run.plan()?.parts.len();
            if run.next as usize > parts {
                self.end_record(run, true, &mut out)?;
                out.done = true;
            } else {
                self.part(run, tools, &mut out)?;
                run.next += 1;
            }
        }
        Ok(out)
    }

    fn part(
        &mut self,
        run: &mut Run,
        tools: &StepTools,
        out: &mut Output,
    ) -> Result<(), StepError> {
        if run.next == HEAD {
            run.first_record = self.next_record;
        }
        let at = ImagingRef {
            record: run.first_record,
            part: run.next,
        };
        let (mut tag, mut repeats) = (None, false);
        let mut meet = |raw: &[u8]| {
            let met = tools.keys.clinic.tag(raw);
            repeats = tools.tags.meet(met);
            tag = Some(if repeats { met.offered() } else { met });
            repeats
        };
        let source = run.plan.as_ref().ok_or_else(unplanned)?;
        let packed = self.packer.pack_one(at, &run.file, source, &mut meet);
        let (raw, packed) = packed.map_err(StepError::Read)?;
        if run.next == HEAD && packed.packed.len() <= HEAD_INLINE_MAX {
            let head = Head::Inline(inline(packed));
            self.begin_record(run, Some(head), tools);
            return Ok(());
        }
        if run.next == HEAD {
            self.begin_record(run, Some(Head::Chunked), tools);
        }
        // Later heads build on this one, so it is never offered.
        let tag = tag.unwrap_or_else(|| tools.keys.clinic.tag(&raw));
        if !repeats && run.next != HEAD {
            out.tags.push(tag);
        }
        self.seal_part(run, (packed, tag, repeats), tools, out)
    }

    fn begin_record(&mut self, run: &mut Run, head: Option<Head>, tools: &StepTools) {
        let mut random = [0; 8];
        tools.env.entropy(&mut random);
        let mut size = 16;
        let start = head.map(|head| {
            size += 80 + head_size(&head);
            InstanceStart {
                fingerprint: run.fingerprint,
                length: karez_imaging::ByteSource::len(&run.file),
                prefix: run.plan.as_ref().map_or(0, |p| p.head.prefix_len),
                origin: run.origin,
                head,
            }
        });
        run.record = Some(OpenRecord {
            place: RecordPlace {
                number: self.next_record,
                random,
            },
            body: RecordBody {
                first_chunk: self.next_chunk,
                start,
                parts: Vec::new(),
                last: false,
            },
            size,
            chunk_bytes: 0,
            repeats: Vec::new(),
        });
        self.next_record += 1;
    }

    fn seal_part(
        &mut self,
        run: &mut Run,
        (packed, tag, repeats): (PackedPart, PartTag, bool),
        tools: &StepTools,
        out: &mut Output,
    ) -> Result<(), StepError> {
        let size = part_size(&packed);
        let full = run
            .record
            .as_ref()
            .is_none_or(|r| r.body.parts.len() >= RECORD_PARTS_MAX || r.size + size > BODY_MAX);
        if full {
            self.end_record(run, false, out)?;
            self.begin_record(run, None, tools);
        }
        let record = run.record.as_mut().ok_or_else(unplanned)?;
        let first = self.next_chunk;
        let mut chunks = Vec::new();
        for (index, plain) in packed.packed.chunks(CHUNK_PLAIN_MAX).enumerate() {
            let place = ChunkPlace {
                record: record.place,
                part: record.body.parts.len() as u16,
                index: index as u32,
            };
            let sealed = self
                .key
                .seal_chunk(place, plain)
                .map_err(ManifestError::from)?;
            chunks.push(ChunkId(*blake3::hash(&sealed).as_bytes()));
            record.chunk_bytes += sealed.len() as u64;
            out.bytes += sealed.len();
            out.pieces.push(Piece::Chunk(self.next_chunk, sealed));
            self.next_chunk += 1;
        }
        if repeats && self.next_chunk > first {
            record.repeats.push(first..self.next_chunk);
        }
        record.size += size;
        record.body.parts.push(PartRecord {
            codec: packed.codec.0,
            raw_len: packed.raw_len,
            packed_len: packed.packed.len() as u64,
            tag,
            refs: refs(&packed),
            chunks,
        });
        Ok(())
    }

    fn end_record(&mut self, run: &mut Run, last: bool, out: &mut Output) -> Result<(), StepError> {
        let Some(mut record) = run.record.take() else {
            return Ok(());
        };
        record.body.last = last;
        let sealed = RecordBytes::seal(&self.key, record.place, &record.body)?;
        out.bytes += sealed.as_bytes().len();
        out.pieces.push(Piece::Record(SealedRecord {
            number: record.place.number,
            hash: sealed.hash(),
            bytes: sealed.as_bytes().to_vec(),
            chunks: record.body.chunks(),
            chunk_bytes: record.chunk_bytes,
            starts: record.body.start.is_some(),
            last,
            repeats: record.repeats,
        }));
        Ok(())
    }
}

impl Run {
    pub(crate) fn new(file: IngestFile, origin: Origin, fingerprint: Fingerprint) -> Self {
        Self {
            file,
            origin,
            fingerprint,
            plan: None,
            next: HEAD,
            first_record: 0,
            record: None,
        }
    }

    fn plan(&mut self) -> Result<&Plan, StepError> {
        if self.plan.is_none() {
            self.plan = Some(plan(&self.file).map_err(StepError::Read)?);
        }
        self.plan.as_ref().ok_or_else(unplanned)
    }
}

impl From<ManifestError> for StepError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}

fn unplanned() -> StepError {
    StepError::Manifest(ManifestError::Rule("a part without its plan or record"))
}

fn inline(packed: PackedPart) -> PackedHead {
    PackedHead {
        codec: packed.codec.0,
        raw_len: packed.raw_len,
        refs: refs(&packed),
        packed: packed.packed,
    }
}

fn refs(packed: &PackedPart) -> Vec<PartRef> {
    let name = |r: &ImagingRef| PartRef {
        record: r.record,
        part: r.part,
    };
    packed.refs.iter().map(name).collect()
}

/// Bytes that a part takes in a record at most.
fn part_size(packed: &PackedPart) -> usize {
    48 + 14 * packed.refs.len() + 32 * packed.packed.len().div_ceil(CHUNK_PLAIN_MAX)
}

fn head_size(head: &Head) -> usize {
    match head {
        Head::Inline(head) => 32 + 14 * head.refs.len() + head.packed.len(),
        Head::Chunked => 0,
    }
}

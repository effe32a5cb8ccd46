//! Records: the sealed, append-only list of what a segment holds.

use super::ManifestError;
use crate::id::{ChunkId, Fingerprint, PartTag};
use crate::limits::{
    CHUNK_PLAIN_MAX, HEAD_INLINE_MAX, PART_PACKED_MAX, PART_RAW_MAX, PART_REFS_MAX,
    RECORD_PARTS_MAX, RECORD_SEALED_MAX, SEGMENT_CHUNKS_MAX,
};
use crate::seal::{RecordPlace, SegmentKey};
use crate::wire::{decode, encode};

/// A record as it is stored and sent: 8 clear random bytes, then the sealed body.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBytes(Vec<u8>);

impl RecordBytes {
    /// Seals `body` as record `place`.
    ///
    /// # Errors
    /// When the body breaks a rule or is too long for one record.
    pub fn seal(
        key: &SegmentKey,
        place: RecordPlace,
        body: &RecordBody,
    ) -> Result<Self, ManifestError> {
        body.check()?;
        let sealed = key.seal_record(place, &encode(body))?;
        let bytes = [&place.random[..], &sealed].concat();
        Self::from_bytes(bytes)
    }

    /// Takes bytes from the wire or a disk; opens nothing yet.
    ///
    /// # Errors
    /// When they are too short or too long to be a record.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ManifestError> {
        if bytes.len() < 8 + 16 || bytes.len() > RECORD_SEALED_MAX {
            return Err(ManifestError::Rule("a record's length is out of bounds"));
        }
        Ok(Self(bytes))
    }

    /// Opens record `number`.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn open(&self, key: &SegmentKey, number: u64) -> Result<RecordBody, ManifestError> {
        let plain = key.open_record(self.place(number), &self.0[8..])?;
        let body: RecordBody = decode(&plain)?;
        body.check()?;
        Ok(body)
    }

    /// Where it stands, from its number and its clear random bytes.
    #[must_use]
    pub fn place(&self, number: u64) -> RecordPlace {
        let mut random = [0; 8];
        random.copy_from_slice(&self.0[..8]);
        RecordPlace { number, random }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// BLAKE3 of the bytes: what roots are made of.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.0).as_bytes()
    }
}

/// What a record says. An instance begins in the record that has `start` and goes on through
/// the following ones up to the first with `last`.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct RecordBody {
    /// Serial within the segment of this record's first chunk.
    pub first_chunk: u64,
    /// Present in an instance's first record.
    pub start: Option<InstanceStart>,
    /// The parts whose chunks this record lists, in file order.
    pub parts: Vec<PartRecord>,
    /// Whether the instance ends here.
    pub last: bool,
}

/// What is known of an instance as a whole.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct InstanceStart {
    /// BLAKE3 of the original bytes.
    pub fingerprint: Fingerprint,
    /// Length of the original, in bytes.
    pub length: u64,
    /// How many bytes of the head stand before the pixel data; the rest stands after it.
    pub prefix: u64,
    /// How the instance came in.
    pub origin: Origin,
    /// Where the head is.
    pub head: Head,
}

/// How an instance came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Origin {
    /// A file, whole as it was.
    File,
    /// A C-STORE data set, byte for byte, behind a file meta group of ours of this length.
    Dimse {
        /// Bytes before the data set.
        meta: u32,
    },
}

/// Where an instance's head is.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Head {
    /// In this record.
    Inline(PackedHead),
    /// It is the first of the parts.
    Chunked,
}

/// A packed head that stands in its record.
#[derive(Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct PackedHead {
    /// The codec and its version.
    pub codec: u8,
    /// Bytes before packing.
    pub raw_len: u64,
    /// What unpacking needs besides.
    pub refs: Vec<PartRef>,
    /// The packed bytes.
    pub packed: Vec<u8>,
}

/// One part: what it is and which chunks hold it.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct PartRecord {
    /// The codec and its version.
    pub codec: u8,
    /// Bytes before packing.
    pub raw_len: u64,
    /// Bytes after packing, before sealing.
    pub packed_len: u64,
    /// Keyed hash of the raw bytes.
    pub tag: PartTag,
    /// What unpacking needs besides.
    pub refs: Vec<PartRef>,
    /// The sealed chunks, in order.
    pub chunks: Vec<ChunkId>,
}

/// An earlier part of the same segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct PartRef {
    /// The first record of its instance.
    pub record: u64,
    /// Its number in that instance: 0 is the head.
    pub part: u32,
}

impl RecordBody {
    /// How many chunks the record lists.
    #[must_use]
    pub fn chunk_count(&self) -> u64 {
        self.parts.iter().map(|p| p.chunks.len() as u64).sum()
    }

    /// The serials of its chunks.
    #[must_use]
    pub fn chunks(&self) -> std::ops::Range<u64> {
        self.first_chunk..self.first_chunk + self.chunk_count()
    }

    /// Each part with the serials of its chunks.
    pub fn parts_with_serials(
        &self,
    ) -> impl Iterator<Item = (&PartRecord, std::ops::Range<u64>)> + '_ {
        self.parts.iter().scan(self.first_chunk, |next, part| {
            let start = *next;
            *next += part.chunks.len() as u64;
            Some((part, start..*next))
        })
    }

    /// Checks the bounds and that each part's chunks can hold it (SPEC 4.2).
    fn check(&self) -> Result<(), ManifestError> {
        let rule = |ok: bool, text| {
            if ok {
                Ok(())
            } else {
                Err(ManifestError::Rule(text))
            }
        };
        rule(
            self.parts.len() <= RECORD_PARTS_MAX,
            "a record describes too many parts",
        )?;
        rule(
            self.first_chunk <= SEGMENT_CHUNKS_MAX,
            "a segment has too many chunks",
        )?;
        for part in &self.parts {
            rule(
                part.refs.len() <= PART_REFS_MAX,
                "a part has too many references",
            )?;
            rule(
                part.raw_len <= PART_RAW_MAX as u64,
                "a part is too long before packing",
            )?;
            rule(
                part.packed_len <= PART_PACKED_MAX as u64,
                "a part is too long after packing",
            )?;
            let chunks = part.packed_len.div_ceil(CHUNK_PLAIN_MAX as u64);
            rule(
                part.chunks.len() as u64 == chunks,
                "a part's chunks do not fit its length",
            )?;
        }
        let Some(start) = &self.start else {
            return Ok(());
        };
        match &start.head {
            Head::Inline(head) => {
                rule(
                    head.packed.len() <= HEAD_INLINE_MAX,
                    "an inline head is too long",
                )?;
                rule(
                    head.refs.len() <= PART_REFS_MAX,
                    "a head has too many references",
                )?;
                rule(
                    head.raw_len <= PART_RAW_MAX as u64,
                    "a head is too long before packing",
                )
            }
            Head::Chunked => rule(!self.parts.is_empty(), "a chunked head has no part"),
        }
    }
}

impl std::fmt::Debug for PackedHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PackedHead({} bytes, codec {})",
            self.packed.len(),
            self.codec
        )
    }
}

impl std::fmt::Debug for RecordBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordBytes({} bytes)", self.0.len())
    }
}

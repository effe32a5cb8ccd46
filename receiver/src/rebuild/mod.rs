//! An instance from its sealed chunks: pulled piece by piece, so that memory stays bounded
//! however long it is. Two passes: the first proves the fingerprint, the second hands off.

mod parts;
mod reader;
mod record;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use karez_host::Env;
use karez_host::env::work;
use karez_imaging::{HEAD, PackedPart, PartRef, Unpacker};
use karez_protocol::id::{Fingerprint, SegmentId};
use karez_protocol::manifest::{Head, InstanceStart};

pub(crate) use parts::Segments;
pub(crate) use reader::Reader;

use crate::limits::SMALL_INSTANCE;
use parts::Located;

/// Why an instance was not rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RebuildError {
    /// Something that it is made of is not here.
    #[error("record {1} of segment {segment}, or a chunk of it, is not here", segment = .0.short())]
    Lacks(SegmentId, u64),
    /// The stored bytes do not make an instance.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The rebuilt bytes are not those that the clinic had.
    #[error("the rebuilt bytes are not those that the clinic fingerprinted")]
    Fingerprint,
    /// The disk does not give it now.
    #[error("{0}")]
    Later(String),
}

/// One pass over one instance.
pub(crate) struct Rebuild<'a> {
    segments: &'a mut Segments,
    segment: SegmentId,
    records: Range<u64>,
    start: InstanceStart,
    /// What stands behind the pixel data; its beginning was given first.
    head: Vec<u8>,
    given_prefix: bool,
    /// The record that is being worked off, its next part, and that part's number.
    at: (u64, usize, u32),
    given: u64,
}

impl<'a> Rebuild<'a> {
    /// Begins a pass over the instance in `records`.
    pub(crate) async fn begin(
        segments: &'a mut Segments,
        segment: SegmentId,
        records: Range<u64>,
    ) -> Result<Self, RebuildError> {
        let first = segments.record(segment, records.start).await?;
        let start = first.body.start.clone();
        let start = start.ok_or(RebuildError::Corrupt(
            "an instance does not begin where it should",
        ))?;
        let mut rebuild = Self {
            at: (records.start, 0, HEAD + 1),
            segments,
            segment,
            records,
            start,
            head: Vec::new(),
            given_prefix: false,
            given: 0,
        };
        rebuild.read_head().await?;
        Ok(rebuild)
    }

    /// The next bytes, in order; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, RebuildError> {
        let piece = self.piece().await?;
        let length = piece.as_ref().map_or(0, |p| p.len() as u64);
        self.given += length;
        if self.given > self.start.length {
            return Err(RebuildError::Fingerprint);
        }
        Ok(piece)
    }

    async fn piece(&mut self) -> Result<Option<Vec<u8>>, RebuildError> {
        if !self.given_prefix {
            self.given_prefix = true;
            let prefix = usize::try_from(self.start.prefix).unwrap_or(usize::MAX);
            if prefix > self.head.len() {
                return Err(RebuildError::Corrupt("a head is shorter than it says"));
            }
            let rest = self.head.split_off(prefix);
            return Ok(Some(std::mem::replace(&mut self.head, rest)));
        }
        while self.at.0 < self.records.end {
            let (number, index, part) = self.at;
            let record = self.segments.record(self.segment, number).await?;
            if index < record.body.parts.len() {
                self.at = (number, index + 1, part + 1);
                return self.raw(number, index, part).await.map(Some);
            }
            self.at = (number + 1, 0, part);
        }
        let rest = std::mem::take(&mut self.head);
        Ok((!rest.is_empty()).then_some(rest))
    }

    async fn read_head(&mut self) -> Result<(), RebuildError> {
        self.head = match &self.start.head {
            Head::Inline(_) => {
                let at = Located::inline(self.records.start);
                self.segments
                    .raw(self.segment, self.part_ref(HEAD), at)
                    .await?
            }
            Head::Chunked => {
                self.at.1 = 1;
                self.raw(self.records.start, 0, HEAD).await?
            }
        };
        Ok(())
    }

    async fn raw(&mut self, record: u64, index: usize, part: u32) -> Result<Vec<u8>, RebuildError> {
        let at = Located::chunked(record, index);
        self.segments
            .raw(self.segment, self.part_ref(part), at)
            .await
    }

    const fn part_ref(&self, part: u32) -> PartRef {
        PartRef {
            record: self.records.start,
            part,
        }
    }
}

/// Proves an instance: its length and fingerprint. Gives its bytes when they are few.
pub(crate) async fn prove(
    env: &Arc<dyn Env>,
    segments: &mut Segments,
    segment: SegmentId,
    records: Range<u64>,
    expected: (Fingerprint, u64),
) -> Result<Option<Vec<u8>>, RebuildError> {
    let mut rebuild = Rebuild::begin(segments, segment, records).await?;
    let mut kept = (expected.1 <= SMALL_INSTANCE).then(Vec::new);
    let mut hasher = blake3::Hasher::new();
    while let Some(piece) = rebuild.next().await? {
        let cost = piece.len() as u64;
        let (hashed, piece) = work(&**env, cost, move || {
            hasher.update(&piece);
            (hasher, piece)
        })
        .await
        .map_err(|_| RebuildError::Corrupt("hashing ended by a bug"))?;
        hasher = hashed;
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&piece);
        }
    }
    let right =
        hasher.finalize().as_bytes() == expected.0.as_bytes() && rebuild.given == expected.1;
    #[cfg(feature = "mutants")]
    let right =
        right || karez_store::mutant::is_on(karez_store::mutant::Mutant::FingerprintUnproved);
    if right {
        Ok(kept)
    } else {
        Err(RebuildError::Fingerprint)
    }
}

/// Packed parts at hand while one is unpacked.
type AtHand = BTreeMap<PartRef, PackedPart>;

/// Unpacks one part with what is at hand; the part that is missing comes back.
struct Unpacking {
    unpacker: Unpacker,
    at_hand: AtHand,
    part: PackedPart,
    result: Result<Vec<u8>, karez_imaging::UnpackError<PartRef>>,
}

fn unpack(mut unpacker: Unpacker, at: PartRef, part: PackedPart, at_hand: AtHand) -> Unpacking {
    let mut fetch = |wanted: PartRef| at_hand.get(&wanted).cloned().ok_or(wanted);
    let result = unpacker.unpack(at, &part, &mut fetch);
    Unpacking {
        unpacker,
        at_hand,
        part,
        result,
    }
}

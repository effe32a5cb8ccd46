//! Parts of segments: where they are, their packed bytes, their raw bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use karez_host::Env;
use karez_host::env::{BoxFuture, work};
use karez_imaging::{CodecId, HEAD, PackedPart, PartRef, UnpackError, Unpacker};
use karez_protocol::id::SegmentId;
use karez_protocol::manifest::SegmentHead;
use karez_protocol::seal::{ChunkPlace, HubKeys, SegmentKey, Signed};
use karez_protocol::session::Link;
use karez_protocol::wire::decode;

use super::record::{Opened, refs};
use super::{AtHand, Reader, RebuildError, Unpacking, unpack};
use crate::limits::LINK_DEPTH;

/// Opened records that are kept.
const RECORDS_KEPT: usize = 32;
/// Keys of segments that are kept.
const KEYS_KEPT: usize = 64;
/// References lead back this far (`karez_imaging::CHAIN_MAX`).
const FETCHES_MAX: usize = karez_imaging::CHAIN_MAX;

/// Segments as one worker reads them. What it has unpacked of the last one helps with the next
/// instance.
pub(crate) struct Segments {
    env: Arc<dyn Env>,
    reader: Reader,
    ring: Arc<HubKeys>,
    keys: BTreeMap<SegmentId, Arc<SegmentKey>>,
    records: Vec<((SegmentId, u64), Arc<Opened>)>,
    unpacker: (SegmentId, Unpacker),
}

/// Where a part is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    record: u64,
    /// Among the record's parts; `None` for the head that stands in the record.
    index: Option<usize>,
}

impl Located {
    pub(super) const fn inline(record: u64) -> Self {
        let index = None;
        Self { record, index }
    }

    pub(super) const fn chunked(record: u64, index: usize) -> Self {
        let index = Some(index);
        Self { record, index }
    }
}

impl Segments {
    pub(crate) fn new(env: Arc<dyn Env>, reader: Reader, ring: Arc<HubKeys>) -> Self {
        Self {
            env,
            reader,
            ring,
            keys: BTreeMap::new(),
            records: Vec::new(),
            unpacker: (SegmentId([0; 16]), Unpacker::new()),
        }
    }

    /// Forgets what may have changed in the store.
    pub(crate) fn forget(&mut self) {
        self.records.clear();
        self.unpacker.1 = Unpacker::new();
    }

    /// A record, opened.
    pub(super) async fn record(
        &mut self,
        segment: SegmentId,
        number: u64,
    ) -> Result<Arc<Opened>, RebuildError> {
        let kept = self.records.iter().find(|(at, _)| *at == (segment, number));
        if let Some((_, record)) = kept {
            return Ok(record.clone());
        }
        let key = self.key(segment).await?;
        let bytes = self.reader.record(segment, number).await?;
        let record = Opened::open(&key, number, bytes)?;
        if self.records.len() >= RECORDS_KEPT {
            self.records.remove(0);
        }
        self.records.push(((segment, number), record.clone()));
        Ok(record)
    }

    /// The raw bytes of the part `at`, described at `located`.
    pub(super) async fn raw(
        &mut self,
        segment: SegmentId,
        at: PartRef,
        located: Located,
    ) -> Result<Vec<u8>, RebuildError> {
        if let Some((segment, record, index)) = self.linked(segment, located).await? {
            return self.raw_elsewhere(segment, record, index).await;
        }
        let mut unpacker = std::mem::take(&mut self.unpacker.1);
        if self.unpacker.0 != segment {
            unpacker = Unpacker::new();
            self.unpacker.0 = segment;
        }
        let (unpacker, raw) = self.unpack(segment, at, located, unpacker).await?;
        self.unpacker.1 = unpacker;
        Ok(raw)
    }

    /// The raw bytes of a part of another segment or instance, without disturbing the order in
    /// which the present one is unpacked.
    fn raw_elsewhere(
        &mut self,
        segment: SegmentId,
        record: u64,
        index: usize,
    ) -> BoxFuture<'_, Result<Vec<u8>, RebuildError>> {
        Box::pin(async move {
            let at = self.part_at(segment, record, index).await?;
            let located = Located::chunked(record, index);
            let unpacked = self.unpack(segment, at, located, Unpacker::new()).await?;
            Ok(unpacked.1)
        })
    }

    async fn unpack(
        &mut self,
        segment: SegmentId,
        at: PartRef,
        located: Located,
        mut unpacker: Unpacker,
    ) -> Result<(Unpacker, Vec<u8>), RebuildError> {
        let mut part = self.packed(segment, located).await?;
        let mut at_hand = AtHand::new();
        for _ in 0..=FETCHES_MAX {
            let cost = part.raw_len;
            let unpacking = work(&*self.env, cost, move || {
                unpack(unpacker, at, part, at_hand)
            });
            let done: Unpacking = unpacking
                .await
                .map_err(|_| RebuildError::Corrupt("unpacking ended by a bug"))?;
            let wanted = match done.result {
                Ok(raw) => return Ok((done.unpacker, raw)),
                Err(UnpackError::Fetch(wanted)) => wanted,
                Err(UnpackError::Corrupt(_)) => {
                    return Err(RebuildError::Corrupt("a packed part does not unpack"));
                }
                Err(UnpackError::Chain) => {
                    return Err(RebuildError::Corrupt("a part builds on too long a chain"));
                }
            };
            (unpacker, part, at_hand) = (done.unpacker, done.part, done.at_hand);
            let located = self.locate(segment, wanted).await?;
            at_hand.insert(wanted, self.packed(segment, located).await?);
        }
        Err(RebuildError::Corrupt("a part builds on too long a chain"))
    }

    /// The packed bytes of a part: out of its record, or its chunks opened.
    async fn packed(
        &mut self,
        segment: SegmentId,
        located: Located,
    ) -> Result<PackedPart, RebuildError> {
        let number = located.record;
        let record = self.record(segment, number).await?;
        let Some(index) = located.index else {
            let head = record.inline_head();
            return head.ok_or(RebuildError::Corrupt("a head is not where it should be"));
        };
        let described = record.body.parts_with_serials().nth(index);
        let (part, serials) =
            described.ok_or(RebuildError::Corrupt("a part is not where it should be"))?;
        let sealed = self.reader.chunks(segment, number, serials).await?;
        let (key, cost) = (self.key(segment).await?, part.packed_len);
        let place = ChunkPlace {
            record: record.place,
            part: u16::try_from(index).unwrap_or(u16::MAX),
            index: 0,
        };
        let opened = work(&*self.env, cost, move || open_all(&key, place, &sealed));
        let packed = opened
            .await
            .map_err(|_| RebuildError::Corrupt("opening ended by a bug"))??;
        Ok(PackedPart {
            codec: CodecId(part.codec),
            raw_len: part.raw_len,
            packed,
            refs: refs(&part.refs),
        })
    }

    /// Where a part is described, from its number in its instance.
    async fn locate(&mut self, segment: SegmentId, at: PartRef) -> Result<Located, RebuildError> {
        let first = self.record(segment, at.record).await?;
        let start = first.first_part();
        let start = start.ok_or(RebuildError::Corrupt("a reference leads to no instance"))?;
        if at.part < start {
            return Ok(Located::inline(at.record));
        }
        let mut index = (at.part - start) as usize;
        for number in at.record.. {
            let record = self.record(segment, number).await?;
            let here = record.body.parts.len();
            if index < here {
                return Ok(Located::chunked(number, index));
            }
            index -= here;
            if record.body.last {
                break;
            }
        }
        Err(RebuildError::Corrupt("a reference leads past its instance"))
    }

    /// The part that record `number` describes at `index`, as references name it.
    async fn part_at(
        &mut self,
        segment: SegmentId,
        number: u64,
        index: usize,
    ) -> Result<PartRef, RebuildError> {
        let (mut record, mut before) = (number, 0);
        loop {
            let opened = self.record(segment, record).await?;
            if record != number {
                before += opened.body.parts.len();
            }
            if let Some(first) = opened.first_part() {
                let part = first + u32::try_from(before + index).unwrap_or(u32::MAX - HEAD - 1);
                return Ok(PartRef { record, part });
            }
            record = record
                .checked_sub(1)
                .ok_or(RebuildError::Corrupt("a record belongs to no instance"))?;
        }
    }

    /// The place that a part is linked to, through however many links; `None` when its own
    /// chunks count.
    async fn linked(
        &mut self,
        segment: SegmentId,
        located: Located,
    ) -> Result<Option<(SegmentId, u64, usize)>, RebuildError> {
        let Some(mut index) = located.index else {
            return Ok(None);
        };
        let (mut segment, mut record, mut found) = (segment, located.record, None);
        for _ in 0..LINK_DEPTH {
            let links = self.reader.links(segment, record).await?;
            let here = |l: &&Link| l.record == record && l.part as usize == index;
            let Some(link) = links.iter().find(here) else {
                return Ok(found);
            };
            (segment, record, index) = (link.is.segment, link.is.record, link.is.part as usize);
            found = Some((segment, record, index));
        }
        Err(RebuildError::Corrupt(
            "links of repeated parts lead nowhere",
        ))
    }

    async fn key(&mut self, segment: SegmentId) -> Result<Arc<SegmentKey>, RebuildError> {
        if let Some(key) = self.keys.get(&segment) {
            return Ok(key.clone());
        }
        let broken = RebuildError::Corrupt("a stored head does not open");
        let bytes = self.reader.head(segment).await?;
        let signed: Signed = decode(&bytes).map_err(|_| broken.clone())?;
        let head = SegmentHead::read(&signed).map_err(|_| broken.clone())?;
        let key = Arc::new(head.key(&self.ring).map_err(|_| broken)?);
        if self.keys.len() >= KEYS_KEPT {
            self.keys.clear();
        }
        self.keys.insert(segment, key.clone());
        Ok(key)
    }
}

fn open_all(
    key: &SegmentKey,
    place: ChunkPlace,
    sealed: &[Vec<u8>],
) -> Result<Vec<u8>, RebuildError> {
    let mut packed = Vec::new();
    for (index, chunk) in (0..).zip(sealed) {
        let opened = key.open_chunk(ChunkPlace { index, ..place }, chunk);
        let opened = opened.map_err(|_| RebuildError::Corrupt("a stored chunk does not open"))?;
        packed.extend_from_slice(&opened);
    }
    Ok(packed)
}

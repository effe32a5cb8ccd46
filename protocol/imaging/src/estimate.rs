use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use crate::pack::{PackError, PackedItem, Packer};
use crate::part::{CodecId, HEAD, Level, PackedPart, PartRef};
use crate::plan::{Plan, plan};
use crate::source::ByteSource;
use crate::unpack::{UnpackError, Unpacker};

/// What packing takes and gives, of one instance or, added up, of many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Length of the instances.
    pub bytes: u64,
    /// Packed bytes, without what sealing adds.
    pub packed_bytes: u64,
    /// Of these, those of the heads.
    pub head_bytes: u64,
    /// Parts, with the heads.
    pub parts: u64,
    /// Raw bytes by the codec that took them; the one with the most is [`codec`](Self::codec).
    pub raw_by_codec: BTreeMap<CodecId, u64>,
    /// Seconds spent packing, every attempt included; the proof is an unpacking and counts there.
    pub pack_secs: f64,
    /// Seconds spent unpacking.
    pub unpack_secs: f64,
    /// Every part that was unpacked came back as it was; all are, but for one that builds on a part
    /// 64 MiB of packed parts ago.
    pub exact: bool,
}

impl Estimate {
    /// Raw bytes per packed byte.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.bytes as f64 / (self.packed_bytes as f64).max(1.0)
    }

    /// The codec of the most raw bytes.
    #[must_use]
    pub fn codec(&self) -> CodecId {
        let most = self.raw_by_codec.iter().max_by_key(|&(_, raw)| raw);
        most.map_or(CodecId::STORED, |(&codec, _)| codec)
    }

    /// Adds another one, for totals.
    pub fn add(&mut self, other: &Self) {
        self.exact = other.exact && (self.exact || self.parts == 0);
        self.bytes += other.bytes;
        self.packed_bytes += other.packed_bytes;
        self.head_bytes += other.head_bytes;
        self.parts += other.parts;
        self.pack_secs += other.pack_secs;
        self.unpack_secs += other.unpack_secs;
        for (&codec, raw) in &other.raw_by_codec {
            *self.raw_by_codec.entry(codec).or_default() += raw;
        }
    }
}

/// Packs and unpacks instances as one segment would, and keeps only the figures.
pub struct Estimator<'c> {
    packer: Packer,
    unpacker: Unpacker,
    sent: Sent,
    records: u64,
    clock: &'c dyn Fn() -> Duration,
}

/// The latest packed parts, for an unpacker that no longer has what one builds on.
#[derive(Default)]
struct Sent {
    parts: VecDeque<(PartRef, PackedPart)>,
    bytes: usize,
}

/// Bytes of packed parts that are kept.
const SENT_MAX: usize = 64 << 20;

impl<'c> Estimator<'c> {
    /// One for one study. `clock` is the time since any fixed moment.
    #[must_use]
    pub fn new(level: Level, clock: &'c dyn Fn() -> Duration) -> Self {
        Self {
            packer: Packer::new(level),
            unpacker: Unpacker::new(),
            sent: Sent::default(),
            records: 0,
            clock,
        }
    }

    /// The figures of the study's next instance.
    ///
    /// # Errors
    /// Those of the source.
    pub fn add(&mut self, source: &dyn ByteSource) -> io::Result<Estimate> {
        self.add_seen(source, &mut |_, _, _| ())
    }

    /// As [`add`](Self::add), and shows each part to `seen`, with its number, the head first.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_seen(
        &mut self,
        source: &dyn ByteSource,
        seen: &mut dyn FnMut(&Plan, u32, &PackedPart),
    ) -> io::Result<Estimate> {
        let Self {
            packer,
            unpacker,
            sent,
            records,
            clock,
        } = self;
        let mut sum = Estimate {
            bytes: source.len(),
            exact: true,
            ..Estimate::default()
        };
        *records += 1;
        let start = clock();
        let plan = plan(source)?;
        let mut check = |item: PackedItem<'_>| -> Result<(), ()> {
            let before = clock();
            let at = PartRef {
                record: *records,
                part: item.part,
            };

            let raw = unpacker.unpack(at, &item.packed, &mut |base| sent.get(base));
            sum.exact &= match raw {
                Ok(raw) => raw == item.raw,
                Err(UnpackError::Fetch(TooOld)) => true,
                Err(UnpackError::Corrupt(_) | UnpackError::Chain) => false,
            };
            sum.unpack_secs += (clock() - before).as_secs_f64();
            sum.count(item.part, &item.packed);
            seen(&plan, item.part, &item.packed);
            sent.push(at, item.packed);
            Ok(())
        };
        match packer.pack(*records, source, &plan, &mut check) {
            Err(PackError::Read(error)) => return Err(error),
            Ok(()) | Err(PackError::Out(())) => {}
        }
        sum.pack_secs = ((clock() - start).as_secs_f64() - 2.0 * sum.unpack_secs).max(0.0);
        Ok(sum)
    }
}

/// A part is no longer kept.
struct TooOld;

impl Sent {
    fn get(&self, at: PartRef) -> Result<PackedPart, TooOld> {
        let found = self.parts.binary_search_by_key(&at, |(known, _)| *known);
        let found = found.ok().and_then(|at| self.parts.get(at));
        found.map(|(_, part)| part.clone()).ok_or(TooOld)
    }

    fn push(&mut self, at: PartRef, part: PackedPart) {
        self.bytes += part.packed.len();
        self.parts.push_back((at, part));
        while self.bytes > SENT_MAX {
            let Some((_, oldest)) = self.parts.pop_front() else {
                break;
            };
            self.bytes -= oldest.packed.len();
        }
    }
}

impl Estimate {
    fn count(&mut self, part: u32, packed: &PackedPart) {
        let len = packed.packed.len() as u64;
        self.parts += 1;
        self.packed_bytes += len;
        if part == HEAD {
            self.head_bytes += len;
        } else {
            *self.raw_by_codec.entry(packed.codec).or_default() += packed.raw_len;
        }
    }
}

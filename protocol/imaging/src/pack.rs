use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;

use crate::codec::{self, Job, State};
use crate::part::{CHAIN_MAX, CodecId, Codecs, HEAD, Level, PackedPart, PartRef};
use crate::plan::{Layout, Pixels, Plan};
use crate::source::{ByteSource, read_range};

/// Chains kept at a time: the head's, and those of a few shapes of pixel data.
const CHAINS_MAX: usize = 6;
/// Bytes of their states, roughly, beside the newest.
const CHAINS_WEIGHT_MAX: usize = 16 << 20;

/// Packs the instances of one segment. It keeps what the next instance can build on, within bounds.
pub struct Packer {
    level: Level,
    codecs: Codecs,
    chains: Vec<Chain>,
}

/// One part, ready to be sealed.
pub struct PackedItem<'a> {
    /// [`HEAD`], or 1 + the index in [`Plan::parts`].
    pub part: u32,
    /// The part's raw bytes.
    pub raw: &'a [u8],
    /// Proven to unpack to `raw`.
    pub packed: PackedPart,
}

/// Why an instance was not packed to its end.
#[derive(Debug, Error)]
pub enum PackError<E> {
    /// The source failed.
    #[error("the instance cannot be read")]
    Read(#[from] io::Error),
    /// The taker of the parts failed.
    #[error("a packed part was not taken")]
    Out(E),
}

struct Chain {
    kind: Kind,
    codec: CodecId,
    last: PartRef,
    depth: usize,
    state: State,
}

/// Image codecs that reach this ratio may still lose to zstd: flat, synthetic pictures.
const ZSTD_ABOVE: usize = 8;
/// Parts below this many bytes are tried with every codec.
const SMALL: usize = 64 << 10;

/// Which parts can build on each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Bytes,
    Fragments,
    Pixels(Pixels),
}

/// A packing of one part, not proven yet.
struct Attempt<'a> {
    codec: CodecId,
    packed: Vec<u8>,
    chain: Option<&'a Chain>,
}

/// A proven packing of one part.
struct Proven {
    codec: CodecId,
    packed: Vec<u8>,
    state: Option<State>,
    after: Option<(PartRef, usize)>,
}

impl Packer {
    /// A packer for one segment.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self {
            level,
            codecs: Codecs::KNOWN,
            chains: Vec::new(),
        }
    }

    /// Packs the parts to come with these codecs only: those that the receiver reads.
    pub fn set_codecs(&mut self, codecs: Codecs) {
        self.codecs = codecs;
    }

    /// Changes the level for the parts to come.
    pub fn set_level(&mut self, level: Level) {
        if level != self.level {
            self.level = level;
            self.chains.retain(|chain| chain.kind == Kind::Head);
        }
    }

    /// Forgets the earlier instances: nothing packed from now on refers to them.
    pub fn forget(&mut self) {
        self.chains.clear();
    }

    /// Packs one instance: the head first, then each part in order, one at a time.
    ///
    /// `record` is the caller's number of the instance, larger than the ones before; references
    /// name it. After an error the packer has forgotten the earlier instances.
    ///
    /// # Errors
    /// The source's, and those that `out` returns.
    pub fn pack<E>(
        &mut self,
        record: u64,
        source: &dyn ByteSource,
        plan: &Plan,
        out: &mut dyn FnMut(PackedItem<'_>) -> Result<(), E>,
    ) -> Result<(), PackError<E>> {
        self.pack_where(record, source, plan, &mut |_, _| false, out)
    }

    /// As [`pack`](Self::pack), but no later part will refer to a part for which `alone` is true:
    /// for parts that the receiver may hold already, so that they are never sent.
    ///
    /// # Errors
    /// As [`pack`](Self::pack).
    pub fn pack_where<E>(
        &mut self,
        record: u64,
        source: &dyn ByteSource,
        plan: &Plan,
        alone: &mut dyn FnMut(PartRef, &[u8]) -> bool,
        out: &mut dyn FnMut(PackedItem<'_>) -> Result<(), E>,
    ) -> Result<(), PackError<E>> {
        let taken = (HEAD..)
            .zip(0..=plan.parts.len())
            .try_for_each(|(part, _)| {
                let at = PartRef { record, part };
                let (raw, packed) = self.pack_one(at, source, plan, &mut |raw| alone(at, raw))?;
                let raw = &raw;
                out(PackedItem { part, raw, packed }).map_err(PackError::Out)
            });
        if taken.is_err() {
            self.forget();
        }
        taken
    }

    /// Packs one part of an instance and gives it with its raw bytes: one step of
    /// [`pack_where`](Self::pack_where), for callers that pause in between. The parts of an
    /// instance come in order, the head first; nothing comes of a part that the plan lacks.
    ///
    /// # Errors
    /// The source's; the packer has forgotten the earlier instances then.
    pub fn pack_one(
        &mut self,
        at: PartRef,
        source: &dyn ByteSource,
        plan: &Plan,
        alone: &mut dyn FnMut(&[u8]) -> bool,
    ) -> io::Result<(Vec<u8>, PackedPart)> {
        let read = read_part(source, plan, at.part);
        let (raw, layout) = read.inspect_err(|_| self.forget())?;
        let (kind, alone) = match at.part {
            HEAD => (Kind::Head, false),
            _ => (kind(layout), alone(&raw)),
        };
        let packed = self.pack_part(at, kind, layout, &raw, alone);
        Ok((raw, packed))
    }

    fn pack_part(
        &mut self,
        at: PartRef,
        kind: Kind,
        layout: Layout,
        raw: &[u8],
        alone: bool,
    ) -> PackedPart {
        let is_head = kind == Kind::Head;
        let job = Job {
            raw,
            layout,
            level: self.level,
            is_head,
        };
        let usable = |c: &&Chain| c.kind == kind && !alone && c.depth < CHAIN_MAX;
        let usable: Vec<&Chain> = self.chains.iter().filter(usable).collect();
        let best = attempts(&job, self.codecs, &usable)
            .into_iter()
            .filter(|attempt| attempt.packed.len() < raw.len())
            .find_map(|attempt| attempt.prove(raw))
            .unwrap_or_else(|| stored(raw));
        let refs = best.after.iter().map(|&(last, _)| last).collect();
        if let (Some(state), false) = (best.state, alone) {
            let depth = best.after.map_or(1, |(_, depth)| depth + 1);
            self.keep(Chain {
                kind,
                codec: best.codec,
                last: at,
                depth,
                state,
            });
        }
        PackedPart {
            codec: best.codec,
            raw_len: raw.len() as u64,
            packed: best.packed,
            refs,
        }
    }

    fn keep(&mut self, chain: Chain) {
        self.chains
            .retain(|old| (old.kind, old.codec) != (chain.kind, chain.codec));
        self.chains.insert(0, chain);
        self.chains.truncate(CHAINS_MAX);
        let mut weight = 0;
        self.chains.retain(|chain| {
            let before = weight;
            weight += if chain.kind == Kind::Head {
                0
            } else {
                chain.state.weight()
            };
            chain.kind == Kind::Head || before <= CHAINS_WEIGHT_MAX
        });
    }
}

fn read_part(source: &dyn ByteSource, plan: &Plan, part: u32) -> io::Result<(Vec<u8>, Layout)> {
    if part == HEAD {
        let head = &plan.head;
        let mut raw = read_range(source, 0, head.prefix_len)?;
        let suffix = head.suffix.end - head.suffix.start;
        raw.append(&mut read_range(source, head.suffix.start, suffix)?);
        return Ok((raw, Layout::Opaque));
    }
    let piece = plan.parts.get(part as usize - 1);
    let piece = piece.ok_or(io::ErrorKind::InvalidInput)?;
    Ok((read_range(source, piece.start, piece.len)?, piece.layout))
}

fn kind(layout: Layout) -> Kind {
    match layout {
        Layout::Opaque => Kind::Bytes,
        Layout::Fragments => Kind::Fragments,
        Layout::Native { pixels, .. } => Kind::Pixels(Pixels {
            big: false,
            ..pixels
        }),
    }
}

/// The codecs made for the layout.
fn image_codecs(job: &Job<'_>) -> &'static [CodecId] {
    let Layout::Native { pixels, .. } = job.layout else {
        return match (job.layout, job.level) {
            (Layout::Fragments, Level::Fast) => &[CodecId::LEPTON],
            (Layout::Fragments, _) => &[CodecId::DCT, CodecId::LOSSLESS, CodecId::LEPTON],
            _ => &[],
        };
    };
    match (pixels.samples, pixels.bytes, job.level) {
        (1, 1 | 2, Level::Fast) => &[CodecId::FAST],
        (1, 1 | 2, _) => &[CodecId::GRAY],
        (3, 1, Level::Mid | Level::Best) => &[CodecId::COLOUR],
        (_, 1, _) => &[],
        _ => &[CodecId::WORDS],
    }
}

fn stored(raw: &[u8]) -> Proven {
    Proven {
        codec: CodecId::STORED,
        packed: raw.to_vec(),
        state: None,
        after: None,
    }
}

/// The packings worth comparing, the smallest first.
fn attempts<'a>(job: &Job<'_>, codecs: Codecs, chains: &[&'a Chain]) -> Vec<Attempt<'a>> {
    let chain = |codec| chains.iter().find(|c| c.codec == codec).copied();
    let attempt = |codec, chain| {
        let allowed = codecs.has(codec);
        allowed.then(|| Attempt::new(codec, job, chain)).flatten()
    };
    let mut found = Vec::new();
    let mut starts = false;
    for &codec in image_codecs(job) {
        // What lepton takes and the coefficients' own codec takes as well, that does better.
        if codec == CodecId::LEPTON && !found.is_empty() {
            continue;
        }
        let next = chain(codec).and_then(|chain| attempt(codec, Some(chain)));
        starts |= next.is_none();
        found.extend(next.or_else(|| attempt(codec, None)));
    }
    let shrinks = |a: &Attempt<'_>| a.packed.len() * ZSTD_ABOVE > job.raw.len();
    // Pictures of few colours can repeat what only zstd finds, cines what was there long ago.
    let may_repeat = match job.layout {
        Layout::Native { pixels, .. } => starts && pixels.bytes == 1,
        Layout::Fragments => starts || found.is_empty(),
        Layout::Opaque => true,
    };
    if job.raw.len() < SMALL || may_repeat || !found.iter().any(shrinks) {
        let best = found.iter().map(|a: &Attempt<'_>| a.packed.len()).min();
        let may_win = |codec, chain| best.is_none_or(|best| scout(codec, job, chain, best));
        let zstd = chain(CodecId::ZSTD);
        // Counters and test patterns: every difference the same.
        let model = |a: &Attempt<'_>| matches!(a.codec, CodecId::GRAY | CodecId::FAST);
        let words = found.iter().any(model);
        if may_win(CodecId::ZSTD, zstd) {
            found.extend(attempt(CodecId::ZSTD, zstd));
        }
        if words && may_win(CodecId::WORDS, None) {
            found.extend(attempt(CodecId::WORDS, None));
        }
    }
    found.sort_by_key(|attempt| attempt.packed.len());
    found
}

/// Whether zstd at full effort may come out below `best`: by what it makes of a large part in
/// passing. More effort gave a quarter on pictures, for fifty times the time.
fn scout(codec: CodecId, job: &Job<'_>, chain: Option<&Chain>, best: usize) -> bool {
    let passing = Job {
        level: Level::Fast,
        ..*job
    };
    let seen = || Attempt::new(codec, &passing, chain);
    job.raw.len() < SMALL || seen().is_some_and(|a| a.packed.len() * 5 < best * 7)
}

impl<'a> Attempt<'a> {
    fn new(codec: CodecId, job: &Job<'_>, chain: Option<&'a Chain>) -> Option<Self> {
        let encode = || codec::encode(codec, job, chain.map(|c| &c.state));
        let packed = catch_unwind(AssertUnwindSafe(encode)).ok().flatten()?;
        Some(Self {
            codec,
            packed,
            chain,
        })
    }

    /// Unpacks and compares; a difference, an error or a panic is no packing.
    /// The state that goes on is the decoder's, which never saw the raw bytes.
    fn prove(self, raw: &[u8]) -> Option<Proven> {
        let Self {
            codec,
            packed,
            chain,
        } = self;
        let before = chain.map(|c| c.state.clone());
        let decode = || codec::decode(codec, &packed, raw.len() as u64, before);
        let (back, state) = catch_unwind(AssertUnwindSafe(decode)).ok()?.ok()?;
        let after = chain.map(|c| (c.last, c.depth));
        (back == raw).then_some(Proven {
            codec,
            packed,
            state,
            after,
        })
    }
}

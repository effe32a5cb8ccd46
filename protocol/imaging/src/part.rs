use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A packed part is at most this long, in bytes.
pub const PART_PACKED_MAX: usize = 4 << 20;
/// A part's raw bytes are at most this many.
pub const PART_RAW_MAX: usize = 32 << 20;
/// The part number of an instance's head; the parts of its plan follow as 1, 2, ...
pub const HEAD: u32 = 0;
/// A part and the parts that it builds on, one after the other, are at most this many.
pub const CHAIN_MAX: usize = 16;

/// Which decoder restores a part. A number never changes its meaning: a new stream is a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodecId(pub u8);

impl CodecId {
    /// The raw bytes as they are.
    pub const STORED: Self = Self(0);
    /// A zstd frame; the window starts with raw bytes of the referenced part.
    pub const ZSTD: Self = Self(1);
    /// Native samples of one channel, version 1.
    pub const GRAY: Self = Self(2);
    /// Native samples of one channel, fast, version 1.
    pub const FAST: Self = Self(3);
    /// Native 8-bit pixels of three samples, version 1.
    pub const COLOUR: Self = Self(4);
    /// JPEG files inside fragments, as lepton_jpeg 0.5 packs them.
    pub const LEPTON: Self = Self(5);
    /// JPEG lossless (process 14) frames as samples, version 1.
    pub const LOSSLESS: Self = Self(6);
    /// Sequential JPEG frames as their coefficients, version 1.
    pub const DCT: Self = Self(7);
    /// Differences of samples of any width by zstd, version 1.
    pub const WORDS: Self = Self(8);

    /// A short name for tables and status lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::STORED => "stored",
            Self::ZSTD => "zstd",
            Self::GRAY => "gray",
            Self::FAST => "fast",
            Self::COLOUR => "colour",
            Self::LEPTON => "lepton",
            Self::LOSSLESS => "lossless",
            Self::DCT => "dct",
            Self::WORDS => "words",
            _ => "unknown",
        }
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of codecs of numbers below 64. That of [`CodecId::STORED`] is in every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codecs(u64);

impl Codecs {
    /// Those of the first version: what a hub reads that says nothing of it.
    pub const FIRST: Self = Self(0x1ff);
    /// All that this program packs and unpacks.
    pub const KNOWN: Self = Self(0x1ff);

    /// These numbers; those of which this program knows nothing are left out.
    #[must_use]
    pub fn of(numbers: &[u8]) -> Self {
        let known = numbers.iter().filter(|n| Self::KNOWN.has(CodecId(**n)));
        Self(known.fold(1, |bits, n| bits | 1 << n))
    }

    /// Whether a codec is in.
    #[must_use]
    pub const fn has(self, codec: CodecId) -> bool {
        codec.0 < 64 && self.0 >> codec.0 & 1 == 1
    }

    /// Their numbers, ascending.
    #[must_use]
    pub fn numbers(self) -> Vec<u8> {
        (0..64).filter(|n| self.has(CodecId(*n))).collect()
    }
}

/// One part of one instance of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartRef {
    /// The number that the caller gave the instance in [`Packer::pack`](crate::Packer::pack).
    pub record: u64,
    /// [`HEAD`], or 1 + the index in [`Plan::parts`](crate::Plan::parts).
    pub part: u32,
}

/// A part as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedPart {
    /// The decoder.
    pub codec: CodecId,
    /// Length of the raw bytes, at most [`PART_RAW_MAX`].
    pub raw_len: u64,
    /// The stream, at most [`PART_PACKED_MAX`] bytes.
    pub packed: Vec<u8>,
    /// The part that must be unpacked just before this one: none, or one earlier part of the
    /// segment, which can have one of its own, and so on up to [`CHAIN_MAX`] parts.
    pub refs: Vec<PartRef>,
}

/// How much CPU a byte on the link is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// At least 60 MB/s a core.
    Fast,
    /// About 10 MB/s a core: the default.
    #[default]
    Mid,
    /// About 4 MB/s a core, the fewest bytes: for links below a few Mbit/s.
    Best,
}

/// Links up to this many bits a second are fed by one core at `mid`, proof included.
const MID_FEEDS: u64 = 10_000_000;
/// And at `best` by a core of an eighth of that speed: it would only wait for the link.
const BEST_FEEDS: u64 = 512_000;

impl Level {
    /// The level that one core packs at without holding a link of so many bits a second up, by
    /// what is known beforehand: `mid`, `best` on thin links, `fast` on rich ones.
    #[must_use]
    pub fn for_link(bits_per_s: u64) -> Self {
        match bits_per_s {
            thin if thin <= BEST_FEEDS => Self::Best,
            most if most <= MID_FEEDS => Self::Mid,
            _ => Self::Fast,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fast => "fast",
            Self::Mid => "mid",
            Self::Best => "best",
        })
    }
}

/// A level is `fast`, `mid` or `best`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown level; use fast, mid or best")]
pub struct UnknownLevel;

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(s: &str) -> Result<Self, UnknownLevel> {
        match s {
            "fast" => Ok(Self::Fast),
            "mid" => Ok(Self::Mid),
            "best" => Ok(Self::Best),
            _ => Err(UnknownLevel),
        }
    }
}

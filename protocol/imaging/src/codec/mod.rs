//! The codecs behind one door. A codec may build on the state that its predecessor part left.
pub(crate) mod bytes;
mod colour;
mod dct;
mod fast;
mod gray;
mod lepton;
mod logistic;
mod lossless;
mod map;
mod model;
mod range;
mod samples;
mod scan;
mod varint;
mod words;

use thiserror::Error;

use crate::part::{CodecId, Level, PART_PACKED_MAX, PART_RAW_MAX};
use crate::plan::Layout;

/// The stream is not one that this codec wrote, or it builds on another part than the one given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a packed part does not unpack: it is damaged, or its predecessor is not the right one")]
pub struct Corrupt;

/// What a part leaves for the next one of its chain.
#[derive(Clone)]
pub(crate) enum State {
    /// Raw bytes (`ZSTD`).
    Bytes(Vec<u8>),
    /// Models and frames (`GRAY`).
    Gray(Box<gray::Gray>),
    /// Models and frames (`COLOUR`).
    Colour(Box<colour::Colour>),
    /// Models and a frame (`DCT`).
    Dct(Box<dct::Dct>),
}

impl State {
    /// Bytes of memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Bytes(window) => window.len(),
            Self::Gray(gray) => gray.weight(),
            Self::Colour(colour) => colour.weight(),
            Self::Dct(dct) => dct.weight(),
        }
    }
}

/// What an encoder is given beside the state.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) layout: Layout,
    pub(crate) level: Level,
    pub(crate) is_head: bool,
}

/// The packed bytes; nothing when the codec does not fit these.
pub(crate) fn encode(codec: CodecId, job: &Job<'_>, state: Option<&State>) -> Option<Vec<u8>> {
    match (codec, state) {
        (CodecId::ZSTD, _) => {
            let level = if job.is_head {
                19
            } else {
                bytes::level(job.level)
            };
            let window = match state {
                Some(State::Bytes(window)) => window.as_slice(),
                Some(_) => return None,
                None => &[],
            };
            bytes::encode(job.raw, window, level)
        }
        (CodecId::LEPTON, None) if job.layout == Layout::Fragments => lepton::encode(job.raw),
        (CodecId::LOSSLESS, state) if job.layout == Layout::Fragments => {
            lossless::encode(job.raw, job.level, state)
        }
        (CodecId::DCT, state) if job.layout == Layout::Fragments => match state {
            Some(State::Dct(state)) => dct::encode(job.raw, Some(state)),
            Some(_) => None,
            None => dct::encode(job.raw, None),
        },
        (CodecId::WORDS, None) => match job.layout {
            Layout::Native { pixels, .. } => words::encode(job.raw, &pixels, job.level),
            _ => None,
        },
        (CodecId::FAST, None) => match job.layout {
            Layout::Native { pixels, .. } => fast::encode(job.raw, &pixels),
            _ => None,
        },
        (CodecId::GRAY, state) => {
            let Layout::Native { pixels, first_row } = job.layout else {
                return None;
            };
            let state = match state {
                Some(State::Gray(gray)) => Some(&**gray),
                Some(_) => return None,
                None => None,
            };
            gray::encode(job.raw, &pixels, first_row, job.level, state)
        }
        (CodecId::COLOUR, state) => {
            let Layout::Native { pixels, first_row } = job.layout else {
                return None;
            };
            let state = match state {
                Some(State::Colour(colour)) => Some(&**colour),
                Some(_) => return None,
                None => None,
            };
            colour::encode(job.raw, &pixels, first_row, job.level, state)
        }
        _ => None,
    }
}

/// The raw bytes, and the state for the next part of the chain.
pub(crate) fn decode(
    codec: CodecId,
    packed: &[u8],
    raw_len: u64,
    state: Option<State>,
) -> Result<(Vec<u8>, Option<State>), Corrupt> {
    let raw_len = usize::try_from(raw_len).map_err(|_| Corrupt)?;
    if raw_len > PART_RAW_MAX || packed.len() > PART_PACKED_MAX {
        return Err(Corrupt);
    }
    match (codec, state) {
        (CodecId::STORED, None) if packed.len() == raw_len => Ok((packed.to_vec(), None)),
        (CodecId::ZSTD, state) => {
            let window = match state {
                Some(State::Bytes(window)) => window,
                None => Vec::new(),
                Some(_) => return Err(Corrupt),
            };
            let raw = bytes::decode(packed, &window, raw_len)?;
            let window = bytes::slide(window, &raw);
            Ok((raw, Some(State::Bytes(window))))
        }
        (CodecId::LEPTON, None) => Ok((lepton::decode(packed, raw_len)?, None)),
        (CodecId::LOSSLESS, state) => {
            let (raw, state) = lossless::decode(packed, raw_len, state)?;
            Ok((raw, Some(state)))
        }
        (CodecId::DCT, state) => {
            let state = match state {
                Some(State::Dct(dct)) => Some(*dct),
                None => None,
                Some(_) => return Err(Corrupt),
            };
            let (raw, dct) = dct::decode(packed, raw_len, state)?;
            Ok((raw, Some(State::Dct(Box::new(dct)))))
        }
        (CodecId::WORDS, None) => Ok((words::decode(packed, raw_len)?, None)),
        (CodecId::FAST, None) => Ok((fast::decode(packed, raw_len)?, None)),
        (CodecId::GRAY, state) => {
            let state = match state {
                Some(State::Gray(gray)) => Some(*gray),
                None => None,
                Some(_) => return Err(Corrupt),
            };
            let (raw, gray) = gray::decode(packed, raw_len, state)?;
            Ok((raw, Some(State::Gray(Box::new(gray)))))
        }
        (CodecId::COLOUR, state) => {
            let state = match state {
                Some(State::Colour(colour)) => Some(*colour),
                None => None,
                Some(_) => return Err(Corrupt),
            };
            let (raw, colour) = colour::decode(packed, raw_len, state)?;
            Ok((raw, Some(State::Colour(Box::new(colour)))))
        }
        _ => Err(Corrupt),
    }
}

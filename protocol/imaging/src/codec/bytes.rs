//! Codec `ZSTD`: for heads and for everything that no image codec takes.
use zstd::zstd_safe::{CCtx, CParameter, DCtx};

use super::Corrupt;
use crate::part::Level;

/// Raw bytes of earlier parts that the next one can copy from.
pub(crate) const WINDOW_MAX: usize = 4 << 20;

/// One zstd frame without content size; `window` is its raw-content prefix.
pub(crate) fn encode(raw: &[u8], window: &[u8], level: i32) -> Option<Vec<u8>> {
    let mut context = CCtx::try_create()?;
    let set = |context: &mut CCtx<'_>, p| context.set_parameter(p).ok().map(drop);
    set(&mut context, CParameter::CompressionLevel(level))?;
    set(&mut context, CParameter::ContentSizeFlag(false))?;
    if raw.len() + window.len() > 1 << 20 {
        set(&mut context, CParameter::WindowLog(23))?;
        set(&mut context, CParameter::HashLog(21))?;
        set(&mut context, CParameter::ChainLog(22))?;
        set(&mut context, CParameter::EnableLongDistanceMatching(true))?;
    }
    context.ref_prefix(window).ok()?;
    let mut packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(raw.len()));
    context.compress2(&mut packed, raw).ok()?;
    Some(packed)
}

/// Never writes beyond `raw_len`, whatever the frame says.
pub(crate) fn decode(packed: &[u8], window: &[u8], raw_len: usize) -> Result<Vec<u8>, Corrupt> {
    let mut context = DCtx::try_create().ok_or(Corrupt)?;
    context.ref_prefix(window).map_err(|_| Corrupt)?;
    let mut raw = Vec::with_capacity(raw_len);
    context.decompress(&mut raw, packed).map_err(|_| Corrupt)?;
    if raw.len() == raw_len {
        Ok(raw)
    } else {
        Err(Corrupt)
    }
}

/// The window for the part after `raw`.
pub(crate) fn slide(mut window: Vec<u8>, raw: &[u8]) -> Vec<u8> {
    let new = &raw[raw.len().saturating_sub(WINDOW_MAX)..];
    let keep = WINDOW_MAX - new.len();
    window.drain(..window.len().saturating_sub(keep));
    window.extend_from_slice(new);
    window
}

pub(crate) fn level(level: Level) -> i32 {
    match level {
        Level::Fast => 3,
        Level::Mid => 12,
        Level::Best => 19,
    }
}

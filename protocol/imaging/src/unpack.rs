use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;

use crate::codec::{self, Corrupt, State};
use crate::part::{CHAIN_MAX, PackedPart, PartRef};

/// Bytes of codec state that an unpacker keeps.
const CACHE_MAX: usize = 48 << 20;
const CACHED_MAX: usize = 8;

/// Restores the parts of one segment, in any order; in order it does no work twice.
#[derive(Default)]
pub struct Unpacker {
    /// States by the part that left them, the latest last.
    cache: Vec<(PartRef, State)>,
}

/// Why a part was not restored.
#[derive(Debug, Error)]
pub enum UnpackError<E> {
    /// A part that this one builds on could not be had.
    #[error("a part that this one builds on is not there")]
    Fetch(E),
    /// The stream is damaged or hostile.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// References that do not lead back to a beginning within the bound.
    #[error("the references of a part are not a chain of at most 16 earlier parts")]
    Chain,
}

impl Unpacker {
    /// An unpacker for one segment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The raw bytes of the part at `at`. `fetch` gives an earlier packed part; it is asked only
    /// for those whose result is not at hand, at most 15.
    ///
    /// Neither time nor memory exceed what the parts' `raw_len` and the constant bounds imply.
    ///
    /// # Errors
    /// When a part is damaged, missing, or refers to a wrong one.
    pub fn unpack<E>(
        &mut self,
        at: PartRef,
        part: &PackedPart,
        fetch: &mut dyn FnMut(PartRef) -> Result<PackedPart, E>,
    ) -> Result<Vec<u8>, UnpackError<E>> {
        let mut before: Vec<(PartRef, PackedPart)> = Vec::new();
        let mut state = None;
        loop {
            let (above, refs) = before
                .last()
                .map_or((at, &part.refs), |(r, p)| (*r, &p.refs));
            let &[next] = refs.as_slice() else {
                if refs.is_empty() {
                    break;
                }
                return Err(UnpackError::Chain);
            };
            if next >= above || before.len() + 1 >= CHAIN_MAX {
                return Err(UnpackError::Chain);
            }
            if let Some(found) = self.cache.iter().position(|(r, _)| *r == next) {
                state = Some(self.cache.remove(found).1);
                break;
            }
            before.push((next, fetch(next).map_err(UnpackError::Fetch)?));
        }
        for (_, part) in before.iter().rev() {
            let (_, left) = decode(part, state)?;
            state = Some(left.ok_or(UnpackError::Chain)?);
        }
        let (raw, left) = decode(part, state)?;
        if let Some(state) = left {
            self.keep(at, state);
        }
        Ok(raw)
    }

    fn keep(&mut self, at: PartRef, state: State) {
        self.cache.retain(|(r, _)| *r != at);
        self.cache.push((at, state));
        while self.cache.len() > CACHED_MAX
            || self.cache.iter().map(|(_, s)| s.weight()).sum::<usize>() > CACHE_MAX
        {
            self.cache.remove(0);
        }
    }
}

/// A panic in a codec is a damaged part, too.
fn decode(part: &PackedPart, state: Option<State>) -> Result<(Vec<u8>, Option<State>), Corrupt> {
    let decode = || codec::decode(part.codec, &part.packed, part.raw_len, state);
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(Corrupt))
}

use std::io;

use crate::source::ByteSource;

const WINDOW: usize = 16 << 10;

/// Reads small fields anywhere in a source through one buffer.
pub(super) struct Cursor<'a> {
    source: &'a dyn ByteSource,
    len: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a dyn ByteSource) -> Self {
        Self {
            source,
            len: source.len(),
            window: Vec::new(),
            window_at: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The `n` bytes at `at` (`n` at most the window), or nothing when they are not all there.
    pub(super) fn bytes(&mut self, at: u64, n: usize) -> io::Result<Option<&[u8]>> {
        let Some(end) = at
            .checked_add(n as u64)
            .filter(|&end| end <= self.len && n <= WINDOW)
        else {
            return Ok(None);
        };
        if at < self.window_at || end > self.window_at + self.window.len() as u64 {
            let size = (self.len - at).min(WINDOW as u64) as usize;
            self.window.resize(size, 0);
            self.window_at = at;
            if let Err(error) = self.source.read_at(at, &mut self.window) {
                self.window.clear();
                return Err(error);
            }
        }
        let start = (at - self.window_at) as usize;
        Ok(self.window.get(start..start + n))
    }

    pub(super) fn array<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        Ok(self.bytes(at, N)?.and_then(|b| b.try_into().ok()))
    }
}

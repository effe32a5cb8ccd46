//! A page of a file: at hand, or put away so that a world of many gigabytes fits into memory.

use std::sync::Arc;

pub(super) const PAGE: usize = 4096;

/// Keeps pages that are seldom read. Whatever was put must come back until it is freed.
pub trait Cold: Send + Sync {
    /// Puts a page away; `None` when there is no room: it then stays at hand.
    fn put(&self, page: &[u8; PAGE]) -> Option<u64>;

    /// A page that was put away.
    fn get(&self, at: u64) -> [u8; PAGE];

    /// A page is needed no more.
    fn free(&self, at: u64);
}

/// Clones are the same page until one is written.
#[derive(Clone)]
pub(super) enum Page {
    Hot(Arc<[u8; PAGE]>),
    Away(Arc<Slot>),
}

/// A place in the cold; it is freed with the last page that is there.
pub(super) struct Slot {
    cold: Arc<dyn Cold>,
    at: u64,
}

impl Page {
    pub(super) fn zeros() -> Self {
        Self::Hot(Arc::new([0; PAGE]))
    }

    pub(super) fn read(&self, within: usize, into: &mut [u8]) {
        let end = within + into.len();
        match self {
            Self::Hot(bytes) => into.copy_from_slice(&bytes[within..end]),
            Self::Away(slot) => into.copy_from_slice(&slot.cold.get(slot.at)[within..end]),
        }
    }

    /// Changes a copy of its own, at hand.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut [u8; PAGE])) {
        match self {
            Self::Hot(bytes) => change(Arc::make_mut(bytes)),
            Self::Away(slot) => {
                let mut bytes = slot.cold.get(slot.at);
                change(&mut bytes);
                *self = Self::Hot(Arc::new(bytes));
            }
        }
    }

    /// The same page, put away if there is room.
    pub(super) fn put_away(&mut self, cold: &Arc<dyn Cold>) {
        if let Self::Hot(bytes) = self
            && let Some(at) = cold.put(bytes)
        {
            let cold = cold.clone();
            *self = Self::Away(Arc::new(Slot { cold, at }));
        }
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Page")
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.cold.free(self.at);
    }
}

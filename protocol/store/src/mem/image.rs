//! A file's bytes in pages that the live and the durable image share until one is written.

use std::sync::Arc;

use super::page::{Cold, PAGE, Page};

pub(super) const SECTOR: usize = 512;
pub(super) const SECTORS: usize = PAGE / SECTOR;

/// Bytes of a file; a page that was never written is a hole of zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub(super) len: u64,
    pages: Vec<Option<Page>>,
    /// Pages that are no holes.
    held: usize,
}

impl Image {
    /// Fills `buf` from `offset`; false when the file is too short.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> bool {
        if offset
            .checked_add(buf.len() as u64)
            .is_none_or(|end| end > self.len)
        {
            return false;
        }
        for (page, within, range) in pieces(offset, buf.len()) {
            match &self.pages[page] {
                Some(bytes) => bytes.read(within, &mut buf[range]),
                None => buf[range].fill(0),
            }
        }
        true
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.set_len(self.len.max(offset + bytes.len() as u64));
        for (page, within, range) in pieces(offset, bytes.len()) {
            let length = range.len();
            self.change(page, |page| {
                page[within..within + length].copy_from_slice(&bytes[range]);
            });
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len && !len.is_multiple_of(PAGE as u64) {
            let (page, within) = split(len);
            if self.pages[page].is_some() {
                self.change(page, |page| page[within..].fill(0));
            }
        }
        let count = page_count(len);
        let cut = self.pages.get(count..).unwrap_or_default();
        self.held -= cut.iter().flatten().count();
        self.pages.resize(count, None);
        self.len = len;
    }

    /// Bytes that the file takes on the disk.
    pub(super) fn allocated(&self) -> u64 {
        (self.held * PAGE) as u64
    }

    /// Bytes that a write would newly take.
    pub(super) fn would_take(&self, offset: u64, length: usize) -> u64 {
        let held = |page: usize| self.pages.get(page).is_some_and(Option::is_some);
        (pieces(offset, length)
            .filter(|(page, ..)| !held(*page))
            .count()
            * PAGE) as u64
    }

    /// Shares a page of another image, if both have it.
    pub(super) fn share_page(&mut self, other: &Self, page: usize) {
        if let (Some(here), Some(there)) = (self.pages.get_mut(page), other.pages.get(page)) {
            let more = usize::from(there.is_some());
            self.held = self.held + more - usize::from(here.is_some());
            here.clone_from(there);
        }
    }

    /// Copies a sector of another image, if both have it.
    pub(super) fn copy_sector(&mut self, other: &Self, sector: u64) {
        let (page, within) = split(sector * SECTOR as u64);
        if page >= self.pages.len() || page >= other.pages.len() {
            return;
        }
        let mut bytes = [0; SECTOR];
        if let Some(from) = &other.pages[page] {
            from.read(within, &mut bytes);
        }
        self.change(page, |page| {
            page[within..within + SECTOR].copy_from_slice(&bytes);
        });
    }

    /// Flips one bit; false when the file is too short.
    pub(super) fn flip(&mut self, bit: u64) -> bool {
        let offset = bit / 8;
        if offset >= self.len {
            return false;
        }
        let (page, within) = split(offset);
        self.change(page, |page| page[within] ^= 1 << (bit % 8));
        true
    }

    /// Puts a full page away.
    pub(super) fn put_away(&mut self, page: usize, cold: &Arc<dyn Cold>) {
        let last = page_count(self.len).saturating_sub(1);
        if let Some(Some(page)) = self.pages.get_mut(page).filter(|_| page < last) {
            page.put_away(cold);
        }
    }

    fn change(&mut self, page: usize, change: impl FnOnce(&mut [u8; PAGE])) {
        self.held += usize::from(self.pages[page].is_none());
        self.pages[page]
            .get_or_insert_with(Page::zeros)
            .change(change);
    }
}

/// The pages that a range touches: page, place within it, place within the range.
pub(super) fn pieces(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (page, within) = split(offset + done as u64);
        let most = (PAGE - within).min(length - done);
        let range = done..done + most;
        done += most;
        (most > 0).then_some((page, within, range))
    })
}

pub(super) fn page_count(len: u64) -> usize {
    usize::try_from(len.div_ceil(PAGE as u64)).unwrap_or(usize::MAX)
}

fn split(offset: u64) -> (usize, usize) {
    let page = usize::try_from(offset / PAGE as u64).unwrap_or(usize::MAX);
    (page, (offset % PAGE as u64) as usize)
}

//! What a simulated disk holds: what programs see, what a power cut would leave, and how the one
//! becomes the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::Faults;
use super::image::{Image, SECTOR, SECTORS, page_count, pieces};
use super::page::{Cold, PAGE};
use crate::disk::Stamp;

/// Called after each sync.
pub(super) type Hook = Box<dyn FnMut(&super::Durable<'_>) + Send>;

#[derive(Default)]
pub(super) struct State {
    pub(super) faults: Faults,
    pub(super) live: BTreeMap<PathBuf, u64>,
    pub(super) durable: BTreeMap<PathBuf, u64>,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) hook: Option<Hook>,
    /// Where synced pages go.
    pub(super) cold: Option<Arc<dyn Cold>>,
    /// Counts crashes: handles of an earlier life are dead.
    pub(super) life: u64,
    nodes: BTreeMap<u64, Node>,
    changes: Vec<Change>,
    next: u64,
    writes: u64,
}

/// A file, under whatever names.
#[derive(Default)]
struct Node {
    live: Image,
    durable: Image,
    /// Pages that the next sync takes to the disk.
    dirty: BTreeSet<usize>,
    /// Sectors that cannot be read until they are written.
    bad: BTreeSet<u64>,
    /// Counts the disk's writes: when this file saw its last.
    modified: u64,
    handles: Arc<()>,
}

/// A change of names that no `sync_dir` has made durable.
struct Change {
    from: Option<PathBuf>,
    to: Option<(PathBuf, u64)>,
}

impl State {
    pub(super) fn create(&mut self, path: &Path) -> u64 {
        let node = self.next;
        self.next += 1;
        self.nodes.insert(node, Node::default());
        self.live.insert(path.to_owned(), node);
        self.changes.push(Change {
            from: None,
            to: Some((path.to_owned(), node)),
        });
        node
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.live.insert(to.to_owned(), node);
        let to = Some((to.to_owned(), node));
        self.changes.push(Change {
            from: Some(from.to_owned()),
            to,
        });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.live.remove(path).ok_or(io::ErrorKind::NotFound)?;
        self.changes.push(Change {
            from: Some(path.to_owned()),
            to: None,
        });
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let (now, later) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|c| c.is_in(dir));
        self.changes = later;
        let now: Vec<Change> = now;
        now.into_iter()
            .for_each(|change| change.apply(&mut self.durable));
        self.collect();
    }

    pub(super) fn image(&self, node: u64) -> Option<&Image> {
        self.nodes.get(&node).map(|node| &node.live)
    }

    pub(super) fn durable_image(&self, path: &Path) -> Option<&Image> {
        Some(&self.nodes.get(self.durable.get(path)?)?.durable)
    }

    pub(super) fn stamp(&self, path: &Path) -> Option<Stamp> {
        let node = self.nodes.get(self.live.get(path)?)?;
        Some(Stamp {
            len: node.live.len,
            modified: i128::from(node.modified),
        })
    }

    /// Fills `buf` from a file.
    pub(super) fn read(&self, node: u64, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let Some(node) = self.nodes.get(&node) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let end = offset
            .saturating_add(buf.len() as u64)
            .div_ceil(SECTOR as u64);
        if node.bad.range(offset / SECTOR as u64..end).next().is_some() {
            return Err(io::Error::other("simulated bad sector"));
        }
        let read = node.live.read(offset, buf);
        if read {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// A token that keeps a file alive while a handle holds it.
    pub(super) fn hold(&self, node: u64) -> Arc<()> {
        self.nodes
            .get(&node)
            .map(|node| Arc::clone(&node.handles))
            .unwrap_or_default()
    }

    pub(super) fn write(&mut self, node: u64, offset: u64, bytes: &[u8]) {
        self.writes += 1;
        let Some(node) = self.nodes.get_mut(&node) else {
            return;
        };
        node.modified = self.writes;
        node.touch(node.live.len.min(offset), offset + bytes.len() as u64);
        node.live.write(offset, bytes);
    }

    pub(super) fn set_len(&mut self, node: u64, len: u64) {
        self.writes += 1;
        let Some(node) = self.nodes.get_mut(&node) else {
            return;
        };
        node.modified = self.writes;
        node.touch(len.min(node.live.len), len.max(node.live.len));
        node.live.set_len(len);
    }

    pub(super) fn sync(&mut self, node: u64) {
        let Some(node) = self.nodes.get_mut(&node) else {
            return;
        };
        node.durable.set_len(node.live.len);
        for page in std::mem::take(&mut node.dirty) {
            if let Some(cold) = &self.cold {
                node.live.put_away(page, cold);
            }
            node.durable.share_page(&node.live, page);
        }
    }

    /// A sync failed: the cache calls its pages clean though the disk never saw them.
    pub(super) fn sync_failed(&mut self, node: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.dirty.clear();
        }
    }

    /// Bytes that all files take; none has two names.
    pub(super) fn used(&self) -> u64 {
        let images = self.live.values().filter_map(|node| self.image(*node));
        images.map(Image::allocated).sum()
    }

    /// A disk with what is durable on this one.
    pub(super) fn copy(&self) -> Self {
        let nodes = self.nodes.iter().map(|(id, node)| {
            let copy = Node {
                live: node.durable.clone(),
                durable: node.durable.clone(),
                modified: node.modified,
                ..Node::default()
            };
            (*id, copy)
        });
        Self {
            live: self.durable.clone(),
            durable: self.durable.clone(),
            dirs: self.dirs.clone(),
            nodes: nodes.collect(),
            next: self.next,
            writes: self.writes,
            ..Self::default()
        }
    }

    /// Takes the place of what is here; all handles are dead.
    pub(super) fn replace(&mut self, by: Self) {
        let life = self.life + 1;
        let (faults, cold) = (std::mem::take(&mut self.faults), self.cold.take());
        let next = self.next.max(by.next);
        *self = Self {
            faults,
            cold,
            life,
            next,
            ..by
        };
    }

    /// Flips a bit for good.
    pub(super) fn rot(&mut self, path: &Path, bit: u64) -> bool {
        let Some(node) = self
            .live
            .get(path)
            .and_then(|node| self.nodes.get_mut(node))
        else {
            return false;
        };
        node.durable.flip(bit);
        node.live.flip(bit)
    }

    /// A sector becomes unreadable.
    pub(super) fn spoil(&mut self, path: &Path, offset: u64) -> bool {
        let node = self
            .live
            .get(path)
            .and_then(|node| self.nodes.get_mut(node));
        node.is_some_and(|node| {
            node.bad.insert(offset / SECTOR as u64);
            offset < node.live.len
        })
    }

    pub(super) fn mend(&mut self) {
        self.nodes.values_mut().for_each(|node| node.bad.clear());
    }

    /// The power goes and comes back: of what was not synced, a random part is there.
    pub(super) fn crash(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.changes) {
            if random.coin() {
                change.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
        self.locks.clear();
        self.life += 1;
        self.faults.reset();
        self.collect();
        self.nodes.values_mut().for_each(|node| node.crash(random));
    }

    /// Drops files that nothing can reach any more.
    fn collect(&mut self) {
        let mut named: BTreeSet<u64> = self
            .live
            .values()
            .chain(self.durable.values())
            .copied()
            .collect();
        named.extend(
            self.changes
                .iter()
                .filter_map(|change| Some(change.to.as_ref()?.1)),
        );
        self.nodes
            .retain(|id, node| named.contains(id) || Arc::strong_count(&node.handles) > 1);
    }
}

impl Node {
    fn touch(&mut self, from: u64, to: u64) {
        let length = usize::try_from(to - from).unwrap_or(usize::MAX);
        self.dirty
            .extend(pieces(from, length).map(|(page, ..)| page));
    }

    fn crash(&mut self, random: &mut Random) {
        let (live, durable) = (&self.live, &mut self.durable);
        let len = match random.below(3) {
            0 => live.len,
            1 => durable.len,
            _ => live.len.min(durable.len) + random.below(live.len.abs_diff(durable.len) + 1),
        };
        durable.set_len(durable.len.max(live.len));
        for &page in &self.dirty {
            for sector in page * SECTORS..(page + 1) * SECTORS {
                if random.coin() && page < page_count(live.len) {
                    durable.copy_sector(live, sector as u64);
                }
            }
        }
        durable.set_len(len);
        self.live = self.durable.clone();
        self.dirty.clear();
    }
}

impl Change {
    fn is_in(&self, dir: &Path) -> bool {
        let path = self
            .to
            .as_ref()
            .map(|(path, _)| path)
            .or(self.from.as_ref());
        path.and_then(|path| path.parent()) == Some(dir)
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        if let Some(from) = self.from {
            names.remove(&from);
        }
        if let Some((path, node)) = self.to {
            names.insert(path, node);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): seeded, small, good enough to tear sectors.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn coin(&mut self) -> bool {
        self.draw() & 1 == 0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

const _: () = assert!(PAGE.is_multiple_of(SECTOR));

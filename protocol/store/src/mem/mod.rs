//! A disk in memory that tears, fills, rots and dies on command, the same way each time.

mod fault;
mod image;
mod page;
mod state;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{DirEntry, Disk, EntryKind, File, Lock, OpenMode, Space, Stamp};
use fault::{Call, full, killed};
use state::{Random, State};

pub use fault::Fault;
pub use page::Cold;

/// Total bytes of a disk without a capacity.
const ENDLESS: u64 = 1 << 40;

/// A simulated disk; clones are the same disk.
///
/// It keeps what programs see and what a power cut would leave apart. Files become durable by
/// `sync`, names by `sync_dir`, directories at once. A sync that fails forgets what was dirty, as
/// page caches do: a later sync does not bring it back.
#[derive(Clone, Default)]
pub struct MemDisk(Arc<Mutex<State>>);

/// What a power cut would leave, shown to the hook after each sync.
pub struct Durable<'a>(&'a State);

struct MemFile {
    disk: MemDisk,
    node: u64,
    life: u64,
    writable: bool,
    _hold: Arc<()>,
}

struct MemLock {
    disk: MemDisk,
    path: PathBuf,
    life: u64,
}

impl MemDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The power goes and comes back: all handles and locks are dead, a kill is over, and of what
    /// was not synced a part drawn from `seed` is there, sector by sector and name by name.
    pub fn crash(&self, seed: u64) {
        self.state().crash(&mut Random(seed));
    }

    /// Calls so far, of any kind.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().faults.calls
    }

    /// Syncs so far, of files and directories.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().faults.syncs
    }

    /// The `n`-th sync from now (1 is the next) and everything after it fails, until
    /// [`MemDisk::crash`].
    pub fn kill_at_sync(&self, n: u64) {
        let mut state = self.state();
        state.faults.kill_at_sync = Some(state.faults.syncs + n);
    }

    /// The `n`-th call from now (1 is the next) and everything after it fails, until
    /// [`MemDisk::crash`].
    pub fn kill_at_call(&self, n: u64) {
        let mut state = self.state();
        state.faults.kill_at_call = Some(state.faults.calls + n);
    }

    /// The `n`-th call from now fails, once or from then on; `n` = 0 ends all such faults.
    pub fn fail_at(&self, n: u64, fault: Fault, for_good: bool) {
        let mut state = self.state();
        let from = state.faults.calls + n;
        state.faults.at = (n > 0).then_some((from, fault, for_good));
    }

    /// Limits the bytes that all files may take; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().faults.capacity = bytes;
    }

    /// Remounts the disk.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().faults.read_only = read_only;
    }

    /// Flips one bit of a file for good; false when there is no such bit.
    #[must_use]
    pub fn rot(&self, path: &Path, bit: u64) -> bool {
        self.state().rot(path, bit)
    }

    /// Makes the sector at `offset` of a file unreadable until it is written; false when there is
    /// no such byte.
    #[must_use]
    pub fn spoil(&self, path: &Path, offset: u64) -> bool {
        self.state().spoil(path, offset)
    }

    /// Makes all unreadable sectors readable again, with what they held.
    pub fn mend(&self) {
        self.state().mend();
    }

    /// A backup: a disk with what is durable on this one now.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().copy())))
    }

    /// A backup takes the place of what is here; all handles and locks are dead.
    pub fn restore(&self, backup: &Self) {
        let copy = backup.state().copy();
        self.state().replace(copy);
    }

    /// Keeps synced pages there from now on, so that a large disk takes little memory.
    pub fn put_away(&self, cold: Arc<dyn Cold>) {
        self.state().cold = Some(cold);
    }

    /// Calls `hook` after each sync with what is durable. The hook must not use the disk.
    pub fn on_sync(&self, hook: impl FnMut(&Durable<'_>) + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meet(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.faults.meet(call)?;
        Ok(state)
    }
}

impl Durable<'_> {
    /// The paths of all files, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.durable.keys().map(PathBuf::as_path)
    }

    /// The bytes of a file.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let image = self.0.durable_image(path)?;
        let mut bytes = vec![0; usize::try_from(image.len).ok()?];
        image.read(0, &mut bytes).then_some(bytes)
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let new = mode == OpenMode::CreateNew;
        let mut state = self.meet(if new { Call::Grow } else { Call::Look })?;
        if mode == OpenMode::ReadWrite && state.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let node = match (state.live.get(path).copied(), new) {
            (Some(_), true) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(node), false) => node,
            (None, true) if has_parent(&state.dirs, path) => state.create(path),
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        let (life, hold) = (state.life, state.hold(node));
        let writable = mode != OpenMode::Read;
        drop(state);
        Ok(Box::new(MemFile {
            disk: self.clone(),
            node,
            life,
            writable,
            _hold: hold,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Call::Grow)?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.meet(Call::Change)?.remove(path)
    }

    fn entries(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.meet(Call::Look)?;
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = state.live.keys().map(|path| (path, EntryKind::File));
        let dirs = state.dirs.iter().map(|path| (path, EntryKind::Directory));
        let inside = files
            .chain(dirs)
            .filter(|(path, _)| path.parent() == Some(dir));
        let mut entries: Vec<DirEntry> = inside
            .filter_map(|(path, kind)| {
                Some(DirEntry {
                    name: path.file_name()?.to_owned(),
                    kind,
                })
            })
            .collect();
        entries.sort();
        Ok(entries)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.meet(Call::Look)?;
        let missing = dir
            .ancestors()
            .filter(|dir| !state.dirs.contains(*dir))
            .count();
        if missing > 0 && state.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        state.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.meet(Call::Sync)?;
        state.sync_dir(dir);
        show(&mut state);
        Ok(())
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let state = self.meet(Call::Look)?;
        let total = state.faults.capacity.unwrap_or(ENDLESS);
        Ok(Space {
            free: total.saturating_sub(state.used()),
            total,
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut state = self.meet(Call::Look)?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let life = state.life;
        drop(state);
        Ok(Box::new(MemLock {
            disk: self.clone(),
            path: path.to_owned(),
            life,
        }))
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.meet(Call::Look)?;
        Ok(state
            .live
            .get(path)
            .and_then(|node| state.image(*node))
            .map(|image| image.len))
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        Ok(self.meet(Call::Look)?.stamp(path))
    }
}

impl MemFile {
    fn meet(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.meet(call)?;
        if state.life != self.life {
            return Err(killed());
        }
        if call != Call::Look && !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(state)
    }
}

impl File for MemFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.meet(Call::Look)?;
        Ok(state.image(self.node).map_or(0, |image| image.len))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.meet(Call::Look)?.read(self.node, offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let met = self.meet(Call::Grow);
        let (mut state, fits) = match met {
            Ok(state) => {
                let taken = state
                    .image(self.node)
                    .map_or(0, |i| i.would_take(offset, bytes.len()));
                let room = state
                    .faults
                    .capacity
                    .map(|capacity| capacity.saturating_sub(state.used()));
                let fits = room.is_none_or(|room| taken <= room);
                (state, fits)
            }
            // A kill or a fault may strike in the middle of a write.
            Err(error) => {
                let mut state = self.disk.state();
                if state.life == self.life
                    && self.writable
                    && !state.faults.killed
                    && !state.faults.read_only
                {
                    state.write(self.node, offset, &bytes[..bytes.len() / 2]);
                }
                return Err(error);
            }
        };
        state.write(self.node, offset, if fits { bytes } else { &bytes[..0] });
        if fits { Ok(()) } else { Err(full()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.meet(Call::Change)?.set_len(self.node, len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        match self.meet(Call::Sync) {
            Ok(mut state) => {
                state.sync(self.node);
                show(&mut state);
                Ok(())
            }
            Err(error) => {
                let mut state = self.disk.state();
                if state.life == self.life && !state.faults.killed {
                    state.sync_failed(self.node);
                }
                Err(error)
            }
        }
    }
}

impl Lock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

impl fmt::Debug for MemDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDisk").finish_non_exhaustive()
    }
}

/// Lets the hook see what a sync has made durable.
fn show(state: &mut State) {
    if let Some(mut hook) = state.hook.take() {
        hook(&Durable(state));
        state.hook = Some(hook);
    }
}

fn has_parent(dirs: &BTreeSet<PathBuf>, path: &Path) -> bool {
    path.parent()
        .is_some_and(|dir| dir.as_os_str().is_empty() || dirs.contains(dir))
}

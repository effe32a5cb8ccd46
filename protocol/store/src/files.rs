//! Open handles, least recently used closed first.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, File, OpenMode};
use crate::limits::HANDLES;

/// A bounded set of open files. Files with unsynced bytes are pinned: they stay open.
pub(crate) struct Files {
    disk: Arc<dyn Disk>,
    open: BTreeMap<PathBuf, Handle>,
    clock: u64,
}

struct Handle {
    file: Box<dyn File>,
    used: u64,
    pinned: bool,
    writable: bool,
}

impl Files {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            open: BTreeMap::new(),
            clock: 0,
        }
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// A handle to read from; a read-only disk gives one too.
    pub(crate) fn read(&mut self, path: &Path) -> io::Result<&dyn File> {
        match self.write(path) {
            Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
            other => return other.map(|_| ()).and_then(|()| self.get(path)),
        }
        let file = self.disk.open(path, OpenMode::Read)?;
        self.put(path, file, false);
        self.get(path)
    }

    /// A handle to read from and write to.
    pub(crate) fn write(&mut self, path: &Path) -> io::Result<&dyn File> {
        if !self.open.get(path).is_some_and(|handle| handle.writable) {
            let file = self.disk.open(path, OpenMode::ReadWrite)?;
            self.put(path, file, true);
        }
        self.get(path)
    }

    /// Keeps a handle open until [`Files::unpin`].
    pub(crate) fn pin(&mut self, path: &Path) {
        if let Some(handle) = self.open.get_mut(path) {
            handle.pinned = true;
        }
    }

    pub(crate) fn unpin(&mut self, path: &Path) {
        if let Some(handle) = self.open.get_mut(path) {
            handle.pinned = false;
        }
    }

    /// Closes a handle: the file was removed, replaced, or cannot be trusted.
    pub(crate) fn forget(&mut self, path: &Path) {
        self.open.remove(path);
    }

    fn get(&mut self, path: &Path) -> io::Result<&dyn File> {
        self.clock += 1;
        let handle = self.open.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        handle.used = self.clock;
        Ok(handle.file.as_ref())
    }

    fn put(&mut self, path: &Path, file: Box<dyn File>, writable: bool) {
        if self.open.len() >= HANDLES {
            let idle = self.open.iter().filter(|(_, handle)| !handle.pinned);
            if let Some(path) = idle
                .min_by_key(|(_, h)| h.used)
                .map(|(path, _)| path.clone())
            {
                self.open.remove(&path);
            }
        }
        let handle = Handle {
            file,
            used: self.clock,
            pinned: false,
            writable,
        };
        self.open.insert(path.to_owned(), handle);
    }
}

//! Scratch files for ingest: append-only, named by their owner with random hexadecimal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, File, OpenMode};
use crate::error::{Error, Place};
use crate::limits::MAX_NAME;

/// A directory of blobs.
#[derive(Clone)]
pub struct Blobs {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// One blob, open for appending and reading.
pub struct Blob {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    place: Place,
    file: Box<dyn File>,
    len: u64,
    /// Its name is durable.
    named: bool,
}

impl Blobs {
    /// Opens a directory of blobs, made if missing.
    ///
    /// # Errors
    /// [`Error::Io`] and its kin.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, Error> {
        let made = disk.create_dir_all(dir);
        made.map_err(|e| Error::io("create", Place::Directory, e))?;
        Ok(Self {
            disk,
            dir: dir.to_owned(),
        })
    }

    /// A new, empty blob. Durable after [`Blob::sync`].
    ///
    /// # Errors
    /// [`Error::BadName`]; [`Error::Conflict`] when the name is taken; [`Error::Io`] and its kin.
    pub fn create(&self, name: &str) -> Result<Blob, Error> {
        self.blob(name, OpenMode::CreateNew)
    }

    /// A blob that is there.
    ///
    /// # Errors
    /// [`Error::BadName`]; [`Error::Io`] and its kin.
    pub fn get(&self, name: &str) -> Result<Blob, Error> {
        self.blob(name, OpenMode::ReadWrite)
    }

    /// The names of all blobs, sorted.
    ///
    /// # Errors
    /// [`Error::Io`] and its kin.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let names = self.disk.list(&self.dir);
        let names = names.map_err(|e| Error::io("list", Place::Directory, e))?;
        Ok(names
            .into_iter()
            .filter(|name| path(&self.dir, name).is_ok())
            .collect())
    }

    /// Removes a blob, if it is there. It may come back after a power cut until
    /// [`Blobs::sync`].
    ///
    /// # Errors
    /// [`Error::BadName`]; [`Error::Io`] and its kin.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let removed = crate::log::remove_if_there(self.disk.as_ref(), &path(&self.dir, name)?);
        removed.map_err(|e| Error::io("remove", place(name), e))
    }

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// [`Error::Io`] and its kin.
    pub fn sync(&self) -> Result<(), Error> {
        let synced = self.disk.sync_dir(&self.dir);
        synced.map_err(|e| Error::io("sync", Place::Directory, e))
    }

    fn blob(&self, name: &str, mode: OpenMode) -> Result<Blob, Error> {
        let opened = self.disk.open(&path(&self.dir, name)?, mode);
        let (file, len) = match opened.and_then(|file| file.len().map(|len| (file, len))) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Conflict { place: place(name) });
            }
            other => other.map_err(|e| Error::io("open", place(name), e))?,
        };
        let (disk, dir) = (Arc::clone(&self.disk), self.dir.clone());
        Ok(Blob {
            disk,
            dir,
            place: place(name),
            file,
            len,
            named: false,
        })
    }
}

impl Blob {
    /// Adds bytes at the end. After an error the blob ends where it did before.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`] and its kin.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Err(error) = self.file.write_at(self.len, bytes) {
            let _ = self.file.set_len(self.len);
            let free = self.disk.space(&self.dir).map_or(0, |space| space.free);
            let error = Error::io("write to", self.place.clone(), error);
            return Err(error.with_room(free, bytes.len() as u64));
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills all of `buf` from `offset`.
    ///
    /// # Errors
    /// [`Error::Io`], also when the blob is too short.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let read = self.file.read_at(offset, buf);
        read.map_err(|e| Error::io("read", self.place.clone(), e))
    }

    /// Makes content and name durable. After an error, write the blob anew under another name.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`] and its kin.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.file
            .sync()
            .map_err(|e| Error::io("sync", self.place.clone(), e))?;
        if !self.named {
            let named = self.disk.sync_dir(&self.dir);
            named.map_err(|e| Error::io("sync", Place::Directory, e))?;
            self.named = true;
        }
        Ok(())
    }
}

fn path(dir: &Path, name: &str) -> Result<PathBuf, Error> {
    let digits = name
        .bytes()
        .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    if name.is_empty() || name.len() > MAX_NAME || !digits {
        return Err(Error::BadName);
    }
    Ok(dir.join(name))
}

fn place(name: &str) -> Place {
    Place::Blob(name.chars().take(8).collect())
}

//! The door to files: what the store and the daemons ask of a disk, and nothing more.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// A disk, real or simulated. Paths are absolute or all relative to one place.
///
/// Errors are `std::io::Error`; a full disk is `StorageFull` or `QuotaExceeded`, a read-only one
/// `ReadOnlyFilesystem`.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;

    /// Renames a file over whatever stood at `to`. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// What stands in a directory, sorted by name.
    fn entries(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Makes a directory (0700) and what is missing above it, durable on return.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: files made, renamed and removed there.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Room on the disk that holds `dir`.
    fn space(&self, dir: &Path) -> io::Result<Space>;

    /// Takes the exclusive lock on a file, made if missing, until the value is dropped or the
    /// process ends. Fails at once with `WouldBlock` when somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;

    /// Length of a file in bytes; `None` when there is no such file.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;

    /// What changes when somebody writes to a file; `None` when there is no such file.
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>>;

    /// Names in a directory of ours, sorted. Names that are not UTF-8 are not ours and left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = self.entries(dir)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| entry.name.into_string().ok())
            .collect())
    }
}

/// An open file.
pub trait File: Send {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether there is no byte in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills all of `buf` from `offset`; `UnexpectedEof` when the file is too short.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. A failed write may have written some.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or lengthens it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes content and length durable. After a failure, nothing unsynced can be trusted.
    fn sync(&self) -> io::Result<()>;
}

/// A held lock; dropping it lets go.
pub trait Lock: Send + Sync {}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    ReadWrite,
    /// A new file (0600), to read and write; an error when the name is taken.
    CreateNew,
}

/// What changes when somebody writes to a file. For files of other programs: the two together say
/// whether it is still growing, and whether it is the one that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Length in bytes.
    pub len: u64,
    /// When it was last written, by a clock that may be wrong: nanoseconds since 1970.
    pub modified: i128,
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this user may still write.
    pub free: u64,
    /// The disk's size.
    pub total: u64,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name without its directory.
    pub name: OsString,
    /// What stands there.
    pub kind: EntryKind,
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A link, a socket, a device.
    Other,
}

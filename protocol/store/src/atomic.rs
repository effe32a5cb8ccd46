//! Small files that are there whole or not at all: configuration, keys.

use std::io;
use std::path::Path;

use crate::disk::{Disk, OpenMode};
use crate::error::{Error, Place};
use crate::fresh::temporary;
use crate::log::{parent, remove_if_there};

/// Writes a file whole: under another name, synced, renamed into place, the name synced. Mode
/// 0600.
///
/// # Errors
/// [`Error::Full`], [`Error::ReadOnly`] or [`Error::Io`]; the old content is then still there,
/// unless the very last step failed: then either content may be.
pub fn write_atomically(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = temporary(path);
    let written = remove_if_there(disk, &temporary)
        .and_then(|()| disk.open(&temporary, OpenMode::CreateNew))
        .and_then(|file| file.write_at(0, bytes).and_then(|()| file.sync()))
        .and_then(|()| disk.rename(&temporary, path));
    if let Err(error) = written {
        let _ = disk.remove(&temporary);
        let free = disk.space(parent(path)).map_or(0, |space| space.free);
        return Err(Error::io("write", Place::File, error).with_room(free, bytes.len() as u64));
    }
    disk.sync_dir(parent(path))
        .map_err(|e| Error::io("sync", Place::Directory, e))
}

/// Reads a file whole; `None` when there is none.
///
/// # Errors
/// [`Error::TooLong`] above `most` bytes, [`Error::Io`].
pub fn read_whole(disk: &dyn Disk, path: &Path, most: usize) -> Result<Option<Vec<u8>>, Error> {
    let failed = |error: io::Error| Error::io("read", Place::File, error);
    let file = match disk.open(path, OpenMode::Read) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let length = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
    if length > most {
        return Err(Error::TooLong {
            place: Place::File,
            length,
            most,
        });
    }
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

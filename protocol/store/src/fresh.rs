//! A file in the making: written under another name, synced, and renamed into place.

use std::path::{Path, PathBuf};

use crate::disk::{File, OpenMode};
use crate::error::{Error, Place};
use crate::files::Files;
use crate::format::{Class, Entry, FIRST, FileHeader, FileKey};
use crate::log::{Log, image, parent, remove_if_there};
use crate::preamble;

/// Marks unfinished files; opening a store removes them.
pub(crate) const UNFINISHED: &str = "new";

/// A pack or journal that has no name yet.
pub(crate) struct Fresh {
    file: Box<dyn File>,
    place: Place,
    path: PathBuf,
    header: FileHeader,
    key: FileKey,
    end: u64,
    last: u64,
}

impl Fresh {
    /// Starts a file that will stand at `path`.
    pub(crate) fn begin(
        files: &Files,
        (place, path): (Place, PathBuf),
        header: FileHeader,
        head: &[u8],
    ) -> Result<Self, Error> {
        let temporary = temporary(&path);
        let start = remove_if_there(files.disk().as_ref(), &temporary)
            .and_then(|()| files.disk().open(&temporary, OpenMode::CreateNew))
            .and_then(|file| {
                file.write_at(0, &preamble::encode(&header, head))?;
                Ok(file)
            });
        match start {
            Ok(file) => {
                let key = header.key();
                Ok(Self {
                    file,
                    place,
                    path,
                    header,
                    key,
                    end: FIRST,
                    last: 0,
                })
            }
            Err(error) => {
                let _ = files.disk().remove(&temporary);
                Err(Error::io("create", place, error))
            }
        }
    }

    /// Adds an entry and gives its place.
    pub(crate) fn append(
        &mut self,
        class: Class,
        number: u64,
        payload: &[u8],
    ) -> Result<u64, Error> {
        let entry = Entry::of(class, number, payload);
        let bytes = image(&entry, &self.key, self.end, payload);
        let write = self.file.write_at(self.end, &bytes);
        write.map_err(|e| Error::io("write to", self.place.clone(), e))?;
        self.last = self.end;
        self.end += entry.span();
        Ok(self.last)
    }

    /// Makes the file durable and gives it its name. When only the name's durability failed, the
    /// log is there beside the error, and asks for the name's sync before its next entry.
    pub(crate) fn finish(self, files: &mut Files) -> Result<(Log, Result<(), Error>), Error> {
        let rename = self
            .file
            .sync()
            .and_then(|()| files.disk().rename(&temporary(&self.path), &self.path));
        if let Err(error) = rename {
            let place = self.place.clone();
            self.discard(files);
            return Err(Error::io("create", place, error));
        }
        files.forget(&self.path);
        let named = files.disk().sync_dir(parent(&self.path));
        let mut log = Log::new(self.place, self.path, self.header, self.end, self.last);
        log.unnamed = named.is_err();
        Ok((
            log,
            named.map_err(|e| Error::io("sync", Place::Directory, e)),
        ))
    }

    /// Gives up. A file that stays is removed by the next open.
    pub(crate) fn discard(self, files: &Files) {
        drop(self.file);
        let _ = files.disk().remove(&temporary(&self.path));
    }
}

/// The name of a file until it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    PathBuf::from(name)
}

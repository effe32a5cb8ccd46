//! One append-only file: what is written, what of it is durable, and how it heals.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Place};
use crate::files::Files;
use crate::format::{Class, Entry, FIRST, FileHeader, FileKey, HEADER};

/// A pack or a journal, open for appending.
pub(crate) struct Log {
    pub(crate) place: Place,
    pub(crate) path: PathBuf,
    pub(crate) header: FileHeader,
    pub(crate) key: FileKey,
    /// The end of what is written, and where its last entry starts (0 without entries).
    written: Mark,
    /// The same for what is durable.
    durable: Mark,
    /// The file may hold more than it should: it is cut to its durable length before new bytes.
    broken: bool,
    /// The file's name is not durable yet.
    pub(crate) unnamed: bool,
}

#[derive(Clone, Copy)]
struct Mark {
    end: u64,
    last: u64,
}

impl Log {
    /// A log that ends at `end`, all of it durable.
    pub(crate) fn new(
        place: Place,
        path: PathBuf,
        header: FileHeader,
        end: u64,
        last: u64,
    ) -> Self {
        let key = header.key();
        let mark = Mark {
            end: end.max(FIRST),
            last,
        };
        let (written, durable) = (mark, mark);
        Self {
            place,
            path,
            header,
            key,
            written,
            durable,
            broken: false,
            unnamed: false,
        }
    }

    /// Length of what is durable, in bytes.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.end
    }

    /// Where the last durable entry starts; 0 without one.
    pub(crate) fn last(&self) -> u64 {
        self.durable.last
    }

    /// Whether everything that is not durable is gone from the file, or will be.
    pub(crate) fn has_dropped(&self) -> bool {
        self.written.end == self.durable.end
    }

    /// Writes an entry behind the others and gives its place. Not durable before [`Log::sync`].
    pub(crate) fn append(
        &mut self,
        files: &mut Files,
        (class, number): (Class, u64),
        payload: &[u8],
    ) -> Result<u64, Error> {
        self.heal(files)?;
        let offset = self.written.end;
        let mut entry = Entry::of(class, number, payload);
        entry.unsynced = u32::try_from(offset - self.durable.end).unwrap_or(u32::MAX);
        let bytes = image(&entry, &self.key, offset, payload);
        let write = files
            .write(&self.path)
            .and_then(|file| file.write_at(offset, &bytes));
        files.pin(&self.path);
        if let Err(error) = write {
            self.take_back(files);
            return Err(Error::io("write to", self.place.clone(), error));
        }
        self.written = Mark {
            end: offset + entry.span(),
            last: offset,
        };
        Ok(offset)
    }

    /// Makes everything written durable. After a failure nothing of it is there.
    pub(crate) fn sync(&mut self, files: &mut Files) -> Result<(), Error> {
        self.heal(files)?;
        if self.written.end == self.durable.end {
            return Ok(());
        }
        #[cfg(feature = "mutants")]
        if crate::mutant::is_on(crate::mutant::Mutant::AckBeforeSync) {
            self.durable = self.written;
            return Ok(());
        }
        match files.write(&self.path).and_then(crate::disk::File::sync) {
            Ok(()) => {
                files.unpin(&self.path);
                self.durable = self.written;
                Ok(())
            }
            Err(error) => {
                self.drop_written();
                // A failure here is met again, and reported, by whoever writes next.
                let _ = self.heal(files);
                Err(Error::io("sync", self.place.clone(), error))
            }
        }
    }

    /// After a failed write: back to the end of the write before it, else to what is durable.
    fn take_back(&mut self, files: &mut Files) {
        let end = self.written.end;
        if files
            .write(&self.path)
            .and_then(|file| file.set_len(end))
            .is_err()
        {
            self.drop_written();
        }
    }

    fn drop_written(&mut self) {
        self.written = self.durable;
        self.broken = true;
    }

    /// Brings a broken file back to what is known durable. The handle is closed and the tail cut:
    /// after a failed sync the page cache may call pages clean that never reached the disk.
    fn heal(&mut self, files: &mut Files) -> Result<(), Error> {
        if self.broken {
            files.forget(&self.path);
            let end = self.durable.end;
            let cut = |file: &dyn crate::disk::File| file.set_len(end).and_then(|()| file.sync());
            let healed = files.write(&self.path).and_then(cut);
            healed.map_err(|e| Error::io("mend", self.place.clone(), e))?;
            self.broken = false;
        }
        if self.unnamed {
            let named = files.disk().sync_dir(parent(&self.path));
            named.map_err(|e| Error::io("sync", Place::Directory, e))?;
            self.unnamed = false;
        }
        Ok(())
    }
}

/// An entry as it stands in the file.
pub(crate) fn image(entry: &Entry, key: &FileKey, offset: u64, payload: &[u8]) -> Vec<u8> {
    let span = entry.span() as usize;
    let mut bytes = Vec::with_capacity(span.max(HEADER));
    bytes.extend(entry.encode(key, offset));
    bytes.extend(payload);
    bytes.resize(span, 0);
    bytes
}

/// The directory of a file.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes a file if it is there.
pub(crate) fn remove_if_there(disk: &dyn crate::disk::Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

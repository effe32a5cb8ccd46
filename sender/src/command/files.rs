//! The files that a command was given: as they stand, or found in folders.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use karez_host::Failure;
use karez_imaging::ByteSource;
use karez_store::{Disk, EntryKind, File, OpenMode, RealDisk};

/// An open file, to be read from its beginning or at any place.
pub(super) struct Source {
    file: Box<dyn File>,
    length: u64,
    at: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = RealDisk.open(path, OpenMode::Read)?;
        let length = file.len()?;
        Ok(Self {
            file,
            length,
            at: 0,
        })
    }
}

impl Source {
    /// Whether it is a zip archive (its local file header signature, APPNOTE.TXT 4.3.7).
    pub(super) fn is_zip(&self) -> bool {
        let mut start = [0; 4];
        self.length >= 4 && self.file.read_at(0, &mut start).is_ok() && start == *b"PK\x03\x04"
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.length - self.at;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        self.file.read_at(self.at, &mut out[..count])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl ByteSource for Source {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buf)
    }
}

/// What became of one path.
pub(super) enum Found {
    /// A file with something in it.
    File(PathBuf),
    /// An empty file, or what is neither a file nor a folder: named and left out.
    Skipped(PathBuf, &'static str),
    /// It cannot be read.
    Unreadable(PathBuf, io::Error),
}

/// Walks files and folders, in order of their names.
pub(super) struct Walk {
    /// What is still to be looked at, the next one last.
    left: Vec<(PathBuf, Option<EntryKind>)>,
}

impl Walk {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let left = paths
            .iter()
            .rev()
            .map(|path| (path.clone(), None))
            .collect();
        Self { left }
    }

    fn enter(&mut self, folder: &Path) -> io::Result<()> {
        let inside = RealDisk.entries(folder)?.into_iter().rev();
        let inside = inside.map(|entry| (folder.join(entry.name), Some(entry.kind)));
        self.left.extend(inside);
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let (path, kind) = self.left.pop()?;
            // What was named by hand may be a link; what lies in a folder is not followed.
            let folder = match kind {
                None => RealDisk.entries(&path).is_ok(),
                Some(kind) => kind == EntryKind::Directory,
            };
            if folder {
                match self.enter(&path) {
                    Ok(()) => continue,
                    Err(error) => return Some(Found::Unreadable(path, error)),
                }
            }
            if kind == Some(EntryKind::Other) {
                return Some(Found::Skipped(path, "it is neither a file nor a folder"));
            }
            return Some(match RealDisk.len(&path) {
                Ok(Some(0)) => Found::Skipped(path, "it is empty"),
                Ok(Some(_)) => Found::File(path),
                Ok(None) => Found::Unreadable(path, io::ErrorKind::NotFound.into()),
                Err(error) => Found::Unreadable(path, error),
            });
        }
    }
}

/// A failure that names the file to the person who gave it. It goes to the terminal, never to a
/// log.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("a file cannot be read: {}", error.kind())).at(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_empty_files_are_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("b")).unwrap();
        for (name, bytes) in [("a", "1"), ("b/x", "22"), ("b/y", ""), ("c", "3")] {
            std::fs::write(root.path().join(name), bytes).unwrap();
        }
        let missing = root.path().join("missing");
        let mut seen = Vec::new();
        for found in Walk::new(&[root.path().to_owned(), missing]) {
            let (path, what) = match found {
                Found::File(path) => (path, "file"),
                Found::Skipped(path, _) => (path, "skipped"),
                Found::Unreadable(path, _) => (path, "unreadable"),
            };
            let name = path
                .strip_prefix(root.path())
                .unwrap()
                .display()
                .to_string();
            seen.push(format!("{name} {what}"));
        }
        assert_eq!(
            seen,
            [
                "a file",
                "b/x file",
                "b/y skipped",
                "c file",
                "missing unreadable"
            ]
        );
        std::fs::write(root.path().join("z"), "PK\x03\x04...").unwrap();
        assert!(Source::open(&root.path().join("z")).unwrap().is_zip());
        let mut text = String::new();
        let mut source = Source::open(&root.path().join("b/x")).unwrap();
        source.read_to_string(&mut text).unwrap();
        assert_eq!(text, "22");
    }
}

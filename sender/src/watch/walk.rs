//! What lies in a watched folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use karez_store::{Disk, EntryKind, Stamp};

use crate::limits::{WATCHED_DEPTH, WATCHED_FILES};

/// What was found.
#[derive(Default)]
pub(super) struct Listing {
    /// Files that may be images, in the order of their paths.
    pub(super) files: Vec<(PathBuf, Stamp)>,
    /// Files named as unfinished or hidden ones are, and links.
    pub(super) unfinished: u64,
    /// Why not all of it could be looked at.
    pub(super) problem: Option<String>,
}

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// Maybe an image.
    Image,
    /// Never an image (FIELD T6).
    Other,
    /// What programs call a file until it is whole.
    Unfinished,
}

/// Looks through `root` and all that is below it, except `spared` folders.
pub(super) fn list(disk: &dyn Disk, root: &Path, spared: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    let mut left = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = left.pop() {
        if spared.contains(&folder) {
            continue;
        }
        let entries = match disk.entries(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                let what = if depth == 0 { "it" } else { "a folder in it" };
                listing.problem = Some(format!("{what} cannot be read: {error}"));
                continue;
            }
        };
        for entry in entries.into_iter().rev() {
            let path = folder.join(&entry.name);
            match entry.kind {
                EntryKind::Directory if depth == WATCHED_DEPTH => {
                    listing.problem = Some("folders in it are nested too deep".to_owned());
                }
                EntryKind::Directory => left.push((path, depth + 1)),
                EntryKind::File => listing.add(disk, path, &entry.name),
                EntryKind::Other => listing.unfinished += 1,
            }
        }
    }
    listing.files.sort();
    listing
}

impl Listing {
    fn add(&mut self, disk: &dyn Disk, path: PathBuf, name: &OsStr) {
        match judge(name) {
            Name::Other => {}
            Name::Unfinished => self.unfinished += 1,
            Name::Image if self.files.len() >= WATCHED_FILES => {
                self.problem = Some("there are too many files in it: take some out".to_owned());
            }
            Name::Image => match disk.stamp(&path) {
                Ok(Some(stamp)) => self.files.push((path, stamp)),
                // It is gone already.
                Ok(None) => {}
                Err(error) => self.problem = Some(format!("a file cannot be looked at: {error}")),
            },
        }
    }
}

fn judge(name: &OsStr) -> Name {
    const OTHER: [&str; 4] = ["dicomdir", "thumbs.db", "desktop.ini", ".ds_store"];
    const UNFINISHED: [&str; 6] = [
        ".tmp",
        ".part",
        ".partial",
        ".filepart",
        ".crdownload",
        ".swp",
    ];
    let name = name.to_string_lossy().to_lowercase();
    if OTHER.contains(&name.as_str()) {
        return Name::Other;
    }
    let ends = |ending: &&str| name.ends_with(*ending);
    match name.starts_with(['.', '~']) || UNFINISHED.iter().any(ends) {
        true => Name::Unfinished,
        false => Name::Image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_store::{MemDisk, OpenMode};

    #[test]
    fn t06_dicomdir_thumbnails_and_unfinished_names_are_no_images() {
        for other in ["DICOMDIR", "dicomdir", "Thumbs.db", "desktop.ini"] {
            assert_eq!(judge(OsStr::new(other)), Name::Other, "{other}");
        }
        for unfinished in [".hidden", "~1.dcm", "x.dcm.part", "x.TMP"] {
            assert_eq!(judge(OsStr::new(unfinished)), Name::Unfinished);
        }
        for image in ["IM000001", "x.dcm", "1.2.840.10008", "tmp", "part.1"] {
            assert_eq!(judge(OsStr::new(image)), Name::Image, "{image}");
        }
    }

    #[test]
    fn folders_below_are_looked_through_except_the_spared() {
        let disk = MemDisk::new();
        for folder in ["/in/a/b", "/in/done"] {
            disk.create_dir_all(Path::new(folder)).unwrap();
        }
        for path in ["/in/2", "/in/a/b/1", "/in/done/0", "/in/a/DICOMDIR"] {
            disk.open(Path::new(path), OpenMode::CreateNew).unwrap();
        }
        let found = list(&disk, Path::new("/in"), &["/in/done".into()]);
        let paths: Vec<&str> = found.files.iter().filter_map(|f| f.0.to_str()).collect();
        assert_eq!(paths, ["/in/2", "/in/a/b/1"]);
        assert_eq!((found.unfinished, found.problem), (0, None));
        let missing = list(&disk, Path::new("/none"), &[]);
        assert!(missing.problem.unwrap().starts_with("it cannot be read"));
    }
}

//! Real files for a world: read from a folder when a modality hands them in, never copied.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use karez_dimse::Uid;
use karez_host::Failure;
use karez_receiver::Identity;

/// Folders below the given one that are looked into, and files of one study.
const DEPTH: usize = 16;
const FILES_MAX: usize = 100_000;
/// First bytes of a file in which its UID is looked for.
const FIRST: usize = 1 << 20;

/// The files of one folder: a study.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// The files, by name.
    pub files: Vec<PathBuf>,
    /// The bytes of each.
    pub bytes: Vec<u64>,
}

/// What was found in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Studies: each folder with images in it.
    pub studies: Vec<Folder>,
    /// Files that no archive could take, or whose image was found before: left out.
    pub skipped: u64,
}

/// Looks for images in a folder and those below it.
///
/// # Errors
/// It cannot be read, or nothing in it is an image.
pub fn find(dir: &Path) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    look(dir, DEPTH, &mut seen, &mut found)
        .map_err(|e| Failure::usage(format!("{}: {e}", dir.display())))?;
    if found.studies.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no DICOM file with a SOP Instance UID",
            dir.display()
        ))
        .fix("Give a folder of Part 10 files; each folder in it is a study"));
    }
    Ok(found)
}

fn look(
    dir: &Path,
    depth: usize,
    seen: &mut BTreeSet<String>,
    found: &mut Found,
) -> io::Result<()> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut own = Folder::default();
    for path in paths {
        if path.is_dir() {
            if depth > 0 {
                look(&path, depth - 1, seen, found)?;
            }
        } else if let Some((uid, bytes)) = image(&path)?
            && own.files.len() < FILES_MAX
            && seen.insert(uid)
        {
            own.files.push(path);
            own.bytes.push(bytes);
        } else {
            found.skipped += 1;
        }
    }
    if !own.files.is_empty() {
        found.studies.push(own);
    }
    Ok(())
}

/// An image's UID and length, if a file is one.
fn image(path: &Path) -> io::Result<Option<(String, u64)>> {
    use std::io::Read as _;
    let mut first = Vec::new();
    let file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.take(FIRST as u64).read_to_end(&mut first)?;
    let uid = uid(&first);
    Ok(uid.map(|uid| (uid.as_str().to_owned(), length)))
}

/// What an archive calls an image: the data set's UID, which its file meta group may contradict.
pub(super) fn uid(first: &[u8]) -> Option<Uid> {
    let identity = Identity::read(first).ok()?;
    Some(identity.sop_instance).filter(Uid::is_well_formed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Opaque;
    use crate::seed::Seed;

    #[test]
    fn each_folder_with_images_is_a_study_and_an_image_comes_once() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let image = |n| Opaque::new(Seed::new(n), 0, 1000).file;
        put("a/1", &image(1));
        put("a/2", &image(2));
        put("a/again", &image(1));
        put("a/notes.txt", b"hello");
        put("b/deep/3", &image(3));
        let found = find(dir.path()).unwrap();
        let counts: Vec<usize> = found.studies.iter().map(|s| s.files.len()).collect();
        assert_eq!((counts, found.skipped), (vec![2, 1], 2));
        let empty = tempfile::tempdir().unwrap();
        assert!(find(empty.path()).is_err());
    }
}

//! `backup` and `restore`: a copy of a data directory, taken while the daemon works.
//!
//! Journals are copied before ingest files, and these before packs: what a journal names is then in
//! what follows, or was put where the later copy finds it. A file that grows is copied up to the
//! length it had; the store makes such an end whole when it opens. What the copy lacks is found out
//! from the other side, as after any loss.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use karez_store::{Disk, EntryKind, OpenMode, read_whole, write_atomically};
use serde::{Deserialize, Serialize};

use crate::datadir::LOCK;
use crate::exit::Failure;
use crate::limits::{BACKUP_DEPTH, BACKUP_FILES, BACKUP_MANIFEST};

/// The list of what is in a backup.
pub const MANIFEST: &str = "backup.json";

const PIECE: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
struct Manifest {
    program: String,
    version: String,
    files: BTreeMap<String, Copied>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Copied {
    bytes: u64,
    blake3: String,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Copies the data directory `from` of `program` to the new directory `to`. The copy holds the keys.
///
/// # Errors
/// `to` is there already, is within `from`, or one of the disks fails.
pub fn backup(disk: &dyn Disk, program: &str, from: &Path, to: &Path) -> Result<Done, Failure> {
    if to.starts_with(from) {
        return Err(
            Failure::usage("a backup within the data directory would copy itself")
                .at(to.display())
                .fix("Give a directory on another disk"),
        );
    }
    must_be_new(disk, to)?;
    let mut names = Vec::new();
    walk(disk, from, Path::new(""), 0, &mut names).map_err(|e| failed("read", from, &e))?;
    names.sort_by_key(|name| (order(name), name.clone()));
    let mut files = BTreeMap::new();
    for name in names {
        match copy(disk, &from.join(&name), &to.join(&name)) {
            Ok(copied) => drop(files.insert(name.to_string_lossy().into_owned(), copied)),
            // Released and removed meanwhile, or moved to where it is copied later.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("copied", &from.join(&name), &error)),
        }
    }
    let done = sum(&files);
    let manifest = Manifest {
        program: program.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        files,
    };
    let json = serde_json::to_vec(&manifest).map_err(|e| Failure::new(e.to_string()))?;
    write_atomically(disk, &to.join(MANIFEST), &json)?;
    Ok(done)
}

/// Copies a backup of `program` to the new data directory `to`, and proves every byte.
///
/// # Errors
/// It is no backup of this program, a file of it is missing or altered, `to` is there already, or
/// one of the disks fails.
pub fn restore(disk: &dyn Disk, program: &str, from: &Path, to: &Path) -> Result<Done, Failure> {
    let none = || {
        Failure::new("this is not a complete backup")
            .at(from.join(MANIFEST).display())
            .fix("Give a directory that `backup` has made to its end")
    };
    let json = read_whole(disk, &from.join(MANIFEST), BACKUP_MANIFEST)?.ok_or_else(none)?;
    let manifest: Manifest = serde_json::from_slice(&json).map_err(|_| none())?;
    if manifest.program != program {
        let whose = format!("this is a backup of {}, not of {program}", manifest.program);
        return Err(Failure::new(whose).at(from.display()));
    }
    must_be_new(disk, to)?;
    for (name, promised) in &manifest.files {
        let name = Path::new(name);
        if !name
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(none());
        }
        let copied = copy(disk, &from.join(name), &to.join(name));
        let copied = copied.map_err(|error| failed("copied", &from.join(name), &error))?;
        if copied != *promised {
            return Err(
                Failure::new("a file of the backup was altered, or its disk is failing")
                    .at(from.join(name).display())
                    .fix("Use another backup"),
            );
        }
    }
    Ok(sum(&manifest.files))
}

fn sum(files: &BTreeMap<String, Copied>) -> Done {
    Done {
        files: files.len(),
        bytes: files.values().map(|copied| copied.bytes).sum(),
    }
}

/// See the module.
fn order(name: &Path) -> u8 {
    match name.components().next().map(Component::as_os_str) {
        Some(first) if first == "journals" => 0,
        Some(first) if first == "ingest" => 2,
        Some(first) if first == "packs" => 3,
        _ => 1,
    }
}

fn must_be_new(disk: &dyn Disk, to: &Path) -> Result<(), Failure> {
    let taken = disk.entries(to).is_ok_and(|entries| !entries.is_empty());
    if taken {
        return Err(Failure::new("something is there already")
            .at(to.display())
            .fix("Give a directory that does not exist"));
    }
    disk.create_dir_all(to).map_err(|e| failed("made", to, &e))
}

/// Files below `dir`, as paths from `root`.
fn walk(
    disk: &dyn Disk,
    root: &Path,
    dir: &Path,
    depth: usize,
    into: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in disk.entries(&root.join(dir))? {
        let name = dir.join(&entry.name);
        match entry.kind {
            EntryKind::Directory if depth < BACKUP_DEPTH => {
                walk(disk, root, &name, depth + 1, into)?;
            }
            EntryKind::File if name != Path::new(LOCK) => into.push(name),
            _ => {}
        }
        if into.len() > BACKUP_FILES {
            return Err(io::Error::other("more files than a data directory has"));
        }
    }
    Ok(())
}

/// Copies a file up to the length that it has now, durably.
fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<Copied> {
    let source = disk.open(from, OpenMode::Read)?;
    let length = source.len()?;
    let folder = to.parent().unwrap_or(to);
    disk.create_dir_all(folder)?;
    let target = disk.open(to, OpenMode::CreateNew)?;
    let (mut at, mut piece, mut hasher) = (0, vec![0; PIECE], blake3::Hasher::new());
    while at < length {
        let left = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
        source.read_at(at, &mut piece[..left])?;
        target.write_at(at, &piece[..left])?;
        hasher.update(&piece[..left]);
        at += left as u64;
    }
    target.sync()?;
    disk.sync_dir(folder)?;
    Ok(Copied {
        bytes: length,
        blake3: hasher.finalize().to_hex().to_string(),
    })
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("it cannot be {what}: {error}"))
        .at(path.display())
        .fix("Check both disks, and that this user may read and write there")
}

#[cfg(test)]
mod tests {
    use karez_store::RealDisk;

    use super::*;

    fn made() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        for (name, text) in [
            ("config.toml", "a"),
            ("packs/1", "bb"),
            ("journals/x", "ccc"),
            ("lock", ""),
        ] {
            let path = data.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let copy = dir.path().join("copy");
        (dir, data, copy)
    }

    #[test]
    fn a_backup_restores_every_byte_and_nothing_is_written_over() {
        let (dir, data, to) = made();
        let done = backup(&RealDisk, "karez-x", &data, &to).unwrap();
        assert_eq!(done, Done { files: 3, bytes: 6 });
        assert!(backup(&RealDisk, "karez-x", &data, &to).is_err());
        let back = dir.path().join("back");
        assert_eq!(restore(&RealDisk, "karez-x", &to, &back).unwrap(), done);
        assert_eq!(
            std::fs::read_to_string(back.join("journals/x")).unwrap(),
            "ccc"
        );
        assert!(
            restore(&RealDisk, "karez-x", &to, &back).is_err(),
            "it is there already"
        );
        let other = restore(&RealDisk, "karez-y", &to, &dir.path().join("z")).unwrap_err();
        assert!(other.cause.contains("backup of karez-x"), "{other}");
        assert!(backup(&RealDisk, "karez-x", &data, &data.join("packs/b")).is_err());
    }

    #[test]
    fn an_altered_or_unfinished_backup_is_refused() {
        let (dir, data, to) = made();
        backup(&RealDisk, "karez-x", &data, &to).unwrap();
        std::fs::write(to.join("packs/1"), "bX").unwrap();
        let failure = restore(&RealDisk, "karez-x", &to, &dir.path().join("p")).unwrap_err();
        assert!(failure.cause.contains("altered"), "{failure}");
        std::fs::remove_file(to.join(MANIFEST)).unwrap();
        let failure = restore(&RealDisk, "karez-x", &to, &dir.path().join("q")).unwrap_err();
        assert!(failure.cause.contains("not a complete backup"), "{failure}");
    }

    #[test]
    fn journals_are_copied_before_what_they_name() {
        let of = |name: &str| order(Path::new(name));
        assert!(of("journals/a") < of("ingest/b") && of("ingest/b") < of("packs/c"));
        assert!(of("journals/a") < of("config.toml"));
    }
}

//! The data directory: where it is, that it is ours alone, and that one daemon has it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karez_store::{Disk, Lock};
use rustix::fs::Mode;

use crate::exit::Failure;

/// The file that a daemon locks while it works on a data directory.
pub const LOCK: &str = "lock";
/// The configuration file in a data directory.
pub const CONFIG: &str = "config.toml";

/// Where `program` keeps its data: what was given, or `/var/lib/PROGRAM` where that exists.
///
/// # Errors
/// None was given and there is no default here.
pub fn resolve(program: &str, given: Option<&Path>) -> Result<PathBuf, Failure> {
    resolve_in(Path::new("/var/lib"), program, given)
}

fn resolve_in(lib: &Path, program: &str, given: Option<&Path>) -> Result<PathBuf, Failure> {
    let default = lib.join(program);
    match given {
        Some(path) => Ok(path.to_owned()),
        None if default.is_dir() => Ok(default),
        None => Err(Failure::usage("it is not known where the data is")
            .at(format!("{} is not there", default.display()))
            .fix("Give the data directory with --data DIR")),
    }
}

/// A data directory that this process alone works on, until it is dropped.
pub struct DataDir {
    path: PathBuf,
    _lock: Box<dyn Lock>,
}

impl DataDir {
    /// Makes the directory (0700) if it is missing, and locks it.
    ///
    /// # Errors
    /// It cannot be made, or another process has it.
    pub fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, Failure> {
        disk.create_dir_all(path)
            .map_err(|error| unusable("cannot be made", path, &error))?;
        let lock = disk
            .lock(&path.join(LOCK))
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => {
                    Failure::new("another process works on the data directory")
                        .at(path.display())
                        .fix("Stop it first, or give another directory with --data")
                }
                _ => unusable("cannot be locked", path, &error),
            })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataDir").field(&self.path).finish()
    }
}

/// Shuts an existing directory on the real disk to everybody but its owner and group.
///
/// # Errors
/// It belongs to somebody else.
pub fn keep_others_out(path: &Path) -> Result<(), Failure> {
    let others = 0o007;
    let tighten = || {
        let mode = rustix::fs::stat(path)?.st_mode & 0o7777;
        if mode & others == 0 {
            return Ok(());
        }
        rustix::fs::chmod(path, Mode::from_raw_mode(mode & !others))
    };
    tighten().map_err(|errno| unusable("is open to everybody", path, &errno.into()))
}

fn unusable(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("the data directory {what}: {error}"))
        .at(path.display())
        .fix("Let the daemon's user own it, on a disk that can be written")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use karez_store::RealDisk;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_given_directory_wins_then_the_default_then_an_error_with_the_fix() {
        let lib = tempfile::tempdir().unwrap();
        let failure = resolve_in(lib.path(), "karez-sender", None).unwrap_err();
        assert!(failure.to_string().contains("--data DIR"), "{failure}");
        let default = lib.path().join("karez-sender");
        std::fs::create_dir(&default).unwrap();
        assert_eq!(resolve_in(lib.path(), "karez-sender", None), Ok(default));
        let given = Path::new("elsewhere");
        assert_eq!(resolve_in(lib.path(), "x", Some(given)), Ok(given.into()));
    }

    #[test]
    fn a_data_directory_is_private_and_held_by_one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let held = DataDir::open(&disk, &path).unwrap();
        assert_eq!((held.path(), mode(&path)), (path.as_path(), 0o700));
        let failure = DataDir::open(&disk, &path).unwrap_err();
        assert!(failure.cause.contains("another process"), "{failure}");
        drop(held);
        DataDir::open(&disk, &path).unwrap();
    }

    #[test]
    fn others_are_kept_out_of_a_directory_that_was_open() {
        let path = tempfile::tempdir().unwrap();
        for (before, after) in [(0o755, 0o750), (0o777, 0o770), (0o700, 0o700)] {
            std::fs::set_permissions(path.path(), PermissionsExt::from_mode(before)).unwrap();
            keep_others_out(path.path()).unwrap();
            assert_eq!(mode(path.path()), after);
        }
    }
}

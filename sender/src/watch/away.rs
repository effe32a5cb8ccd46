//! Putting files away once they are accepted.

use std::io;
use std::path::{Path, PathBuf};

use karez_store::{Disk, Stamp};

use super::settings::After;

/// Names tried for a file whose own is taken where it is moved to.
const NAMES: u32 = 10_000;

/// Deletes or moves a file, unless it was changed since it was taken: then it is another one.
///
/// # Errors
/// The disk's.
pub(super) fn put_away(
    disk: &dyn Disk,
    folder: &Path,
    (path, stamp): (&Path, Stamp),
    after: &After,
) -> io::Result<()> {
    if disk.stamp(path)? != Some(stamp) {
        return Ok(());
    }
    match after.target(folder) {
        Some(target) => move_to(disk, path, &target.join(below(path, folder))),
        None if *after == After::Delete => disk.remove(path),
        None => Ok(()),
    }
}

fn below<'a>(path: &'a Path, folder: &Path) -> &'a Path {
    path.strip_prefix(folder).unwrap_or(path)
}

/// Moves a file, under another name if its own is taken: nothing is overwritten.
fn move_to(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        disk.create_dir_all(parent)?;
    }
    for number in 0..NAMES {
        let to = numbered(to, number);
        if disk.stamp(&to)?.is_none() {
            return disk.rename(from, &to);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_store::{MemDisk, OpenMode};

    fn write(disk: &MemDisk, path: &str, bytes: &[u8]) -> Stamp {
        let path = Path::new(path);
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        let file = disk.open(path, OpenMode::CreateNew).unwrap();
        file.write_at(0, bytes).unwrap();
        disk.stamp(path).unwrap().unwrap()
    }

    #[test]
    fn a_moved_file_overwrites_nothing_and_keeps_its_sub_folder() {
        let disk = MemDisk::new();
        let after = After::Move("done".into());
        for _ in 0..2 {
            let stamp = write(&disk, "/in/sub/x", b"image");
            let file = (Path::new("/in/sub/x"), stamp);
            put_away(&disk, Path::new("/in"), file, &after).unwrap();
        }
        assert_eq!(disk.list(Path::new("/in/done/sub")).unwrap(), ["x", "x.1"]);
        assert!(disk.list(Path::new("/in/sub")).unwrap().is_empty());
    }

    #[test]
    fn a_file_written_again_since_is_left_where_it_is() {
        let disk = MemDisk::new();
        let stamp = write(&disk, "/in/x", b"image");
        let file = disk.open(Path::new("/in/x"), OpenMode::ReadWrite).unwrap();
        file.write_at(0, b"other").unwrap();
        let taken = (Path::new("/in/x"), stamp);
        put_away(&disk, Path::new("/in"), taken, &After::Delete).unwrap();
        assert_eq!(disk.len(Path::new("/in/x")).unwrap(), Some(5));
    }
}

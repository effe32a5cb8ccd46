//! One file of a watched folder: what it is, and its way in.

use std::io;
use std::path::Path;

use karez_host::Failure;
use karez_imaging::{ByteSource, plan};
use karez_store::{Disk, File, OpenMode, Stamp};

use crate::daemon::Handle;
use crate::ingest::Given;
use crate::limits::WATCH_READ;

/// A basic directory of media (PS3.3 F), by whatever name.
const MEDIA_DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image, or another instance, that makes sense to its end.
    Whole,
    /// One that ends too early, or is damaged.
    Cut,
    /// A DICOMDIR.
    Directory,
    /// Nothing of DICOM is in it.
    Strange,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is accepted for good.
    Taken,
    /// Somebody wrote to it while it was read.
    Changed,
    /// The sender stops.
    Stopped,
}

struct Source {
    file: Box<dyn File>,
    length: u64,
}

impl ByteSource for Source {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buf)
    }
}

/// What a file is, by a walk over its elements: its pixel data is not read.
pub(super) fn kind(disk: &dyn Disk, path: &Path) -> io::Result<Kind> {
    let file = disk.open(path, OpenMode::Read)?;
    let length = file.len()?;
    let plan = plan(&Source { file, length })?;
    Ok(match plan.info.sop_class_uid.as_deref() {
        Some(MEDIA_DIRECTORY) => Kind::Directory,
        _ if plan.info.whole => Kind::Whole,
        _ if plan.head.raw_len() == 0 => Kind::Strange,
        _ => Kind::Cut,
    })
}

/// Takes a file in as it is.
///
/// # Errors
/// It cannot be read, or the spool does not take it.
pub(super) async fn take(
    disk: &dyn Disk,
    handle: &Handle,
    (path, stamp): (&Path, Stamp),
    stopping: impl Fn() -> bool,
) -> Result<Outcome, Failure> {
    let unreadable = |e: io::Error| Failure::new(format!("a file cannot be read: {e}"));
    let file = disk.open(path, OpenMode::Read).map_err(unreadable)?;
    let folder = path.parent().unwrap_or(path);
    let mut intake = handle.by("watched folder").intake(Given {
        folder: folder.as_os_str().as_encoded_bytes().to_vec(),
        class: None,
    })?;
    let mut piece = vec![0; WATCH_READ];
    let mut at = 0;
    while at < stamp.len {
        if stopping() {
            return Ok(Outcome::Stopped);
        }
        let count = (stamp.len - at).min(WATCH_READ as u64) as usize;
        match file.read_at(at, &mut piece[..count]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Outcome::Changed),
            read => read.map_err(unreadable)?,
        }
        intake.write(&piece[..count]).await?;
        at += count as u64;
    }
    if disk.stamp(path).map_err(unreadable)? != Some(stamp) {
        return Ok(Outcome::Changed);
    }
    intake.finish().await.map(|_| Outcome::Taken)
}

//! The socket file: bound under another name, given its mode, then renamed into place, so that at
//! its name it never has a wrong mode and a dead daemon's socket is replaced at once.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

use super::SOCKET;

/// A path for a socket is cut at 108 bytes by the kernel.
const LONGEST: usize = 100;

/// Binds the socket of a data directory. `group` opens it to the directory's group.
pub(super) fn bind(directory: &Path, group: bool) -> io::Result<UnixListener> {
    let place = Reach::new(directory)?;
    let (fresh, named) = (place.path("control.sock.new"), place.path(SOCKET));
    match rustix::fs::unlink(&fresh) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let listener = UnixListener::bind(&fresh)?;
    if group {
        let gid = Gid::from_raw(rustix::fs::stat(directory)?.st_gid);
        rustix::fs::chownat(CWD, &fresh, None, Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    let mode = if group { 0o660 } else { 0o600 };
    rustix::fs::chmod(&fresh, Mode::from_raw_mode(mode))?;
    rustix::fs::rename(&fresh, &named)?;
    Ok(listener)
}

/// Connects to the socket of a data directory.
pub(super) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let place = Reach::new(directory)?;
    UnixStream::connect(place.path(SOCKET)).await
}

/// Removes the socket of a daemon that stops.
pub(super) fn remove(directory: &Path) {
    // A socket that stays is replaced by the next daemon and refuses connections until then.
    let _ = rustix::fs::unlink(directory.join(SOCKET));
}

/// A directory, and a short way to it where its path is too long for a socket.
struct Reach {
    directory: PathBuf,
    _open: Option<OwnedFd>,
}

impl Reach {
    fn new(directory: &Path) -> io::Result<Self> {
        if directory.as_os_str().len() + SOCKET.len() < LONGEST {
            return Ok(Self {
                directory: directory.to_owned(),
                _open: None,
            });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(directory, flags, Mode::empty())?;
        Ok(Self {
            directory: format!("/proc/self/fd/{}", open.as_raw_fd()).into(),
            _open: Some(open),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

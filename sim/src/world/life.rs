//! One start of a machine, until its power goes.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use karez_quic::net::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};
use karez_store::{DirEntry, Disk, File, Lock, MemDisk, OpenMode, Space, Stamp};
use tokio::task::{AbortHandle, JoinHandle};

/// Finished tasks are forgotten when so many are known.
const SWEEP: usize = 64;

/// What runs on a machine from a start until its power goes. Clones are the same life.
#[derive(Clone, Default)]
pub(super) struct Life(Arc<Inner>);

#[derive(Default)]
struct Inner {
    over: AtomicBool,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Life {
    /// The power goes: every task ends where it stands, and nothing is said or written any more.
    pub(super) fn end(&self) {
        self.0.over.store(true, Ordering::Relaxed);
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain(..) {
            task.abort();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }

    /// A task that ends with this life.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if self.is_over() {
            return;
        }
        let task: JoinHandle<()> = tokio::spawn(task);
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.len() >= SWEEP && tasks.len().is_power_of_two() {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(task.abort_handle());
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Life(over: {})", self.is_over())
    }
}

/// Timers and tasks of QUIC that end with a life.
impl Runtime for Life {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        Self::spawn(self, task);
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> std::time::Instant {
        TokioRuntime.now()
    }
}

/// A machine's disk, as a life sees it: dead once the life is over.
pub(super) struct LifeDisk {
    pub(super) disk: MemDisk,
    pub(super) life: Life,
}

impl LifeDisk {
    fn live(&self) -> io::Result<&MemDisk> {
        if self.life.is_over() {
            return Err(io::Error::other("killed"));
        }
        Ok(&self.disk)
    }
}

impl Disk for LifeDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        self.live()?.open(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.live()?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.live()?.remove(path)
    }

    fn entries(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.live()?.entries(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.live()?.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.live()?.sync_dir(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.live()?.space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.live()?.lock(path)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        self.live()?.len(path)
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.live()?.stamp(path)
    }
}

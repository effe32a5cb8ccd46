//! [`Env`]: everything a daemon needs from the world, real ([`RealEnv`](crate::real::RealEnv)) or
//! simulated, so that the simulator runs the shipped code (ARCHITECTURE I10).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// A future that can be kept and sent.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A job for the work threads.
pub type Job = Box<dyn FnOnce() + Send>;

/// The world.
pub trait Env: Send + Sync + 'static {
    /// A clock that never goes back and counts the time that the machine slept. It measures ages
    /// and silences. To wait for one of its instants use [`Env::sleep_until`]: tokio's own timers
    /// stand still while the machine sleeps.
    fn now(&self) -> Instant;

    /// Waits until [`Env::now`] has reached `at`.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;

    /// Seconds since 1970. It may be wrong, may jump and may be negative: for people, never for
    /// lifetimes or nonces (ARCHITECTURE I5).
    fn wall(&self) -> i64;

    /// Fills `buf` with random bytes that nobody can guess.
    fn entropy(&self, buf: &mut [u8]);

    /// The disk.
    fn disk(&self) -> Arc<dyn karez_store::Disk>;

    /// Datagrams.
    fn net(&self) -> Arc<dyn karez_quic::Net>;

    /// Runs a job that computes, off the reactor. The future starts it when first polled, waits
    /// for room in a bounded queue and ends with the job. Dropped before that, the job may still
    /// run. `cost_hint_bytes` is what it will go through: the simulator turns it into time.
    fn work(&self, job: Job, cost_hint_bytes: u64) -> BoxFuture<'static, ()>;

    /// How many jobs run at a time. One in the simulator, so that a run is the same on every machine.
    fn cores(&self) -> usize {
        1
    }

    /// Starts an actor that makes blocking calls of the store: a thread with a runtime of its own,
    /// or a plain task in the simulator.
    ///
    /// # Errors
    /// The system has no thread left.
    fn spawn_engine(&self, name: &'static str, run: BoxFuture<'static, ()>) -> io::Result<Engine>;

    /// Connects a byte stream to `HOST:PORT`, within [`STREAM_CONNECT`](crate::limits::STREAM_CONNECT).
    fn connect_stream(&self, to: &str) -> BoxFuture<'static, io::Result<BoxStream>>;

    /// Listens for byte streams.
    fn listen_stream(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>>;

    /// Counts the moments at which sending may have become possible again: an interface got its
    /// carrier or an address, the machine woke from sleep. Each growth is worth a probe.
    fn link_events(&self) -> watch::Receiver<u64>;
}

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A byte stream, real or simulated.
pub type BoxStream = Box<dyn Stream>;

/// Where byte streams arrive.
pub trait Listener: Send {
    /// The next one, and from where.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>>;

    /// Where it listens: the port, when 0 was asked for.
    ///
    /// # Errors
    /// What the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A listener, real or simulated.
pub type BoxListener = Box<dyn Listener>;

/// A job panicked. The panic itself was logged where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job ended without a result")]
pub struct WorkLost;

/// Runs a job as [`Env::work`] does, and returns its result.
///
/// # Errors
/// The job panicked.
pub async fn work<T: Send + 'static>(
    env: &dyn Env,
    cost_hint_bytes: u64,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WorkLost> {
    let (result, done) = oneshot::channel();
    let job = Box::new(move || drop(result.send(job())));
    env.work(job, cost_hint_bytes).await;
    done.await.map_err(|_| WorkLost)
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    name: &'static str,
    ended: oneshot::Receiver<()>,
}

impl Engine {
    /// An engine and its end, for those who implement [`Env::spawn_engine`].
    #[must_use]
    pub fn new(name: &'static str) -> (Self, EngineEnd) {
        let (end, ended) = oneshot::channel();
        (Self { name, ended }, EngineEnd(end))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It ended by a panic.
    pub async fn join(self) -> Result<(), EngineLost> {
        self.ended.await.map_err(|_| EngineLost(self.name))
    }
}

/// Marks that an engine came to its end; dropped without, it counts as lost.
#[derive(Debug)]
pub struct EngineEnd(oneshot::Sender<()>);

impl EngineEnd {
    /// The engine's future has returned.
    pub fn reached(self) {
        // Nobody may be waiting.
        let _ = self.0.send(());
    }
}

/// An engine ended by a panic. The panic itself was logged where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine `{0}` ended by a bug")]
pub struct EngineLost(pub &'static str);

//! A clinic whose world is in memory and in tokio's paused time, and a hub made of the core's
//! `Sink`, so that the sender is tested without the receiver.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test file uses its part; a test fails by panicking"
)]

pub mod clinic;
pub mod hub;
#[path = "../../../protocol/quic/tests/support/net.rs"]
pub mod net;
pub mod rebuild;
pub mod scanner;
pub mod streams;
pub mod transfer;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use karez_host::Env;
use karez_host::env::{BoxFuture, BoxListener, BoxStream, Engine, Job};
use karez_quic::Net;
use karez_store::{Disk, MemDisk};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The world of one clinic.
pub struct TestEnv {
    pub disk: MemDisk,
    net: Arc<dyn Net>,
    draws: Mutex<(u64, u64)>,
    engines: Mutex<Vec<AbortHandle>>,
    links: watch::Sender<u64>,
    pub streams: streams::Streams,
    pub wall: Mutex<i64>,
    /// Bytes that a job works through in a second; 0 takes no time.
    speed: AtomicU64,
    cores: AtomicUsize,
}

/// Shows the logs of a test when RUST_LOG says so.
pub fn logs() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer();
    let _ = builder.try_init();
}

impl TestEnv {
    pub fn new(disk: MemDisk, net: Arc<dyn Net>, seed: u64) -> Arc<Self> {
        logs();
        Arc::new(Self {
            disk,
            net,
            draws: Mutex::new((seed, 0)),
            engines: Mutex::default(),
            links: watch::Sender::new(0),
            streams: streams::Streams::default(),
            wall: Mutex::new(1_790_000_000),
            speed: AtomicU64::new(0),
            cores: AtomicUsize::new(1),
        })
    }

    /// From now on a job takes time.
    pub fn set_speed(&self, bytes_per_s: u64) {
        self.speed.store(bytes_per_s, Ordering::Relaxed);
    }

    /// For programs started from now on.
    pub fn set_cores(&self, cores: usize) {
        self.cores.store(cores, Ordering::Relaxed);
    }

    /// Ends every engine where it stands.
    pub fn kill(&self) {
        for engine in self.engines.lock().unwrap().drain(..) {
            engine.abort();
        }
    }
}

impl Env for TestEnv {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(at))
    }

    fn cores(&self) -> usize {
        self.cores.load(Ordering::Relaxed)
    }

    fn wall(&self) -> i64 {
        *self.wall.lock().unwrap()
    }

    fn entropy(&self, buf: &mut [u8]) {
        let mut draws = self.draws.lock().unwrap();
        draws.1 += 1;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&draws.0.to_le_bytes());
        hasher.update(&draws.1.to_le_bytes());
        hasher.finalize_xof().fill(buf);
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    fn net(&self) -> Arc<dyn Net> {
        self.net.clone()
    }

    /// Runs jobs on the spot: one that waited for the engine would wait for ever.
    fn work(&self, job: Job, cost_hint_bytes: u64) -> BoxFuture<'static, ()> {
        let speed = self.speed.load(Ordering::Relaxed);
        Box::pin(async move {
            if let Some(millis) = (cost_hint_bytes * 1000).checked_div(speed) {
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            job();
        })
    }

    fn spawn_engine(&self, name: &'static str, run: BoxFuture<'static, ()>) -> io::Result<Engine> {
        let (engine, end) = Engine::new(name);
        let task = tokio::spawn(async move {
            run.await;
            end.reached();
        });
        self.engines.lock().unwrap().push(task.abort_handle());
        Ok(engine)
    }

    /// Reaches whatever listens on that port of this world, which has one machine for streams.
    fn connect_stream(&self, to: &str) -> BoxFuture<'static, io::Result<BoxStream>> {
        let at: Option<SocketAddr> = to.parse().ok();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let stream = at.ok_or_else(refused);
        let stream = stream.and_then(|at| self.streams.dial(at.port(), at.ip()));
        Box::pin(async { Ok(Box::new(stream?) as BoxStream) })
    }

    fn listen_stream(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>> {
        self.streams.listen(at)
    }

    fn link_events(&self) -> watch::Receiver<u64> {
        self.links.subscribe()
    }
}

/// Waits until `done`, at most an hour of tokio's time.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(3600);
    while !done().await {
        assert!(Instant::now() < end, "not within an hour: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `len` bytes that do not compress.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// A DICOM file of one native 16-bit image of 64 columns, with a name that must appear nowhere.
pub fn dicom(study: &str, name: &str, rows: u16, seed: u64) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    let meta = element(2, 0x10, *b"UI", b"1.2.840.10008.1.2.1\0");
    file.extend(element(2, 0, *b"UL", &(meta.len() as u32).to_le_bytes()));
    file.extend(meta);
    file.extend(element(8, 0x60, *b"CS", b"CT"));
    file.extend(element(0x10, 0x10, *b"PN", &even(name)));
    file.extend(element(0x20, 0x0d, *b"UI", &even(study)));
    for (tag, value) in [
        (2, 1),
        (0x10, rows),
        (0x11, 64),
        (0x100, 16),
        (0x101, 12),
        (0x103, 0),
    ] {
        file.extend(element(0x28, tag, *b"US", &u16::to_le_bytes(value)));
    }
    let samples = noise(seed, usize::from(rows) * 64 * 2);
    let samples: Vec<u8> = samples
        .chunks(2)
        .flat_map(|two| [two[0], two[1] & 0x0f])
        .collect();
    file.extend([0xe0, 0x7f, 0x10, 0]);
    file.extend(b"OW\0\0");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    file
}

pub fn element(group: u16, tag: u16, vr: [u8; 2], value: &[u8]) -> Vec<u8> {
    let head = [
        group.to_le_bytes(),
        tag.to_le_bytes(),
        vr,
        (value.len() as u16).to_le_bytes(),
    ];
    [&head.concat(), value].concat()
}

pub fn even(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

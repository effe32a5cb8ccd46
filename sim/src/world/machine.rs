//! One machine of the world: what a daemon sees of it through [`Env`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_host::Env;
use karez_host::env::{BoxFuture, BoxListener, BoxStream, Engine, Job};
use karez_quic::Net;
use karez_quic::net::AsyncUdpSocket;
use karez_store::{Disk, MemDisk};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;

use super::air::Air;
use super::stream::Streams;
use crate::seed::Seed;

/// A machine. It outlives the daemons that run on it, as its disk does.
pub struct Machine {
    ip: IpAddr,
    air: Air,
    streams: Streams,
    disk: MemDisk,
    random: Arc<Mutex<ChaCha12Rng>>,
    link_up: watch::Sender<u64>,
    /// Seconds between 1970 and the start, as its clock says.
    wall: i64,
    /// Bytes per second that its processor packs or unpacks; none: in no time.
    speed: Option<u64>,
}

impl Machine {
    /// A machine at `ip` with an empty disk, drawing its randomness from `seed`.
    #[must_use]
    pub fn new(air: &Air, ip: IpAddr, seed: Seed) -> Self {
        Self {
            ip,
            air: air.clone(),
            streams: Streams::default(),
            disk: MemDisk::new(),
            random: Arc::new(Mutex::new(ChaCha12Rng::from_seed(seed.bytes()))),
            link_up: watch::channel(0).0,
            wall: 1_754_247_600,
            speed: None,
        }
    }

    /// The same machine with another clock, in seconds since 1970.
    #[must_use]
    pub fn with_wall(mut self, wall: i64) -> Self {
        self.wall = wall;
        self
    }

    /// The same machine with a processor that takes its time, in virtual time only.
    #[must_use]
    pub fn with_speed(mut self, bytes_per_second: u64) -> Self {
        self.speed = Some(bytes_per_second);
        self
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &MemDisk {
        &self.disk
    }

    /// Tells its daemons that an interface has come up.
    pub fn link_up(&self) {
        self.link_up.send_modify(|count| *count += 1);
    }

    /// What a daemon started on it now is given.
    #[must_use]
    pub fn env(self: &Arc<Self>) -> Arc<dyn Env> {
        Arc::new(MachineEnv(self.clone()))
    }

    fn random(&self, out: &mut [u8]) {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(out);
    }

    fn wall(&self) -> i64 {
        let elapsed = i64::try_from(self.air.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.wall.saturating_add(elapsed)
    }
}

/// The [`Env`] of a [`Machine`].
pub struct MachineEnv(Arc<Machine>);

impl Env for MachineEnv {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(at))
    }

    fn wall(&self) -> i64 {
        self.0.wall()
    }

    fn entropy(&self, buf: &mut [u8]) {
        self.0.random(buf);
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.0.disk.clone())
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::new(MachineNet(self.0.clone()))
    }

    fn work(&self, job: Job, cost_hint_bytes: u64) -> BoxFuture<'static, ()> {
        let cost = self
            .0
            .speed
            .map(|speed| Duration::from_secs_f64(cost_hint_bytes as f64 / speed.max(1) as f64));
        Box::pin(async move {
            if let Some(cost) = cost {
                tokio::time::sleep(cost).await;
            }
            job();
        })
    }

    fn spawn_engine(&self, name: &'static str, run: BoxFuture<'static, ()>) -> io::Result<Engine> {
        let (engine, end) = Engine::new(name);
        tokio::spawn(async move {
            run.await;
            end.reached();
        });
        Ok(engine)
    }

    fn connect_stream(&self, to: &str) -> BoxFuture<'static, io::Result<BoxStream>> {
        self.0.streams.connect(to, SocketAddr::new(self.0.ip, 0))
    }

    fn listen_stream(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>> {
        let listener = self.0.streams.listen(at);
        Box::pin(async move { listener })
    }

    fn link_events(&self) -> watch::Receiver<u64> {
        self.0.link_up.subscribe()
    }
}

struct MachineNet(Arc<Machine>);

impl Net for MachineNet {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.0.air.bind(SocketAddr::new(self.0.ip, addr.port()))
    }

    fn random(&self) -> [u8; 32] {
        let mut out = [0; 32];
        self.0.random(&mut out);
        out
    }

    fn wall(&self) -> i64 {
        self.0.wall()
    }
}

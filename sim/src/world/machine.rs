//! One machine of the world: what a daemon sees of it through [`Env`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use karez_dimse::stub::Pacs;
use karez_host::Env;
use karez_host::env::{BoxFuture, BoxListener, BoxStream, Engine, Job};
use karez_quic::Net;
use karez_quic::net::{AsyncUdpSocket, Runtime};
use karez_store::{Disk, MemDisk};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;

use super::air::Air;
use super::life::{Life, LifeDisk};
use super::stream::Streams;
use crate::seed::Seed;

/// What the truth says when the world starts: 4 August 2025, 00:00 in Pakistan.
const START: i64 = 1_754_247_600;

/// A machine. It outlives the daemons that run on it, as its disk does.
pub struct Machine {
    ip: IpAddr,
    air: Air,
    streams: Streams,
    disk: MemDisk,
    random: Arc<Mutex<ChaCha12Rng>>,
    link_up: watch::Sender<u64>,
    /// Seconds between 1970 and the start, as its clock says.
    wall: AtomicI64,
    /// Starts since the power went last.
    lives: Mutex<Vec<Life>>,
    /// An archive on its own network, and where.
    pacs: Option<(String, Pacs)>,
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
            wall: AtomicI64::new(START),
            lives: Mutex::default(),
            pacs: None,
            speed: None,
        }
    }

    /// The same machine with another clock, in seconds since 1970.
    #[must_use]
    pub fn with_wall(self, wall: i64) -> Self {
        self.wall.store(wall, Ordering::Relaxed);
        self
    }

    /// The same machine with an archive that answers at `HOST:PORT`.
    #[must_use]
    pub fn with_pacs(mut self, at: &str, pacs: &Pacs) -> Self {
        self.pacs = Some((at.to_owned(), pacs.clone()));
        self
    }

    /// Puts its clock off by so many seconds from the truth.
    pub fn set_clock_off(&self, seconds: i64) {
        self.wall
            .store(START.saturating_add(seconds), Ordering::Relaxed);
    }

    /// Its clock says that 1970 begins now.
    pub fn set_clock_to_epoch(&self) {
        let elapsed = i64::try_from(self.air.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.wall.store(-elapsed, Ordering::Relaxed);
    }

    /// Its clock says that it is so many seconds after 1970 now.
    pub fn set_clock(&self, seconds: i64) {
        let elapsed = i64::try_from(self.air.elapsed().as_secs()).unwrap_or(i64::MAX);
        let wall = seconds.saturating_sub(elapsed);
        self.wall.store(wall, Ordering::Relaxed);
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
        let life = Life::default();
        self.lives().push(life.clone());
        Arc::new(MachineEnv {
            machine: self.clone(),
            life,
        })
    }

    /// The power goes: what runs on it ends where it stands, its sockets fall silent, and of what
    /// was not synced a part is lost, by the seed.
    pub fn kill(&self, seed: u64) {
        for life in self.lives().drain(..) {
            life.end();
        }
        self.air.unplug(self.ip);
        self.disk.crash(seed);
    }

    fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn random(&self, out: &mut [u8]) {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(out);
    }

    fn wall(&self) -> i64 {
        let elapsed = i64::try_from(self.air.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.wall.load(Ordering::Relaxed).saturating_add(elapsed)
    }
}

/// The [`Env`] of a [`Machine`].
pub struct MachineEnv {
    machine: Arc<Machine>,
    life: Life,
}

impl Env for MachineEnv {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(at))
    }

    fn wall(&self) -> i64 {
        self.machine.wall()
    }

    fn entropy(&self, buf: &mut [u8]) {
        self.machine.random(buf);
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(LifeDisk {
            disk: self.machine.disk.clone(),
            life: self.life.clone(),
        })
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::new(MachineNet {
            machine: self.machine.clone(),
            life: self.life.clone(),
        })
    }

    fn work(&self, job: Job, cost_hint_bytes: u64) -> BoxFuture<'static, ()> {
        let cost = self
            .machine
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
        self.life.spawn(async move {
            run.await;
            end.reached();
        });
        Ok(engine)
    }

    fn connect_stream(&self, to: &str) -> BoxFuture<'static, io::Result<BoxStream>> {
        if let Some((_, pacs)) = self.machine.pacs.as_ref().filter(|(at, _)| at == to) {
            let stream = pacs.connect().map(|stream| Box::new(stream) as BoxStream);
            return Box::pin(async move { stream });
        }
        let from = SocketAddr::new(self.machine.ip, 0);
        self.machine.streams.connect(to, from)
    }

    fn listen_stream(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>> {
        let listener = self.machine.streams.listen(at);
        Box::pin(async move { listener })
    }

    fn link_events(&self) -> watch::Receiver<u64> {
        self.machine.link_up.subscribe()
    }
}

struct MachineNet {
    machine: Arc<Machine>,
    life: Life,
}

impl Net for MachineNet {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.machine
            .air
            .bind(SocketAddr::new(self.machine.ip, addr.port()))
    }

    fn random(&self) -> [u8; 32] {
        let mut out = [0; 32];
        self.machine.random(&mut out);
        out
    }

    fn wall(&self) -> i64 {
        self.machine.wall()
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.life.clone())
    }
}

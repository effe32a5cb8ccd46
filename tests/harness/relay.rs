//! A UDP relay on loopback that behaves like a link: rate, delay, a queue, loss, outages.
//! Bounded: it ends with its handle.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What the link does.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bits per second each way.
    pub rate: f64,
    /// One way.
    pub delay: Duration,
    /// Share of datagrams lost each way.
    pub loss: f64,
    /// Bytes that wait for their turn at most.
    pub queue: usize,
}

impl Shape {
    /// 10 Mbit/s, 50 ms round trip, 1 % loss.
    pub const ORDINARY: Self = Self {
        rate: 10e6,
        delay: Duration::from_millis(25),
        loss: 0.01,
        queue: 128 * 1024,
    };
    /// As fast as loopback.
    pub const CLEAN: Self = Self {
        rate: 1e9,
        delay: Duration::from_millis(1),
        loss: 0.0,
        queue: 4 << 20,
    };
}

/// A running relay. Clients talk to [`Relay::address`] as if it were the hub.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    down: AtomicBool,
    hub: Mutex<SocketAddr>,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
    /// Where to keep a copy of every datagram, for tests that search the air.
    capture: Mutex<Option<Vec<u8>>>,
}

impl Relay {
    /// Starts a relay towards `hub`.
    #[must_use]
    pub fn start(hub: SocketAddr, shape: Shape, seed: u64) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            down: AtomicBool::new(false),
            hub: Mutex::new(hub),
            up_bytes: AtomicU64::new(0),
            down_bytes: AtomicU64::new(0),
            capture: Mutex::new(None),
        });
        let address = socket.local_addr().unwrap();
        let run = Worker::new(socket, shape, seed, shared.clone());
        let worker = Some(std::thread::spawn(move || run.run()));
        Self {
            address,
            shared,
            worker,
        }
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the link down (a silent black hole) or up.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }

    /// Points the relay at another hub.
    pub fn set_hub(&self, hub: SocketAddr) {
        *self.shared.hub.lock().unwrap() = hub;
    }

    /// IP bytes that entered the link, up and down.
    #[must_use]
    pub fn wire_bytes(&self) -> (u64, u64) {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (read(&self.shared.up_bytes), read(&self.shared.down_bytes))
    }

    /// From now on keeps a copy of everything on the air.
    pub fn capture(&self) {
        *self.shared.capture.lock().unwrap() = Some(Vec::new());
    }

    /// What was captured.
    #[must_use]
    pub fn captured(&self) -> Vec<u8> {
        self.shared
            .capture
            .lock()
            .unwrap()
            .clone()
            .unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            worker.join().unwrap();
        }
    }
}

/// One direction's queue and pipe.
struct Direction {
    free_at: Instant,
    queued: VecDeque<(Instant, usize)>,
    queued_bytes: usize,
    flying: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    rng: ChaCha8Rng,
}

struct Worker {
    front: UdpSocket,
    backs: BTreeMap<SocketAddr, UdpSocket>,
    up: Direction,
    down: Direction,
    shape: Shape,
    shared: Arc<Shared>,
}

impl Direction {
    fn new(seed: u64) -> Self {
        Self {
            free_at: Instant::now(),
            queued: VecDeque::new(),
            queued_bytes: 0,
            flying: VecDeque::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn offer(&mut self, shape: &Shape, who: SocketAddr, data: &[u8]) {
        let now = Instant::now();
        while self.queued.front().is_some_and(|(done, _)| *done <= now) {
            let (_, bytes) = self.queued.pop_front().unwrap();
            self.queued_bytes -= bytes;
        }
        let bytes = data.len() + 28;
        if self.queued_bytes + bytes > shape.queue {
            return;
        }
        let air = Duration::from_secs_f64(bytes as f64 * 8.0 / shape.rate);
        self.free_at = self.free_at.max(now) + air;
        self.queued.push_back((self.free_at, bytes));
        self.queued_bytes += bytes;
        let lost = f64::from(self.rng.next_u32()) < shape.loss * f64::from(u32::MAX);
        if !lost {
            self.flying
                .push_back((self.free_at + shape.delay, who, data.to_vec()));
        }
    }

    fn landed(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let ready = self
            .flying
            .front()
            .is_some_and(|(at, _, _)| *at <= Instant::now());
        ready
            .then(|| self.flying.pop_front())
            .flatten()
            .map(|(_, who, data)| (who, data))
    }
}

impl Worker {
    fn new(front: UdpSocket, shape: Shape, seed: u64, shared: Arc<Shared>) -> Self {
        let (up, down) = (Direction::new(seed * 2), Direction::new(seed * 2 + 1));
        Self {
            front,
            backs: BTreeMap::new(),
            up,
            down,
            shape,
            shared,
        }
    }

    fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        while !self.shared.stop.load(Ordering::Relaxed) {
            let mut busy = self.take_up(&mut buffer);
            busy |= self.take_down(&mut buffer);
            busy |= self.deliver();
            if !busy {
                std::thread::sleep(Duration::from_micros(500));
            }
        }
    }

    fn take_up(&mut self, buffer: &mut [u8]) -> bool {
        let Ok((len, who)) = self.front.recv_from(buffer) else {
            return false;
        };
        self.note(&buffer[..len], true);
        if !self.shared.down.load(Ordering::Relaxed) {
            self.up.offer(&self.shape, who, &buffer[..len]);
        }
        true
    }

    fn take_down(&mut self, buffer: &mut [u8]) -> bool {
        let mut came = Vec::new();
        for (who, back) in &self.backs {
            if let Ok((len, _)) = back.recv_from(buffer) {
                came.push((*who, buffer[..len].to_vec()));
            }
        }
        for (who, data) in &came {
            self.note(data, false);
            if !self.shared.down.load(Ordering::Relaxed) {
                self.down.offer(&self.shape, *who, data);
            }
        }
        !came.is_empty()
    }

    fn deliver(&mut self) -> bool {
        let mut busy = false;
        while let Some((who, data)) = self.up.landed() {
            busy = true;
            let hub = *self.shared.hub.lock().unwrap();
            let back = self.backs.entry(who).or_insert_with(|| {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                socket.set_nonblocking(true).unwrap();
                socket
            });
            // A hub that is not there refuses; so does a real link.
            let _ = back.send_to(&data, hub);
        }
        while let Some((who, data)) = self.down.landed() {
            busy = true;
            let _ = self.front.send_to(&data, who);
        }
        busy
    }

    fn note(&self, data: &[u8], up: bool) {
        let bytes = data.len() as u64 + 28;
        let counter = if up {
            &self.shared.up_bytes
        } else {
            &self.shared.down_bytes
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
        if let Some(capture) = self.shared.capture.lock().unwrap().as_mut() {
            capture.extend_from_slice(data);
        }
    }
}

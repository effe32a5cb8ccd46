//! An in-memory network: rate, delay, loss, a queue and outages between two machines.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use karez_quic::Net;
use karez_quic::net::{AsyncUdpSocket, RecvMeta, Transmit, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

/// One link, the same both ways.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub bits_per_s: f64,
    pub delay: Duration,
    pub loss: f64,
    pub queue: Duration,
}

impl Link {
    pub fn thin() -> Self {
        Self {
            bits_per_s: 512_000.0,
            delay: Duration::from_millis(325),
            loss: 0.0,
            queue: Duration::from_secs(2),
        }
    }
}

/// All machines; cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Mutex<State>>);

struct State {
    seed: u64,
    draws: u64,
    start: Instant,
    link: Link,
    down: bool,
    /// Longer UDP payloads are lost.
    longest: usize,
    /// When each sending machine's line is free again.
    free: BTreeMap<IpAddr, Instant>,
    boxes: BTreeMap<SocketAddr, Inbox>,
    ports: u16,
    blocked: Vec<SocketAddr>,
    /// Time in microseconds, sender, size of the UDP payload, whether it arrived.
    trace: Vec<(u128, SocketAddr, usize, bool)>,
    /// Of each packet.
    first_bytes: Vec<(IpAddr, u8)>,
    /// UDP payload that arrived at each machine.
    received: BTreeMap<IpAddr, usize>,
    /// Whose packets are kept, and those.
    spied: Option<(IpAddr, Vec<Vec<u8>>)>,
}

#[derive(Default)]
struct Inbox {
    packets: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl World {
    pub fn new(seed: u64, link: Link) -> Self {
        Self(Arc::new(Mutex::new(State {
            seed,
            draws: 0,
            start: Instant::now(),
            link,
            down: false,
            longest: usize::MAX,
            free: BTreeMap::new(),
            boxes: BTreeMap::new(),
            ports: 40_000,
            blocked: Vec::new(),
            trace: Vec::new(),
            first_bytes: Vec::new(),
            received: BTreeMap::new(),
            spied: None,
        })))
    }

    /// The network of one machine.
    pub fn machine(&self, last: u8) -> Arc<dyn Net> {
        Arc::new(Machine {
            world: self.clone(),
            ip: Ipv4Addr::new(10, 0, 0, last).into(),
        })
    }

    pub fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    /// Loses from now on what is longer, without a word.
    pub fn narrow_to(&self, udp_payload: usize) {
        self.0.lock().unwrap().longest = udp_payload;
    }

    /// Loses from now on whatever goes to or from the ports that a machine has open now.
    pub fn block_ports_of(&self, last: u8) {
        let ip = IpAddr::from([10, 0, 0, last]);
        let mut state = self.0.lock().unwrap();
        let open: Vec<_> = state
            .boxes
            .keys()
            .copied()
            .filter(|addr| addr.ip() == ip)
            .collect();
        state.blocked.extend(open);
    }

    pub fn first_bytes(&self, last: u8) -> Vec<u8> {
        let ip = IpAddr::from([10, 0, 0, last]);
        let state = self.0.lock().unwrap();
        state
            .first_bytes
            .iter()
            .filter(|(from, _)| *from == ip)
            .map(|(_, byte)| *byte)
            .collect()
    }

    /// Bytes that have arrived at a machine.
    pub fn received_by(&self, last: u8) -> usize {
        let ip = IpAddr::from([10, 0, 0, last]);
        let state = self.0.lock().unwrap();
        state.received.get(&ip).copied().unwrap_or(0)
    }

    /// Keeps what a machine sends from now on.
    pub fn spy_on(&self, last: u8) {
        let ip = IpAddr::from([10, 0, 0, last]);
        self.0.lock().unwrap().spied = Some((ip, Vec::new()));
    }

    /// What was kept since then.
    pub fn spied(&self) -> Vec<Vec<u8>> {
        let mut state = self.0.lock().unwrap();
        state
            .spied
            .take()
            .map(|(_, packets)| packets)
            .unwrap_or_default()
    }

    /// Sends bytes that no endpoint made, from a port of a machine that has none open there.
    pub fn send_raw(&self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        let mut state = self.0.lock().unwrap();
        state.boxes.entry(from).or_default();
        drop(state);
        self.send(from, to, packet);
    }

    pub fn trace(&self) -> Vec<(u128, SocketAddr, usize, bool)> {
        self.0.lock().unwrap().trace.clone()
    }

    pub fn sent_by(&self, last: u8) -> usize {
        let ip = IpAddr::from([10, 0, 0, last]);
        let trace = self.trace();
        trace
            .iter()
            .filter(|(_, from, ..)| from.ip() == ip)
            .map(|(_, _, size, _)| size)
            .sum()
    }

    fn send(&self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        let mut guard = self.0.lock().unwrap();
        let state = &mut *guard;
        let now = Instant::now();
        let blocked = state.blocked.contains(&from) || state.blocked.contains(&to);
        let lost = state.draw() < state.link.loss || state.down || blocked;
        let lost = lost || packet.len() > state.longest;
        let free = state.free.entry(from.ip()).or_insert(now);
        let starts = (*free).max(now);
        let full = starts - now > state.link.queue;
        let arrives = !lost && !full && state.boxes.contains_key(&to);
        state
            .trace
            .push(((now - state.start).as_micros(), from, packet.len(), arrives));
        state.first_bytes.push((from.ip(), packet[0]));
        if let Some((ip, packets)) = &mut state.spied
            && *ip == from.ip()
        {
            packets.push(packet.to_vec());
        }
        if full {
            return;
        }
        let bits = f64::from(u32::try_from(packet.len() + 28).unwrap()) * 8.0;
        *free = starts + Duration::from_secs_f64(bits / state.link.bits_per_s);
        let at = *free + state.link.delay;
        if arrives && let Some(inbox) = state.boxes.get_mut(&to) {
            *state.received.entry(to.ip()).or_default() += packet.len();
            inbox.packets.push_back((at, from, packet.to_vec()));
            if let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
        }
    }
}

impl State {
    fn draw(&mut self) -> f64 {
        self.draws += 1;
        let mut x = self.seed ^ self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((x ^ (x >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

struct Machine {
    world: World,
    ip: IpAddr,
}

impl Net for Machine {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let mut state = self.world.0.lock().unwrap();
        let port = match addr.port() {
            0 => {
                state.ports = 40_000 + (state.ports - 39_999) % 20_000;
                state.ports
            }
            port => port,
        };
        let addr = SocketAddr::new(self.ip, port);
        state.boxes.insert(addr, Inbox::default());
        Ok(Arc::new(Socket {
            world: self.world.clone(),
            addr,
        }))
    }

    fn random(&self) -> [u8; 32] {
        let mut state = self.world.0.lock().unwrap();
        std::array::from_fn(|_| (state.draw() * 255.0) as u8)
    }

    fn wall(&self) -> i64 {
        0
    }
}

struct Socket {
    world: World,
    addr: SocketAddr,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.addr)
    }
}

#[derive(Debug)]
struct Always;

impl UdpPoller for Always {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Always)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        for packet in transmit.contents.chunks(size) {
            self.world.send(self.addr, transmit.destination, packet);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.world.0.lock().unwrap();
        let Some(inbox) = state.boxes.get_mut(&self.addr) else {
            return Poll::Pending;
        };
        let now = Instant::now();
        if inbox.packets.front().is_some_and(|(at, ..)| *at <= now)
            && let Some((_, from, packet)) = inbox.packets.pop_front()
        {
            // A longer one is cut, as the socket of an operating system does.
            let len = packet.len().min(bufs[0].len());
            bufs[0][..len].copy_from_slice(&packet[..len]);
            let mut seen = RecvMeta::default();
            (seen.addr, seen.len, seen.stride) = (from, len, len);
            meta[0] = seen;
            return Poll::Ready(Ok(1));
        }
        inbox.waker = Some(cx.waker().clone());
        inbox.timer = inbox
            .packets
            .front()
            .map(|(at, ..)| Box::pin(sleep_until(*at)));
        if let Some(timer) = &mut inbox.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

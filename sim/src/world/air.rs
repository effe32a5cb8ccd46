//! Datagrams between machines: a site's go through its [`Link`] to the hub and back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use karez_quic::net::{AsyncUdpSocket, RecvMeta, Transmit, UdpPoller};
use tokio::time::Instant;

use super::inbox::{Always, Inbox};
use super::meter::Meter;
use crate::link::{Delivery, Direction, Endpoint, Flow, Link, Protocol, Way};

/// What IP and UDP add to a datagram.
const IP_UDP: usize = 28;

/// A site of the world, from 1. The hub is the machine 10.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteId(pub u16);

impl SiteId {
    /// The address of the site's machine.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        let [high, low] = self.0.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, 1, high, low))
    }
}

/// The air: all sockets and all links. Clones are the same air.
#[derive(Clone)]
pub struct Air(Arc<Mutex<State>>);

struct State {
    start: Instant,
    sites: BTreeMap<SiteId, Link<Vec<u8>>>,
    /// When each link delivers next, the first first; and the same by site.
    due: BTreeSet<(Duration, SiteId)>,
    due_of: BTreeMap<SiteId, Duration>,
    meters: BTreeMap<SiteId, Meter>,
    sockets: BTreeMap<SocketAddr, Inbox>,
    /// What the hub sees as a sender's address, and whose it is.
    outside: BTreeMap<SocketAddr, (SiteId, Endpoint)>,
    seen_as: BTreeMap<(SiteId, Endpoint), SocketAddr>,
    next_socket: u64,
    next_port: u16,
    /// Called with each datagram that goes up; may change it. For tests.
    tamper: Option<Tamper>,
}

/// Looks at, or alters, a datagram on its way.
pub type Tamper = Box<dyn FnMut(&mut Vec<u8>) + Send>;

impl Air {
    /// Empty air; its time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            start: Instant::now(),
            sites: BTreeMap::new(),
            due: BTreeSet::new(),
            due_of: BTreeMap::new(),
            meters: BTreeMap::new(),
            sockets: BTreeMap::new(),
            outside: BTreeMap::new(),
            seen_as: BTreeMap::new(),
            next_socket: 0,
            next_port: 40_000,
            tamper: None,
        })))
    }

    /// Joins a site to the hub.
    pub fn join(&self, site: SiteId, link: Link<Vec<u8>>) {
        self.with(|state| {
            state.sites.insert(site, link);
            state.note_due(site);
        });
    }

    /// Its time starts again, now. For a world whose machines were set up before it begins.
    pub fn restart(&self) {
        self.with(|state| {
            state.start = Instant::now();
            state.sites.clear();
            state.due.clear();
            state.due_of.clear();
            state.meters.clear();
        });
    }

    /// A machine's power goes: its sockets are no more.
    pub fn unplug(&self, ip: IpAddr) {
        self.with(|state| state.sockets.retain(|addr, _| addr.ip() != ip));
    }

    /// Looks at what was counted of a site's packets at the hub.
    pub fn meter<T>(&self, site: SiteId, look: impl FnOnce(&mut Meter) -> T) -> T {
        self.with(|state| look(state.meters.entry(site).or_default()))
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.with(|state| state.now())
    }

    /// Looks at a site's link.
    pub fn link<T>(&self, site: SiteId, look: impl FnOnce(&Link<Vec<u8>>) -> T) -> Option<T> {
        self.with(|state| state.sites.get(&site).map(look))
    }

    /// From now on every datagram that goes up passes through `tamper`.
    pub fn set_tamper(&self, tamper: Tamper) {
        self.with(|state| state.tamper = Some(tamper));
    }

    /// Opens a socket; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is taken.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let (addr, number) = self.with(|state| state.open(addr))?;
        Ok(Arc::new(Socket {
            air: self.clone(),
            addr,
            number,
        }))
    }

    fn with<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Air {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    fn open(&mut self, mut addr: SocketAddr) -> io::Result<(SocketAddr, u64)> {
        while addr.port() == 0 || self.sockets.contains_key(&addr) {
            if addr.port() != 0 && addr.port() != self.next_port {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            self.next_port = self.next_port.checked_add(1).unwrap_or(40_000);
            addr.set_port(self.next_port);
        }
        self.next_socket += 1;
        let socket = self.next_socket;
        self.sockets.insert(addr, Inbox::new(socket));
        Ok((addr, socket))
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        let now = self.now();
        let ip_bytes = data.len() + IP_UDP;
        let mut data = data.to_vec();
        if let Some(site) = site_of(from.ip()) {
            if let Some(tamper) = &mut self.tamper {
                tamper(&mut data);
            }
            let way = Way::Up(Flow::udp(from.port()));
            if let Some(link) = self.sites.get_mut(&site) {
                link.send(now, way, data, ip_bytes);
            }
            self.note_due(site);
            self.wake_hub(to);
        } else if let Some((site, outside)) = self.outside.get(&to).copied() {
            let way = Way::Down(outside, Protocol::Udp);
            if let Some(link) = self.sites.get_mut(&site) {
                link.send(now, way, data, ip_bytes);
            }
            self.note_due(site);
            self.wake_site(site);
        }
    }

    /// Sockets look again when something new is on its way: their timers may have to go earlier.
    fn wake_hub(&mut self, to: SocketAddr) {
        if let Some(waker) = self
            .sockets
            .get_mut(&to)
            .and_then(|inbox| inbox.waker.take())
        {
            waker.wake();
        }
    }

    fn wake_site(&mut self, site: SiteId) {
        let of = SocketAddr::new(site.ip(), 0)..=SocketAddr::new(site.ip(), u16::MAX);
        for (_, inbox) in self.sockets.range_mut(of) {
            if let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
        }
    }

    /// Moves everything that has arrived by now into the inboxes.
    fn deliver(&mut self) {
        let now = self.now();
        while let Some((at, site)) = self.due.first().copied()
            && at <= now
        {
            while let Some(delivery) = self.sites.get_mut(&site).and_then(|link| link.poll(now)) {
                self.land(site, delivery);
            }
            self.note_due(site);
        }
    }

    /// A site's link has something else to deliver next.
    fn note_due(&mut self, site: SiteId) {
        let next = self.sites.get(&site).and_then(Link::next_event);
        if let Some(old) = self.due_of.remove(&site) {
            self.due.remove(&(old, site));
        }
        if let Some(at) = next {
            self.due.insert((at, site));
            self.due_of.insert(site, at);
        }
    }

    fn land(&mut self, site: SiteId, delivery: Delivery<Vec<u8>>) {
        let mut data = delivery.packet;
        if delivery.direction == Direction::Up {
            let meter = self.meters.entry(site).or_default();
            meter.arrived(delivery.at, &data);
        }
        if let Some(bit) = delivery.flip {
            let at = usize::try_from(bit % (data.len() as u64 * 8).max(1)).unwrap_or(0);
            if let Some(byte) = data.get_mut(at / 8) {
                *byte ^= 1 << (at % 8);
            }
        }
        let (from, to) = match delivery.direction {
            Direction::Up => (self.seen_as(site, delivery.outside), self.hub()),
            Direction::Down => (
                self.hub(),
                Some(SocketAddr::new(site.ip(), delivery.flow.port)),
            ),
        };
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        if let Some(inbox) = self.sockets.get_mut(&to).filter(|inbox| inbox.has_room()) {
            inbox.packets.push_back((from, data));
            if let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
        }
    }

    /// The hub has one socket: the only one that belongs to no site.
    fn hub(&self) -> Option<SocketAddr> {
        self.sockets
            .keys()
            .copied()
            .find(|addr| site_of(addr.ip()).is_none())
    }

    fn seen_as(&mut self, site: SiteId, outside: Endpoint) -> Option<SocketAddr> {
        if let Some(known) = self.seen_as.get(&(site, outside)) {
            return Some(*known);
        }
        // A public address of its own per site and translated address, by order of appearance.
        let number = u32::try_from(self.outside.len()).ok()?;
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 1)).checked_add(number)?);
        let addr = SocketAddr::new(ip.into(), outside.port);
        self.outside.insert(addr, (site, outside));
        self.seen_as.insert((site, outside), addr);
        Some(addr)
    }

    fn has(&self, addr: SocketAddr, number: u64) -> bool {
        self.sockets
            .get(&addr)
            .is_some_and(|inbox| inbox.socket == number)
    }

    /// When a socket has to look: a site's when its own link delivers, the hub's at any delivery.
    fn next_event(&self, socket: SocketAddr) -> Option<Instant> {
        let next = match site_of(socket.ip()) {
            Some(site) => self.due_of.get(&site).copied()?,
            None => self.due.first()?.0,
        };
        Some(self.start + next)
    }
}

fn site_of(ip: IpAddr) -> Option<SiteId> {
    match ip {
        IpAddr::V4(v4) => match v4.octets() {
            [10, 1, high, low] => Some(SiteId(u16::from_be_bytes([high, low]))),
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

struct Socket {
    air: Air,
    addr: SocketAddr,
    number: u64,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.addr)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.air.with(|state| {
            if state.has(self.addr, self.number) {
                state.sockets.remove(&self.addr);
            }
        });
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Always)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let size = transmit
            .segment_size
            .unwrap_or(transmit.contents.len())
            .max(1);
        self.air.with(|state| {
            // What a dead machine would still say is lost.
            if !state.has(self.addr, self.number) {
                return;
            }
            for datagram in transmit.contents.chunks(size) {
                state.send(self.addr, transmit.destination, datagram);
            }
        });
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.air.with(|state| {
            state.deliver();
            let next = state.next_event(self.addr);
            let own = |inbox: &&mut Inbox| inbox.socket == self.number;
            let Some(inbox) = state.sockets.get_mut(&self.addr).filter(own) else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            let taken = inbox.take(self.addr, buffers, meta);
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            inbox.wait(cx, next);
            Poll::Pending
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

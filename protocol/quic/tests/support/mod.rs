//! What the tests share: an in-memory network under tokio's clock, sessions that send lists of
//! frames, and identities.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)] // Each test file uses its part.

pub mod net;
pub mod world;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use karez_protocol::id::PeerId;
use karez_quic::net::UdpNet;
use karez_quic::{
    Admission, Admit, Alpn, Client, Identity, LANES, Lane, LinkConfig, Net, Room, Server, Session,
    SessionEnd,
};
use tokio::time::Instant;

pub fn identity(seed: u8) -> Identity {
    Identity::from_seed(&zeroize::Zeroizing::new([seed; 32]))
}

pub fn udp() -> Arc<dyn Net> {
    udp_at(1_750_000_000)
}

pub fn udp_at(wall: i64) -> Arc<dyn Net> {
    Arc::new(UdpNet::new(|| [9; 32], move || wall))
}

/// Knows some keys; enrolment is open to all.
#[derive(Default)]
pub struct Doors {
    pub known: Vec<PeerId>,
    pub revoked: Mutex<Vec<PeerId>>,
}

impl Doors {
    pub fn knowing(known: &[&Identity]) -> Arc<Self> {
        Arc::new(Self {
            known: known.iter().map(|identity| identity.peer()).collect(),
            ..Self::default()
        })
    }
}

impl Admit for Doors {
    fn admit(&self, peer: &PeerId, alpn: Alpn) -> Admission {
        if self.revoked.lock().unwrap().contains(peer) {
            return Admission::Revoked;
        }
        match alpn {
            Alpn::Join => Admission::Welcome,
            Alpn::Session if self.known.contains(peer) => Admission::Welcome,
            Alpn::Session => Admission::Unknown,
        }
    }
}

pub const LOCAL: &str = "127.0.0.1:0";

/// A hub on loopback that knows key 2, and a client that is key 2.
pub fn pair() -> (Server, SocketAddr, Client) {
    pair_with(&udp(), LOCAL.parse().unwrap(), &LinkConfig::default())
}

pub fn pair_with(
    net: &Arc<dyn Net>,
    addr: SocketAddr,
    config: &LinkConfig,
) -> (Server, SocketAddr, Client) {
    let doors = Doors::knowing(&[&identity(2)]);
    let server = Server::bind(net, addr, &identity(1), config, doors).unwrap();
    let addr = server.local_addr().unwrap();
    (
        server,
        addr,
        Client::new(net.clone(), identity(2), config.clone()),
    )
}

/// Frames received, with their times.
pub type Log = Arc<Mutex<Vec<(Lane, Bytes, Instant)>>>;

/// Sends queued frames, the most urgent lane first, and logs what comes.
#[derive(Clone, Default)]
pub struct Script {
    pub queue: Arc<Mutex<[VecDeque<Bytes>; 5]>>,
    pub got: Log,
    /// Lanes that are not taken in.
    pub shut: Arc<Mutex<Vec<Lane>>>,
}

impl Script {
    pub fn push(&self, lane: Lane, frame: impl Into<Bytes>) {
        self.queue.lock().unwrap()[place(lane)].push_back(frame.into());
    }

    pub fn got(&self, lane: Lane) -> Vec<Bytes> {
        let got = self.got.lock().unwrap();
        let of_lane = got.iter().filter(|(l, ..)| *l == lane);
        of_lane.map(|(_, frame, _)| frame.clone()).collect()
    }

    pub fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    pub fn bytes(&self) -> usize {
        self.got
            .lock()
            .unwrap()
            .iter()
            .map(|(_, f, _)| f.len())
            .sum()
    }

    /// When the `n`-th frame (from 0) of `lane` came.
    pub fn when(&self, lane: Lane, n: usize) -> Option<Instant> {
        let got = self.got.lock().unwrap();
        got.iter()
            .filter(|(l, ..)| *l == lane)
            .nth(n)
            .map(|(_, _, at)| *at)
    }
}

impl Session for Script {
    fn frame(&mut self, lane: Lane, frame: Bytes) -> Result<(), SessionEnd> {
        self.got.lock().unwrap().push((lane, frame, Instant::now()));
        Ok(())
    }

    fn poll_transmit(&mut self, room: Room) -> Option<(Lane, Bytes)> {
        let mut queue = self.queue.lock().unwrap();
        let with_room = LANES.into_iter().filter(|lane| room.has(*lane));
        with_room
            .filter_map(|lane| Some((lane, queue[place(lane)].pop_front()?)))
            .next()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self) {}

    fn ready(&self, lane: Lane) -> bool {
        !self.shut.lock().unwrap().contains(&lane)
    }
}

fn place(lane: Lane) -> usize {
    LANES.iter().position(|l| *l == lane).unwrap()
}

/// `len` bytes that no compressor or offset bug can fake.
pub fn noise(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// Waits until `done`, at most `within` of tokio's time.
pub async fn until(within: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + within;
    while !done() {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

//! What this crate makes of a link without limits, against a bare quinn stream in the same run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use karez_protocol::id::PeerId;
use karez_protocol::priority::Class;
use karez_protocol::session::Lane;
use zeroize::Zeroizing;

use crate::lane::Room;
use crate::net::{Net, UdpNet};
use crate::server::{Admission, Admit};
use crate::session::{Session, SessionEnd, Wake};
use crate::tls::{self, Alpn};
use crate::{Client, Identity, LinkConfig, Server, drive};

const BYTES: u64 = 96 << 20;
const FRAME: usize = 32 * 1024;
/// Runs of each kind, in turn: the best of each counts, so that another program's load does not.
const RUNS: usize = 3;
/// The bound here is half of what is measured on an idle machine, so that a busy one passes.
const LEAST: f64 = 0.4;

const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

#[tokio::test]
async fn on_loopback_the_engine_keeps_up_with_a_bare_quinn_stream() {
    let (mut bare, mut ours) = (0.0_f64, 0.0_f64);
    for _ in 0..RUNS {
        bare = bare.max(rate(bare_quinn().await));
        ours = ours.max(rate(engine().await));
    }
    let share = ours / bare;
    println!("bare quinn {bare:.0} MB/s, this crate {ours:.0} MB/s: {share:.2}");
    assert!(share >= LEAST, "{share}");
}

fn rate(took: Duration) -> f64 {
    BYTES as f64 / 1e6 / took.as_secs_f64()
}

fn net() -> Arc<dyn Net> {
    let count = AtomicU64::new(1);
    let random = move || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        *blake3::hash(&number.to_le_bytes()).as_bytes()
    };
    Arc::new(UdpNet::new(random, || 0))
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

/// One stream under quinn's own settings, with this crate's handshake.
async fn bare_quinn() -> Duration {
    let net = net();
    let server = tls::server_config(&net, &identity(1)).unwrap();
    let server = quinn::Endpoint::server(server, LOCAL.into()).unwrap();
    let peer = identity(1).peer();
    let seen = Arc::default();
    let config = tls::client_config(&net, &identity(2), peer, Alpn::Session, seen).unwrap();
    let client = quinn::Endpoint::client(LOCAL.into()).unwrap();
    let to = server.local_addr().unwrap();
    let receiving = tokio::spawn(async move {
        let conn = server.accept().await.unwrap().await.unwrap();
        let mut stream = conn.accept_uni().await.unwrap();
        let mut got = 0;
        while let Some(chunk) = stream.read_chunk(usize::MAX, true).await.unwrap() {
            got += chunk.bytes.len() as u64;
        }
        got
    });
    let conn = client.connect_with(config, to, "karez").unwrap();
    let conn = conn.await.unwrap();
    let began = Instant::now();
    let mut stream = conn.open_uni().await.unwrap();
    let frame = Bytes::from(vec![7; FRAME]);
    for _ in 0..BYTES / FRAME as u64 {
        stream.write_chunk(frame.clone()).await.unwrap();
    }
    stream.finish().unwrap();
    assert_eq!(receiving.await.unwrap(), BYTES);
    began.elapsed()
}

async fn engine() -> Duration {
    let (net, config) = (net(), LinkConfig::default());
    let mut server =
        Server::bind(&net, LOCAL.into(), &identity(1), &config, Arc::new(Open)).unwrap();
    let to: SocketAddr = server.local_addr().unwrap();
    let got = Arc::new(AtomicU64::new(0));
    let done = Arc::new(tokio::sync::Notify::new());
    let mut tank = Tank {
        got: got.clone(),
        done: done.clone(),
    };
    let receiving = tokio::spawn(async move {
        let conn = server.accept().await.unwrap();
        drive(&conn, &mut tank, &Wake::new()).await
    });
    let client = Client::new(net, identity(2), config);
    let peer = identity(1).peer();
    let conn = client.dial(&[to], peer, Alpn::Session).await.unwrap();
    let began = Instant::now();
    let mut pump = Pump {
        left: BYTES / FRAME as u64,
        frame: Bytes::from(vec![7; FRAME]),
    };
    let wake = Wake::new();
    tokio::select! {
        end = drive(&conn, &mut pump, &wake) => unreachable!("{end}"),
        () = done.notified() => {}
    }
    receiving.abort();
    assert_eq!(got.load(Ordering::Relaxed), BYTES);
    began.elapsed()
}

struct Open;

impl Admit for Open {
    fn admit(&self, _: &PeerId, _: Alpn) -> Admission {
        Admission::Welcome
    }
}

struct Pump {
    left: u64,
    frame: Bytes,
}

impl Session for Pump {
    fn frame(&mut self, _: Lane, _: Bytes) -> Result<(), SessionEnd> {
        Ok(())
    }

    fn poll_transmit(&mut self, room: Room) -> Option<(Lane, Bytes)> {
        let lane = Lane::Class(Class::Bulk);
        if self.left == 0 || !room.has(lane) {
            return None;
        }
        self.left -= 1;
        Some((lane, self.frame.clone()))
    }

    fn poll_timeout(&self) -> Option<tokio::time::Instant> {
        None
    }

    fn handle_timeout(&mut self) {}
}

struct Tank {
    got: Arc<AtomicU64>,
    done: Arc<tokio::sync::Notify>,
}

impl Session for Tank {
    fn frame(&mut self, _: Lane, frame: Bytes) -> Result<(), SessionEnd> {
        let before = self.got.fetch_add(frame.len() as u64, Ordering::Relaxed);
        if before + frame.len() as u64 >= BYTES {
            self.done.notify_one();
        }
        Ok(())
    }

    fn poll_transmit(&mut self, _: Room) -> Option<(Lane, Bytes)> {
        None
    }

    fn poll_timeout(&self) -> Option<tokio::time::Instant> {
        None
    }

    fn handle_timeout(&mut self) {}
}

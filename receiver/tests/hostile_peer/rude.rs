//! A peer made by hand, on a machine of its own.

use std::time::Duration;

use bytes::Bytes;
use karez_protocol::id::{Epoch, HubKeyId, PeerId, ProcessId};
use karez_protocol::invitation::Invitation;
use karez_protocol::seal::{self, HubSeed};
use karez_protocol::wire::{Frame, Hello, Join};
use karez_quic::{Alpn, Client, Connection, End, Identity, Lane, LinkConfig};
use zeroize::Zeroizing;

use crate::support::{Hub, SEED, World};

pub struct Rude {
    pub client: Client,
    pub hub: PeerId,
    pub identity: seal::Identity,
}

impl Rude {
    pub fn new(net: &World, machine: u8, secret: [u8; 32]) -> Self {
        let quic = Identity::from_seed(&Zeroizing::new(secret));
        Self {
            client: Client::new(net.machine(machine), quic, LinkConfig::default()),
            hub: HubSeed::new(SEED).identity().peer(),
            identity: seal::Identity::from_secret(&secret),
        }
    }

    pub async fn dial(&self, alpn: Alpn) -> Connection {
        let at = ["10.0.0.1:4433".parse().unwrap()];
        self.client.dial(&at, self.hub, alpn).await.unwrap()
    }

    /// Presents a token; what the hub answers.
    pub async fn present(&self, token: [u8; 16], agent: String) -> Frame {
        let conn = self.dial(Alpn::Join).await;
        say(&conn, &Frame::Join(Join { token, agent })).await;
        let (_, answer) = conn.recv().await.unwrap();
        Frame::from_bytes(&answer).unwrap()
    }

    pub async fn join(&self, hub: &Hub, name: &str) {
        let token = Invitation::from_line(&hub.invite(name).await)
            .unwrap()
            .token;
        let answer = self.present(token, "rude".into()).await;
        assert!(matches!(answer, Frame::Joined(_)), "{answer:?}");
    }

    /// Connects and greets.
    pub async fn greeted(&self) -> Connection {
        let conn = self.dial(Alpn::Session).await;
        say(&conn, &hello(1, 1, 1)).await;
        conn
    }
}

pub fn hello(oldest: u8, newest: u8, process: u8) -> Frame {
    Frame::Hello(Hello {
        oldest,
        newest,
        process: ProcessId([process; 8]),
        epoch: Epoch([0; 8]),
        hub_key: HubKeyId(0),
        agent: "rude".into(),
    })
}

/// Sends a frame, unless the hub has hung up, which it may.
pub async fn say(conn: &Connection, frame: &Frame) {
    say_bytes(conn, Lane::Control, &frame.to_bytes()).await;
}

pub async fn say_bytes(conn: &Connection, lane: Lane, bytes: &[u8]) {
    let sending = conn.send(lane, Bytes::copy_from_slice(bytes));
    // A hub that reads no more for a while is one of its ways to keep its memory.
    let _ = tokio::time::timeout(Duration::from_secs(20), sending).await;
}

/// The code with which the hub closes.
pub async fn closed(conn: &Connection) -> u32 {
    let end = tokio::time::timeout(Duration::from_secs(300), conn.closed()).await;
    match end {
        Ok(End::Closed(close)) => close.code,
        other => panic!("not closed with a reason: {other:?}"),
    }
}

/// Time for what was said to arrive and to be dealt with.
pub async fn a_while() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

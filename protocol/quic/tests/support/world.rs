//! A hub and a clinic on an in-memory link.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use karez_protocol::priority::Class;
use karez_quic::{
    Alpn, Client, Connection, Lane, LinkConfig, LinkState, Net, Redial, RedialPolicy, Server, Wake,
    drive,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::net::World;
use super::{Doors, Script, identity, noise, pair_with};

pub const BULK: Lane = Lane::Class(Class::Bulk);
pub const STAT: Lane = Lane::Class(Class::Stat);
pub const HUB: &str = "10.0.0.1:4433";

pub fn hub_addr() -> SocketAddr {
    HUB.parse().unwrap()
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A hub that takes everything into one script, whatever connections come.
pub fn hub(net: &Arc<dyn Net>, script: &Script) -> JoinHandle<()> {
    let doors = Doors::knowing(&[&identity(2)]);
    let config = LinkConfig::default();
    let mut server = Server::bind(net, hub_addr(), &identity(1), &config, doors).unwrap();
    let script = script.clone();
    tokio::spawn(async move {
        let mut all = tokio::task::JoinSet::new();
        while let Some(conn) = server.accept().await {
            let mut session = script.clone();
            all.spawn(async move { drive(&conn, &mut session, &Wake::new()).await });
        }
    })
}

pub struct Clinic {
    pub script: Script,
    pub wake: Wake,
    pub state: watch::Receiver<LinkState>,
    pub link_up: watch::Sender<u64>,
    pub task: JoinHandle<()>,
}

/// A clinic that redials for ever.
pub fn clinic(net: &Arc<dyn Net>) -> Clinic {
    let client = Client::new(net.clone(), identity(2), LinkConfig::default());
    let (link_up, events) = watch::channel(0);
    let addresses = Box::new(vec![hub_addr()]);
    let policy = RedialPolicy::default();
    let mut redial = Redial::new(client, identity(1).peer(), addresses, policy, events);
    let (script, wake, state) = (Script::default(), Wake::new(), redial.state());
    let (session, waking) = (script.clone(), wake.clone());
    let task = tokio::spawn(async move { match redial.run(&waking, |_| session.clone()).await {} });
    Clinic {
        script,
        wake,
        state,
        link_up,
        task,
    }
}

impl Clinic {
    pub fn send(&self, lane: Lane, seed: u64, len: usize) {
        self.script.push(lane, noise(seed, len));
        self.wake.wake();
    }

    pub fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), LinkState::Up { .. })
    }
}

pub async fn connect(world: &World, config: &LinkConfig) -> (Server, Connection, Connection) {
    let (mut server, addr, _) = pair_with(&world.machine(1), hub_addr(), config);
    let client = Client::new(world.machine(2), identity(2), config.clone());
    let conn = client
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let at_hub = server.accept().await.unwrap();
    (server, conn, at_hub)
}

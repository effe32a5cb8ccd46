//! The clinic's side: one attempt to reach the hub.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use karez_protocol::Retry;
use karez_protocol::id::PeerId;
use karez_protocol::link::LinkMemory;
use karez_protocol::link::probe::tag_of;
use quinn::{AsyncUdpSocket, ConnectionError};
use tokio::time::timeout;

use crate::config::LinkConfig;
use crate::connection::Connection;
use crate::end::{End, printable};
use crate::identity::Identity;
use crate::kick::number;
use crate::net::Net;
use crate::probe::{Ear, Prober};
use crate::pulse::Line;
use crate::server::{SetupError, endpoint};
use crate::steer::{Memory, lock};
use crate::tls::{Alpn, client_config};

/// QUIC's code for the TLS alert `no_application_protocol` (RFC 9001 section 4.8).
const NO_ALPN: u64 = 0x100 + 120;
/// Raw keys have no names; quinn wants one.
const NAME: &str = "karez";

/// Dials hubs as one identity.
#[derive(Clone)]
pub struct Client {
    net: Arc<dyn Net>,
    identity: Identity,
    config: LinkConfig,
    memory: Memory,
}

/// Why a hub could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nothing to dial.
    #[error("no address is known for the hub; is its name right, and does DNS work?")]
    NoAddress,
    /// The socket or TLS could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Nothing came back in time.
    #[error(
        "no {} from {remote} within {} s; {}",
        match heard { true => "handshake", false => "answer" },
        .after.as_secs(),
        match heard {
            true => "the hub answers, but the link is very slow or loses a lot; it is given more time",
            false => "the link or the hub is down, UDP is blocked, or the path carries no packets of \
                1,228 bytes (its MTU is too small)",
        }
    )]
    Silent {
        /// The address tried last.
        remote: SocketAddr,
        /// How long it was waited for.
        after: Duration,
        /// Something did come back, but too slowly.
        heard: bool,
    },
    /// Questions of 61 bytes are answered, handshakes are not.
    #[error(
        "{remote} answers short packets, and none of 1,228 bytes comes through: the path's MTU is too \
         small for QUIC, or a firewall drops long UDP packets. Set the MTU of the router, tunnel or \
         VPN on the way to at least 1,228 (1,248 for IPv6)"
    )]
    Narrow {
        /// The address dialled.
        remote: SocketAddr,
    },
    /// The other end holds another key than the hub's.
    #[error(
        "{remote} shows the key {}, not the hub's {}; check the address, or join again if the hub \
         was set up anew",
        .found.as_ref().map_or_else(|| "of an unknown kind".into(), PeerId::short),
        .expected.short()
    )]
    WrongKey {
        /// The address dialled.
        remote: SocketAddr,
        /// The key that was pinned.
        expected: PeerId,
        /// The key that the other end showed.
        found: Option<PeerId>,
    },
    /// The other end does not speak this protocol.
    #[error("{remote} does not speak {}; one of the two ends needs an update", .alpn.name())]
    Alpn {
        /// The address dialled.
        remote: SocketAddr,
        /// The protocol asked for.
        alpn: Alpn,
    },
    /// The other end refused during the handshake, or the handshake broke.
    #[error("{remote}: {cause}")]
    Ended {
        /// The address dialled.
        remote: SocketAddr,
        /// How it ended.
        cause: End,
    },
}

impl DialError {
    /// When to try again. A wrong key may be a stranger's device in the way, so even that is
    /// tried again later.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Silent { .. } => Retry::Now,
            Self::NoAddress | Self::Narrow { .. } | Self::WrongKey { .. } | Self::Alpn { .. } => {
                Retry::Later
            }
            Self::Setup(error) => error.retry(),
            Self::Ended { cause, .. } => cause.retry(),
        }
    }
}

impl Client {
    /// Nothing is opened before the first dial.
    #[must_use]
    pub fn new(net: Arc<dyn Net>, identity: Identity, config: LinkConfig) -> Self {
        Self {
            net,
            identity,
            config,
            memory: Memory::default(),
        }
    }

    /// Tries each address once, each from a fresh socket and for
    /// [`LinkConfig::dial_timeout`] at most. A hub that does not want this key says so just after
    /// the handshake: [`End::Closed`] with [`crate::code::UNKNOWN_KEY`] or
    /// [`crate::code::REVOKED`].
    ///
    /// # Errors
    /// That of the last address.
    pub async fn dial(
        &self,
        addresses: &[SocketAddr],
        server: PeerId,
        alpn: Alpn,
    ) -> Result<Connection, DialError> {
        self.dial_within(addresses, server, alpn, self.config.dial_timeout)
            .await
    }

    /// As [`Client::dial`], with another time for each address.
    pub(crate) async fn dial_within(
        &self,
        addresses: &[SocketAddr],
        server: PeerId,
        alpn: Alpn,
        after: Duration,
    ) -> Result<Connection, DialError> {
        let mut result = Err(DialError::NoAddress);
        for remote in addresses {
            result = self.dial_one(*remote, (server, alpn), after).await;
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// What is known of the link: from [`Client::set_memory`] or from the last connection. Clones
    /// share it. Worth keeping across restarts.
    #[must_use]
    pub fn memory(&self) -> LinkMemory {
        lock(&self.memory).clone()
    }

    /// Makes the next connection start at a rate that the link is known to carry, and a dead link
    /// be asked about for 61 bytes instead of dialled.
    pub fn set_memory(&self, known: LinkMemory) {
        *lock(&self.memory) = known;
    }

    fn prober(&self) -> Arc<Prober> {
        let seed = number(self.net.random());
        let tag = tag_of(&self.identity.peer());
        Prober::new(tag, self.memory.clone(), seed)
    }

    /// A socket to ask over, and who asks; `None` where the key or the socket is missing.
    pub(crate) fn ask_line(
        &self,
        remote: SocketAddr,
    ) -> Option<(Arc<dyn AsyncUdpSocket>, Arc<Prober>)> {
        let prober = self.prober();
        let socket = self.net.bind(any_port(remote)).ok()?;
        prober.can_ask().then_some((socket, prober))
    }

    /// Whether a hub has told the key to ask with.
    pub(crate) fn can_ask(&self) -> bool {
        lock(&self.memory).probe.is_some()
    }

    pub(crate) const fn dial_timeout(&self) -> Duration {
        self.config.dial_timeout
    }

    pub(crate) fn net(&self) -> &Arc<dyn Net> {
        &self.net
    }

    async fn dial_one(
        &self,
        remote: SocketAddr,
        (server, alpn): (PeerId, Alpn),
        after: Duration,
    ) -> Result<Connection, DialError> {
        let seen = Arc::new(Mutex::new(None));
        let mut config = client_config(&self.net, &self.identity, server, alpn, seen.clone())
            .map_err(|e| SetupError::tls(&e))?;
        let steer = self.config.steer(remote, self.memory.clone());
        config.transport_config(Arc::new(self.config.transport(remote, steer.clone())));
        let (endpoint, socket) = endpoint(&self.net, any_port(remote), &self.identity, None)?;
        socket.is_only(&steer);
        let prober = self.prober();
        socket.listen(Ear::Clinic(prober.clone()));
        let connecting = socket.steered(&steer, || endpoint.connect_with(config, remote, NAME));
        let connecting = connecting.map_err(|e| DialError::Ended {
            remote,
            cause: End::Transport(printable(&e)),
        })?;
        match timeout(after, connecting).await {
            Err(_) => {
                socket.mute();
                let heard = socket.has_heard();
                Err(DialError::Silent {
                    remote,
                    after,
                    heard,
                })
            }
            Ok(Ok(conn)) => {
                let seed = self.net.random();
                steer.hold_in_silence();
                let connection =
                    Connection::new((conn, steer), (server, alpn), &self.config, seed, None);
                let line = Line { socket, prober };
                Ok(connection.with_line(line).with_memory(self.memory.clone()))
            }
            Ok(Err(error)) => {
                let found = seen.lock().ok().and_then(|mut seen| seen.take());
                Err(explain(error, remote, (server, found), alpn))
            }
        }
    }
}

fn any_port(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn explain(
    error: ConnectionError,
    remote: SocketAddr,
    (expected, found): (PeerId, Option<PeerId>),
    alpn: Alpn,
) -> DialError {
    if found.is_some() {
        return DialError::WrongKey {
            remote,
            expected,
            found,
        };
    }
    if let ConnectionError::ConnectionClosed(closed) = &error
        && u64::from(closed.error_code) == NO_ALPN
    {
        return DialError::Alpn { remote, alpn };
    }
    DialError::Ended {
        remote,
        cause: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use quinn::{ConnectionClose, TransportErrorCode};

    use super::*;

    #[test]
    fn a_hub_of_another_protocol_version_is_named_as_such() {
        let remote = SocketAddr::from(([192, 0, 2, 1], 4433));
        let refused = ConnectionError::ConnectionClosed(ConnectionClose {
            error_code: TransportErrorCode::crypto(120),
            frame_type: None,
            reason: bytes::Bytes::new(),
        });
        let error = explain(refused, remote, (PeerId([1; 32]), None), Alpn::Session);
        assert_eq!(error.retry(), Retry::Later);
        assert_eq!(
            error.to_string(),
            "192.0.2.1:4433 does not speak karez/1; one of the two ends needs an update"
        );
    }

    #[tokio::test]
    async fn without_an_address_there_is_nothing_to_dial() {
        let net = Arc::new(crate::net::UdpNet::new(|| [0; 32], || 0));
        let identity = Identity::from_seed(&zeroize::Zeroizing::new([1; 32]));
        let client = Client::new(net, identity, LinkConfig::default());
        let dialled = client.dial(&[], PeerId([1; 32]), Alpn::Session).await;
        assert!(matches!(dialled.map(drop), Err(DialError::NoAddress)));
    }
}

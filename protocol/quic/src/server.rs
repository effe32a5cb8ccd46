//! The hub's side: who may connect, and how many at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use karez_protocol::Retry;
use karez_protocol::id::PeerId;
use karez_protocol::link::probe::{Tag, tag_of};
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connecting, ConnectionError, EndpointConfig, Incoming};
use quinn_proto::HashedConnectionIdGenerator;
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::config::LinkConfig;
use crate::connection::Connection;
use crate::end::{Close, code, printable};
use crate::identity::{Identity, peer_of};
use crate::inbox::KEY_TAG;
use crate::kick::number;
use crate::live::Live;
use crate::net::Net;
use crate::probe::{Ear, Responder};
use crate::pulse::Line;
use crate::socket::PacedSocket;
use crate::steer::{Memory, Steer};
use crate::tls::{self, Alpn};

/// Above so many handshakes under way a caller must first prove its address (RFC 9000 section
/// 8.1.2). Not counted per address: clinics share those of their carrier.
const HALF_OPEN_RETRY: usize = 64;
/// Above so many handshakes under way callers are left without an answer; they try again.
const HALF_OPEN_MAX: usize = 512;
/// A handshake that takes longer has lost its caller: on the slowest lines he dials anew after 20 s,
/// on others after 5 s.
const HANDSHAKE_MAX: Duration = Duration::from_secs(25);
/// An enrolment is one question and one answer.
const JOIN_MAX: Duration = Duration::from_secs(120);
/// Before everything else: it is needed as soon as the link fails.
const KEY_PRIORITY: i32 = 10;
/// Connections waiting for [`Server::accept`].
const BACKLOG: usize = 16;
/// Bytes kept for one caller who has not been looked at yet, and for all of them.
const UNSEEN_BYTES: (u64, u64) = (16 * 1024, 1024 * 1024);

/// What the hub decides about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may connect.
    Welcome,
    /// It was never enrolled.
    Unknown,
    /// It was revoked.
    Revoked,
}

/// Decides who may connect.
pub trait Admit: Send + Sync + 'static {
    /// Asked once per connection, after the peer has proved that it holds `peer`'s secret. For
    /// [`Alpn::Join`] an unknown key is welcome as well: its token is checked by the session.
    fn admit(&self, peer: &PeerId, alpn: Alpn) -> Admission;

    /// Whether questions under `tag` ([`karez_protocol::link::probe::tag_of`] a key) are answered.
    /// Who asks has been admitted once; say no for keys revoked since.
    fn answers(&self, tag: &Tag) -> bool {
        let _ = tag;
        true
    }
}

/// Why an endpoint could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address cannot be bound.
    #[error("cannot open UDP {addr}: {cause}; is another daemon using it? Change the address")]
    Socket {
        /// The address asked for.
        addr: SocketAddr,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The TLS library refused its configuration.
    #[error("TLS cannot be set up: {0}; this is a fault of the program, please report it")]
    Tls(String),
}

impl SetupError {
    /// When to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Socket { .. } => Retry::Later,
            Self::Tls(_) => Retry::Never,
        }
    }

    pub(crate) fn tls(error: &rustls::Error) -> Self {
        Self::Tls(printable(error))
    }
}

/// A listening endpoint. Dropping it closes every connection with [`code::SHUTDOWN`].
pub struct Server {
    endpoint: quinn::Endpoint,
    accepted: mpsc::Receiver<Connection>,
    live: Arc<Live>,
    /// Its drop ends the accepting task.
    _stop: watch::Sender<()>,
}

impl Server {
    /// Listens on `addr` and starts to accept.
    ///
    /// # Errors
    /// When the socket or TLS cannot be set up.
    pub fn bind(
        net: &Arc<dyn Net>,
        addr: SocketAddr,
        identity: &Identity,
        config: &LinkConfig,
        admit: Arc<dyn Admit>,
    ) -> Result<Self, SetupError> {
        let mut server = tls::server_config(net, identity).map_err(|e| SetupError::tls(&e))?;
        server
            .max_incoming(HALF_OPEN_MAX)
            .incoming_buffer_size(UNSEEN_BYTES.0)
            .incoming_buffer_size_total(UNSEEN_BYTES.1);
        let (endpoint, socket) = endpoint(net, addr, identity, Some(server.clone()))?;
        let responder = Arc::new(Responder::new(identity.probe_secret(), admit.clone()));
        socket.listen(Ear::Hub(responder.clone()));
        let (stop, stopped) = watch::channel(());
        let (accepted, queue) = mpsc::channel(BACKLOG);
        let live = Arc::new(Live::default());
        let door = Arc::new(Door {
            net: net.clone(),
            config: config.clone(),
            server,
            socket,
            responder,
            admit,
            live: live.clone(),
            accepted,
            half_open: AtomicUsize::new(0),
        });
        let accepting = accept_all(endpoint.clone(), door, stopped);
        net.runtime().spawn(Box::pin(accepting));
        Ok(Self {
            endpoint,
            accepted: queue,
            live,
            _stop: stop,
        })
    }

    /// The next connection whose peer has been admitted; `None` when the endpoint is broken.
    pub async fn accept(&mut self) -> Option<Connection> {
        self.accepted.recv().await
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Closes all live connections of a key, on its revocation; how many there were.
    pub fn close_peer(&self, peer: &PeerId, close: &Close) -> usize {
        self.live.close_peer(peer, close)
    }

    /// Closes all connections, tells the peers, and waits until that is said, at most `within`.
    pub async fn shutdown(self, within: Duration) {
        self.close_all();
        // Time running out is as good: what the peers did not hear they find out.
        let _ = timeout(within, self.endpoint.wait_idle()).await;
    }

    fn close_all(&self) {
        self.endpoint
            .close(code::SHUTDOWN.into(), b"the receiver stops");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close_all();
    }
}

/// An endpoint on a fresh socket.
pub(crate) fn endpoint(
    net: &Arc<dyn Net>,
    addr: SocketAddr,
    identity: &Identity,
    server: Option<quinn::ServerConfig>,
) -> Result<(quinn::Endpoint, Arc<PacedSocket>), SetupError> {
    let cid_key = identity.cid_key();
    let mut config = EndpointConfig::new(identity.reset_key());
    config
        .grease_quic_bit(false)
        .rng_seed(Some(net.random()))
        .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(cid_key)));
    #[cfg(feature = "mutants")]
    config.grease_quic_bit(karez_protocol::mutant::is_on(
        karez_protocol::mutant::Mutant::BitGreased,
    ));
    let broken = |cause| SetupError::Socket { addr, cause };
    let socket = PacedSocket::new(net.bind(addr).map_err(broken)?);
    let endpoint =
        quinn::Endpoint::new_with_abstract_socket(config, server, socket.clone(), net.runtime());
    Ok((endpoint.map_err(broken)?, socket))
}

/// What every handshake needs.
struct Door {
    net: Arc<dyn Net>,
    config: LinkConfig,
    server: quinn::ServerConfig,
    socket: Arc<PacedSocket>,
    responder: Arc<Responder>,
    admit: Arc<dyn Admit>,
    live: Arc<Live>,
    accepted: mpsc::Sender<Connection>,
    half_open: AtomicUsize,
}

async fn accept_all(endpoint: quinn::Endpoint, door: Arc<Door>, mut stopped: watch::Receiver<()>) {
    loop {
        let incoming = tokio::select! {
            biased;
            _ = stopped.changed() => return,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        let under_way = door.half_open.load(Ordering::Relaxed);
        if under_way >= HALF_OPEN_MAX {
            incoming.ignore();
        } else if under_way >= HALF_OPEN_RETRY && !incoming.remote_address_validated() {
            // Fails only for a caller that has proved its address.
            drop(incoming.retry());
        } else {
            let guard = HalfOpen::enter(door.clone());
            door.net.runtime().spawn(Box::pin(guard.run(incoming)));
        }
    }
}

/// One handshake under way.
struct HalfOpen(Arc<Door>);

impl HalfOpen {
    fn enter(door: Arc<Door>) -> Self {
        door.half_open.fetch_add(1, Ordering::Relaxed);
        Self(door)
    }

    async fn run(self, incoming: Incoming) {
        let remote = incoming.remote_address();
        let door = self.0.clone();
        let (steer, connecting) = door.begin(incoming);
        let handshake = async { connecting?.await };
        let conn = match timeout(HANDSHAKE_MAX, handshake).await {
            Ok(Ok(conn)) => conn,
            Ok(Err(error)) => {
                return debug!(%remote, error = printable(&error), "handshake failed");
            }
            Err(_) => return debug!(%remote, "handshake not finished in time"),
        };
        match door.judge(&conn, &steer) {
            Ok(connection) => {
                // Fails only when the server is gone; the connection then closes itself.
                drop(door.accepted.send(connection).await);
            }
            Err(close) => {
                debug!(%remote, reason = close.reason, "connection refused");
                close.apply(&conn);
            }
        }
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.half_open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    fn begin(&self, incoming: Incoming) -> (Arc<Steer>, Result<Connecting, ConnectionError>) {
        let remote = incoming.remote_address();
        let steer = self.config.steer(remote, Memory::default());
        let mut transport = self.config.transport(remote, steer.clone());
        // The socket is shared: what paces one connection cannot say how many packets go at once.
        transport.enable_segmentation_offload(false);
        let mut server = self.server.clone();
        server.transport_config(Arc::new(transport));
        let accept = || incoming.accept_with(Arc::new(server));
        let connecting = self.socket.steered(&steer, accept);
        steer.hold_in_silence();
        (steer, connecting)
    }

    fn judge(&self, conn: &quinn::Connection, steer: &Arc<Steer>) -> Result<Connection, Close> {
        let broken = Close::new(code::BAD_FRAME, "the handshake named no key or no protocol");
        let (peer, alpn) = who(conn).ok_or(broken)?;
        match self.admit.admit(&peer, alpn) {
            Admission::Welcome => {}
            Admission::Unknown => return Err(unknown(&peer)),
            Admission::Revoked => return Err(revoked(&peer)),
        }
        let member = self
            .live
            .enter(peer, alpn, (conn, steer))
            .ok_or_else(too_many_joins)?;
        match alpn {
            Alpn::Join => self.limit_join(conn.clone()),
            Alpn::Session => self.tell_key(&peer, conn.clone()),
        }
        let seed = self.net.random();
        let line = Line {
            socket: self.socket.clone(),
            prober: self.responder.prober(tag_of(&peer), number(seed)),
        };
        let connection = Connection::new(
            (conn.clone(), steer.clone()),
            (peer, alpn),
            &self.config,
            seed,
            Some(member),
        );
        Ok(connection.with_line(line))
    }

    /// Tells a clinic what its questions must be sealed with.
    fn tell_key(&self, peer: &PeerId, conn: quinn::Connection) {
        let key = self.responder.key(tag_of(peer));
        self.net.runtime().spawn(Box::pin(async move {
            // Fails only with the connection; the next one tells it again.
            let Ok(mut stream) = conn.open_uni().await else {
                return;
            };
            drop(stream.set_priority(KEY_PRIORITY));
            drop(
                stream
                    .write_all(&[&[KEY_TAG], &key.as_bytes()[..]].concat())
                    .await,
            );
        }));
    }

    fn limit_join(&self, conn: quinn::Connection) {
        self.net.runtime().spawn(Box::pin(async move {
            tokio::select! {
                biased;
                _ = conn.closed() => {}
                () = sleep(JOIN_MAX) => Close::new(code::BUSY, "enrolment took too long").apply(&conn),
            }
        }));
    }
}

fn who(conn: &quinn::Connection) -> Option<(PeerId, Alpn)> {
    let chain = conn.peer_identity()?;
    let chain = chain.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let data = conn.handshake_data()?.downcast::<HandshakeData>().ok()?;
    Some((
        peer_of(chain.first()?.as_ref())?,
        Alpn::from_name(&data.protocol?)?,
    ))
}

fn unknown(peer: &PeerId) -> Close {
    let reason = format!(
        "key {} is not known here: join with an invitation",
        peer.short()
    );
    Close::new(code::UNKNOWN_KEY, &reason)
}

fn revoked(peer: &PeerId) -> Close {
    let reason = format!(
        "key {} was revoked: ask the hub for a new invitation",
        peer.short()
    );
    Close::new(code::REVOKED, &reason)
}

fn too_many_joins() -> Close {
    Close::new(
        code::BUSY,
        "too many enrolments at once: try again in a minute",
    )
}

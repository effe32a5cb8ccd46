//! Where sockets, time and randomness come from.
//!
//! The simulator implements [`Net`] and the socket traits that are passed on from quinn here, so
//! that nothing else needs to name quinn.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

pub use quinn::udp::{RecvMeta, Transmit};
pub use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};

/// The outside world as this crate needs it.
pub trait Net: Send + Sync + 'static {
    /// Opens a UDP socket on `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// What the operating system says.
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>>;

    /// Fresh random bytes at each call. The seeds of an endpoint and the jitter of redialling
    /// come from here, so that a seeded source gives the same packet trace again.
    fn random(&self) -> [u8; 32];

    /// The wall clock in seconds since 1970. May be wrong, even before 1970: nothing that lasts
    /// depends on it.
    fn wall(&self) -> i64;

    /// Timers and tasks. Tokio's, which follows a paused clock, unless overridden.
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime)
    }
}

/// Real UDP sockets on the current tokio runtime.
pub struct UdpNet {
    random: Box<dyn Fn() -> [u8; 32] + Send + Sync>,
    wall: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl UdpNet {
    /// Sockets of this machine, with the caller's source of randomness and wall clock (seconds
    /// since 1970).
    pub fn new(
        random: impl Fn() -> [u8; 32] + Send + Sync + 'static,
        wall: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            random: Box::new(random),
            wall: Box::new(wall),
        }
    }
}

impl Net for UdpNet {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(std::net::UdpSocket::bind(addr)?)
    }

    fn random(&self) -> [u8; 32] {
        (self.random)()
    }

    fn wall(&self) -> i64 {
        (self.wall)()
    }
}

//! A hub whose power can be cut: from then on its sockets say and hear nothing.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use karez_quic::Net;
use karez_quic::net::{AsyncUdpSocket, RecvMeta, Transmit, UdpPoller};

type Inner = Arc<dyn AsyncUdpSocket>;

/// The sockets of one life of a hub.
pub(super) struct Plugged {
    net: Arc<dyn Net>,
    sockets: Mutex<Vec<Arc<Socket>>>,
}

impl Plugged {
    pub(super) fn new(net: Arc<dyn Net>) -> Arc<Self> {
        Arc::new(Self {
            net,
            sockets: Mutex::default(),
        })
    }

    /// Ends this life without a word; its ports are free at once.
    pub(super) fn pull(&self) {
        for socket in lock(&self.sockets).drain(..) {
            drop(lock(&socket.inner).take());
        }
    }
}

impl Net for Plugged {
    fn bind(&self, addr: SocketAddr) -> io::Result<Inner> {
        let inner = self.net.bind(addr)?;
        let local = inner.local_addr()?;
        let socket = Arc::new(Socket {
            inner: Mutex::new(Some(inner)),
            local,
        });
        lock(&self.sockets).push(socket.clone());
        Ok(socket)
    }

    fn random(&self) -> [u8; 32] {
        self.net.random()
    }

    fn wall(&self) -> i64 {
        self.net.wall()
    }
}

struct Socket {
    inner: Mutex<Option<Inner>>,
    local: SocketAddr,
}

impl Socket {
    fn inner(&self) -> Option<Inner> {
        lock(&self.inner).clone()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugged({})", self.local)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Ready)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner()
            .map_or(Ok(()), |inner| inner.try_send(transmit))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let inner = self.inner();
        inner.map_or(Poll::Pending, |inner| inner.poll_recv(cx, bufs, meta))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

/// The air takes everything at once.
#[derive(Debug)]
struct Ready;

impl UdpPoller for Ready {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A UDP socket that lets each connection's packets out when its [`Steer`] says.
//!
//! quinn asks a connection's poller before it sends each packet that it has made. No queue lies
//! below QUIC: what is urgent still overtakes at the last moment.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::probe::Ear;
use crate::steer::{Steer, lock};

/// The socket of an endpoint.
pub(crate) struct PacedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    /// Held while a connection is made, so that two are not mixed up.
    turn: Mutex<()>,
    /// Whose connection is being made.
    next: Mutex<Option<Arc<Steer>>>,
    /// The only connection, where there is no other.
    only: Mutex<Option<Arc<Steer>>>,
    ear: OnceLock<Ear>,
    mute: AtomicBool,
    heard: AtomicBool,
}

impl PacedSocket {
    pub(crate) fn new(inner: Arc<dyn AsyncUdpSocket>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            turn: Mutex::new(()),
            next: Mutex::new(None),
            only: Mutex::new(None),
            ear: OnceLock::new(),
            mute: AtomicBool::new(false),
            heard: AtomicBool::new(false),
        })
    }

    /// Shows every datagram that comes to `ear`; the first one set stays.
    pub(crate) fn listen(&self, ear: Ear) {
        let _ = self.ear.set(ear);
    }

    /// Sends no more. A caller that nobody answered need not say goodbye in 1,228 bytes.
    pub(crate) fn mute(&self) {
        self.mute.store(true, Ordering::Relaxed);
    }

    /// Whether anything has come.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// The socket below.
    pub(crate) fn inner(&self) -> &dyn AsyncUdpSocket {
        &*self.inner
    }

    /// Runs `make`, which makes one connection of this socket; its packets follow `steer`.
    pub(crate) fn steered<T>(&self, steer: &Arc<Steer>, make: impl FnOnce() -> T) -> T {
        let _turn = lock(&self.turn);
        *lock(&self.next) = Some(steer.clone());
        let made = make();
        *lock(&self.next) = None;
        made
    }

    /// No other connection will use this socket.
    pub(crate) fn is_only(&self, steer: &Arc<Steer>) {
        steer.is_alone();
        *lock(&self.only) = Some(steer.clone());
    }
}

impl fmt::Debug for PacedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacedSocket({:?})", self.inner)
    }
}

impl AsyncUdpSocket for PacedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        let steer = lock(&self.next).take();
        Box::pin(PacedPoller {
            inner: self.inner.clone().create_io_poller(),
            steer,
            timer: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let stops = lock(&self.only).as_ref().is_some_and(|only| only.stops());
        match stops || self.mute.load(Ordering::Relaxed) {
            true => Ok(()),
            false => self.inner.try_send(transmit),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.inner.poll_recv(cx, bufs, meta))?;
        self.heard.store(true, Ordering::Relaxed);
        // A probe is no QUIC: quinn drops it after us.
        if let Some(ear) = self.ear.get() {
            for (buf, meta) in bufs.iter().zip(meta.iter()).take(count) {
                let batch = buf.get(..meta.len).unwrap_or_default();
                ear.hear(batch, meta.stride, meta.addr, &*self.inner);
            }
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Several packets at once would leave as a burst.
    fn max_transmit_segments(&self) -> usize {
        let paced = lock(&self.only)
            .as_ref()
            .is_some_and(|steer| steer.is_paced());
        match paced {
            true => 1,
            false => self.inner.max_transmit_segments(),
        }
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// What one connection asks before each packet.
struct PacedPoller {
    inner: Pin<Box<dyn UdpPoller>>,
    steer: Option<Arc<Steer>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for PacedPoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacedPoller")
    }
}

impl UdpPoller for PacedPoller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(steer) = self.steer.clone() else {
            return self.inner.as_mut().poll_writable(cx);
        };
        while let Err(at) = steer.may_leave(Instant::now().into_std()) {
            let at = Instant::from_std(at);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            timer.as_mut().reset(at);
            ready!(timer.as_mut().poll(cx));
        }
        ready!(self.inner.as_mut().poll_writable(cx))?;
        steer.leaves(Instant::now().into_std());
        Poll::Ready(Ok(()))
    }
}

//! Counts every IP byte to and from the hub: connections, dials that fail, questions.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use karez_quic::Net;
use karez_quic::net::{AsyncUdpSocket, RecvMeta, Runtime, Transmit, UdpPoller};

/// IP bytes since the start, both ways together.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

/// Sockets that are counted.
pub(super) struct Metered {
    pub(super) net: Arc<dyn Net>,
    pub(super) meter: Arc<Meter>,
}

impl Meter {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// `bytes` of UDP payload in datagrams of `stride`.
    fn add(&self, remote: IpAddr, bytes: usize, stride: usize) {
        let headers = match remote.to_canonical() {
            IpAddr::V4(_) => 28,
            IpAddr::V6(_) => 48,
        };
        let datagrams = bytes.div_ceil(stride.max(1));
        let all = bytes + headers * datagrams;
        self.0.fetch_add(all as u64, Ordering::Relaxed);
    }
}

impl Net for Metered {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(Socket {
            inner: self.net.bind(addr)?,
            meter: self.meter.clone(),
        }))
    }

    fn random(&self) -> [u8; 32] {
        self.net.random()
    }

    fn wall(&self) -> i64 {
        self.net.wall()
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        self.net.runtime()
    }
}

struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    meter: Arc<Meter>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metered({:?})", self.inner)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)?;
        let bytes = transmit.contents.len();
        let stride = transmit.segment_size.unwrap_or(bytes);
        self.meter.add(transmit.destination.ip(), bytes, stride);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.inner.poll_recv(cx, bufs, meta))?;
        for got in meta.iter().take(count) {
            self.meter.add(got.addr.ip(), got.len, got.stride);
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_datagram_of_a_batch_has_its_headers() {
        let meter = Meter::default();
        meter.add(IpAddr::from([192, 0, 2, 1]), 2500, 1000);
        assert_eq!(meter.bytes(), 2500 + 3 * 28);
        meter.add(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]), 10, 10);
        assert_eq!(meter.bytes(), 2500 + 3 * 28 + 58);
    }
}

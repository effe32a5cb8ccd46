//! What has arrived at a socket and was not read yet.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use karez_quic::net::{RecvMeta, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

/// Datagrams that wait at a socket; what comes on top is lost, as in a kernel.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct Inbox {
    /// Tells a socket from a later one at its address.
    pub(super) socket: u64,
    pub(super) packets: VecDeque<(SocketAddr, Vec<u8>)>,
    pub(super) waker: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Inbox {
    pub(super) fn new(socket: u64) -> Self {
        Self {
            socket,
            ..Self::default()
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.packets.len() < MOST
    }

    pub(super) fn take(
        &mut self,
        own: SocketAddr,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> usize {
        let mut taken = 0;
        for (buffer, meta) in buffers.iter_mut().zip(meta) {
            let Some((from, data)) = self.packets.pop_front() else {
                break;
            };
            let len = data.len().min(buffer.len());
            buffer[..len].copy_from_slice(&data[..len]);
            *meta = RecvMeta {
                addr: from,
                len,
                stride: len,
                ecn: None,
                dst_ip: Some(own.ip()),
            };
            taken += 1;
        }
        taken
    }

    pub(super) fn wait(&mut self, cx: &mut Context<'_>, next: Option<Instant>) {
        self.waker = Some(cx.waker().clone());
        self.timer = next.map(|at| Box::pin(sleep_until(at)));
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            cx.waker().wake_by_ref();
        }
    }
}

/// A socket that can always send.
#[derive(Debug)]
pub(super) struct Always;

impl UdpPoller for Always {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! Waits for a hub that there is no connection to, by asking: 61 bytes a question instead of six
//! packets a handshake.

use std::future::poll_fn;
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use karez_protocol::link::probe;
use quinn::AsyncUdpSocket;
use quinn::udp::RecvMeta;
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::kick::Jitter;
use crate::probe::Prober;

/// Larger datagrams are none of ours.
const BUFFER: usize = 2048;

/// Returns when one of `addresses` has answered. Never, where there is nobody to ask or nothing
/// to ask with.
pub(crate) async fn answer(
    client: &Client,
    addresses: &[SocketAddr],
    quiet_since: Instant,
    jitter: &mut Jitter,
) {
    let line = |addr: &SocketAddr| {
        let (socket, prober) = client.ask_line(*addr)?;
        Some((*addr, socket, prober))
    };
    let lines: Vec<_> = addresses.iter().filter_map(line).collect();
    if lines.is_empty() {
        return std::future::pending().await;
    }
    for (addr, socket, prober) in lines.iter().cycle() {
        prober.ask(&**socket, *addr);
        let interval = probe::interval(quiet_since.elapsed(), false, jitter.next());
        let heard = poll_fn(|cx| {
            let all = lines
                .iter()
                .map(|(_, socket, prober)| listen(socket, prober, cx));
            match all.fold(false, |any, heard| any | heard) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        if timeout(interval, heard).await.is_ok() {
            return;
        }
    }
}

/// Whether an answer has come.
fn listen(socket: &Arc<dyn AsyncUdpSocket>, prober: &Prober, cx: &mut Context<'_>) -> bool {
    let mut buffer = [0; BUFFER];
    let mut meta = [RecvMeta::default()];
    // A broken socket stays silent; the next dial finds out.
    while let Poll::Ready(Ok(count)) =
        socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta)
        && count > 0
    {
        let [meta] = &meta;
        prober.hear(buffer.get(..meta.len).unwrap_or_default());
        if prober.answered().is_some() {
            return true;
        }
    }
    false
}

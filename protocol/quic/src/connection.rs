//! One connection: whole frames in and out, over lanes.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use karez_protocol::id::PeerId;
use karez_protocol::session::Lane;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};

use crate::config::{LinkConfig, ip_udp_headers};
use crate::end::{Close, End, code};
use crate::inbox::Inbox;
use crate::kick::{kick, number};
use crate::lane::index;
use crate::live::Member;
use crate::outbox::Outbox;
use crate::probe::Prober;
use crate::pulse::Line;
use crate::steer::{Memory, Steer};
use crate::tls::Alpn;

/// A live connection to one peer. Dropping it closes it with [`code::DONE`].
pub struct Connection {
    conn: quinn::Connection,
    steer: Arc<Steer>,
    /// How it is asked whether a silent link is back.
    line: Option<Line>,
    peer: PeerId,
    alpn: Alpn,
    /// From the net's source: spreads the timers of many peers.
    seed: u64,
    outbox: std::sync::Mutex<Outbox>,
    /// One `send` per lane at a time: quinn keeps one waker per stream.
    turns: [Mutex<()>; 5],
    inbox: Mutex<Inbox>,
    driven: AtomicBool,
    /// Keeps a server's connection in its list of live ones.
    _member: Option<Member>,
}

impl Connection {
    pub(crate) fn new(
        (conn, steer): (quinn::Connection, Arc<Steer>),
        (peer, alpn): (PeerId, Alpn),
        config: &LinkConfig,
        seed: [u8; 32],
        member: Option<Member>,
    ) -> Self {
        let outbox = Outbox::new(conn.clone(), steer.clone(), config);
        Self {
            peer,
            alpn,
            seed: number(seed),
            outbox: std::sync::Mutex::new(outbox),
            turns: Default::default(),
            inbox: Mutex::new(Inbox::new(conn.clone(), None)),
            driven: AtomicBool::new(false),
            _member: member,
            line: None,
            steer,
            conn,
        }
    }

    /// Asks over `line` while the link is silent.
    pub(crate) fn with_line(mut self, line: Line) -> Self {
        self.line = Some(line);
        self
    }

    /// At a clinic: notes the key to ask with when the hub tells it.
    pub(crate) fn with_memory(mut self, memory: Memory) -> Self {
        self.inbox = Mutex::new(Inbox::new(self.conn.clone(), Some(memory)));
        self
    }

    /// The key that the peer proved to hold.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    /// What the connection is for.
    #[must_use]
    pub const fn alpn(&self) -> Alpn {
        self.alpn
    }

    /// Where the peer's packets come from now; changes when its network does.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.conn.remote_address()
    }

    /// Sends one frame of at most 64 KiB; waits while its lane is blocked. For short dialogues:
    /// [`crate::drive`] keeps lanes in order of urgency. When the call is dropped early, the frame
    /// may still be sent, whole, before the lane's next one.
    ///
    /// # Errors
    /// [`End::TooLong`], [`End::InUse`] while driven, or why the connection ended.
    pub async fn send(&self, lane: Lane, frame: Bytes) -> Result<(), End> {
        let _turn = self.turns[index(lane)].lock().await;
        let mut frame = Some(frame);
        poll_fn(|cx| {
            if self.driven.load(Ordering::Acquire) {
                return Poll::Ready(Err(End::InUse));
            }
            let mut outbox = self.outbox();
            loop {
                ready!(outbox.poll_lane(lane, cx))?;
                match frame.take() {
                    Some(frame) => outbox.put(lane, frame)?,
                    None => return Poll::Ready(Ok(())),
                }
            }
        })
        .await
    }

    /// The next frame; when several lanes have one, the most urgent first.
    ///
    /// # Errors
    /// [`End::InUse`] while driven or read by another task, or why the connection ended.
    pub async fn recv(&self) -> Result<(Lane, Bytes), End> {
        let mut inbox = self.inbox.try_lock().map_err(|_| End::InUse)?;
        let received = poll_fn(|cx| inbox.poll_frame(cx, &|_| true)).await;
        received.inspect_err(|end| self.answer(end))
    }

    /// Closes at once; what is not yet sent is dropped.
    pub fn close(&self, close: &Close) {
        close.apply(&self.conn);
    }

    /// Sends no more, waits until the peer has everything, then closes with [`code::DONE`].
    /// False when that took longer than `within` or the connection ended first.
    pub async fn finish(&self, within: Duration) -> bool {
        let all = async {
            poll_fn(|cx| self.outbox().poll_flush(cx)).await?;
            let streams = self.outbox().finish();
            for stream in streams {
                let stopped = stream.stopped().await;
                stopped.map_err(|_| End::Here)?;
            }
            Ok::<(), End>(())
        };
        let finished = matches!(timeout(within, all).await, Ok(Ok(())));
        self.close(&Close::new(code::DONE, "done"));
        finished
    }

    /// Why the connection ended, once it has.
    pub async fn closed(&self) -> End {
        self.conn.closed().await.into()
    }

    /// The link is back: let the connection probe at once instead of when its timers run out.
    pub fn kick(&self) {
        self.handle().kick();
    }

    /// Counts and estimates up to now.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        self.handle().stats()
    }

    /// For status pages and link events: sees and kicks, keeps nothing alive.
    #[must_use]
    pub fn handle(&self) -> LinkHandle {
        LinkHandle {
            conn: self.conn.clone(),
            steer: self.steer.clone(),
            prober: self.line.as_ref().map(|line| line.prober.clone()),
        }
    }

    /// Takes both halves for a driving task and keeps `send` and `recv` out.
    pub(crate) fn claim(&self) -> Result<Claim<'_>, End> {
        if self.driven.swap(true, Ordering::AcqRel) {
            return Err(End::InUse);
        }
        if let Ok(inbox) = self.inbox.try_lock() {
            return Ok(Claim { conn: self, inbox });
        }
        self.driven.store(false, Ordering::Release);
        Err(End::InUse)
    }

    /// Held for one poll at most.
    pub(crate) fn outbox(&self) -> std::sync::MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a peer that broke the rules.
    pub(crate) fn answer(&self, end: &End) {
        match end {
            End::BadFrame(what) => self.close(&Close::new(code::BAD_FRAME, what)),
            End::Session(close) => self.close(close),
            _ => {}
        }
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) const fn quic(&self) -> &quinn::Connection {
        &self.conn
    }

    pub(crate) const fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }

    pub(crate) const fn steer(&self) -> &Arc<Steer> {
        &self.steer
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // No more than an echo when it is closed already.
        self.close(&Close::new(code::DONE, "done"));
    }
}

/// A connection held by the task that drives it.
pub(crate) struct Claim<'a> {
    conn: &'a Connection,
    pub(crate) inbox: MutexGuard<'a, Inbox>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.conn.driven.store(false, Ordering::Release);
    }
}

/// A view of a connection that does not keep it alive.
#[derive(Clone)]
pub struct LinkHandle {
    conn: quinn::Connection,
    steer: Arc<Steer>,
    prober: Option<Arc<Prober>>,
}

impl LinkHandle {
    /// As [`Connection::kick`].
    pub fn kick(&self) {
        kick(&self.conn, &self.steer);
    }

    /// How long an acknowledgement of what was sent has been missing; `None` when nothing is
    /// unacknowledged.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        self.steer.silence(Instant::now().into_std())
    }

    /// When the peer last answered a question, if it ever did.
    pub(crate) fn answered(&self) -> Option<Instant> {
        self.prober.as_ref()?.answered()
    }

    /// As [`Connection::stats`].
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        let remote = self.conn.remote_address();
        let stats = self.conn.stats();
        let headers = u64::from(ip_udp_headers(remote));
        LinkStats {
            remote,
            rtt: stats.path.rtt,
            window: self.steer.window(),
            rate: self.steer.rate().map(|rate| rate as u64),
            up_bytes: stats.udp_tx.bytes + headers * stats.udp_tx.datagrams,
            down_bytes: stats.udp_rx.bytes + headers * stats.udp_rx.datagrams,
            up_packets: stats.udp_tx.datagrams,
            down_packets: stats.udp_rx.datagrams,
            lost_packets: stats.path.lost_packets,
        }
    }
}

impl std::fmt::Debug for LinkHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkHandle({:?})", self.stats())
    }
}

/// What a connection has cost and seen since its first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkStats {
    /// Where the peer is now.
    pub remote: SocketAddr,
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// Bytes that may be in flight.
    pub window: u64,
    /// Bytes per second that packets leave at while there are any; `None` where QUIC's own
    /// controller decides or nothing is known yet.
    pub rate: Option<u64>,
    /// IP bytes sent, headers included.
    pub up_bytes: u64,
    /// IP bytes received, headers included.
    pub down_bytes: u64,
    /// Datagrams sent.
    pub up_packets: u64,
    /// Datagrams received.
    pub down_packets: u64,
    /// Packets sent and found lost.
    pub lost_packets: u64,
}

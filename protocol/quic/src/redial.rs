//! A connection for ever: dialled, driven, replaced, without an attempt counter.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use karez_protocol::Retry;
use karez_protocol::id::PeerId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, DialError};
use crate::connection::{Connection, LinkHandle};
use crate::drive::drive;
use crate::kick::{Jitter, probe_interval};
use crate::session::{Session, Wake};
use crate::tls::Alpn;

/// Longest wait for the hub's addresses.
const RESOLVE_MAX: Duration = Duration::from_secs(10);
/// Longest pause between two looks at a connection.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Kicks after the network came back, until one is answered: some may be lost.
const KICKS: u32 = 5;
/// The time between them, and after the last word before the first.
const KICK_PAUSE: Duration = Duration::from_secs(1);

/// Where the hub's addresses come from; asked before each dial, because they change.
pub trait Resolve: Send {
    /// The addresses, best first; none when the name does not resolve now.
    fn resolve(&mut self) -> Pin<Box<dyn Future<Output = Vec<SocketAddr>> + Send + '_>>;
}

impl Resolve for Vec<SocketAddr> {
    fn resolve(&mut self) -> Pin<Box<dyn Future<Output = Vec<SocketAddr>> + Send + '_>> {
        Box::pin(std::future::ready(self.clone()))
    }
}

/// When a connection is given up for another.
#[derive(Clone, Copy, Debug)]
pub struct RedialPolicy {
    /// Nothing was heard for this long while an acknowledgement is due: dial beside it.
    pub replace_after: Duration,
    /// The same before the first word after the handshake.
    pub first_word: Duration,
    /// The wait after a refusal that only a person can lift.
    pub refused_wait: Duration,
    /// A connection that lived shorter than this does not count as a success.
    pub steady: Duration,
}

impl Default for RedialPolicy {
    fn default() -> Self {
        Self {
            replace_after: Duration::from_secs(30),
            first_word: Duration::from_secs(5),
            refused_wait: Duration::from_secs(300),
            steady: Duration::from_secs(10),
        }
    }
}

/// What a status page shows of the link.
#[derive(Clone, Debug)]
pub enum LinkState {
    /// No connection.
    Down {
        /// Since when.
        since: Instant,
        /// The last failure: cause, place and fix. Empty before the first.
        cause: String,
    },
    /// A connection is driven; an outage may still silence it, see [`LinkHandle::silence`].
    Up {
        /// Since when.
        since: Instant,
        /// Its figures.
        link: LinkHandle,
        /// Why a dial beside it failed while it was silent; empty when there was none.
        trouble: String,
    },
}

/// Keeps one connection to a hub.
pub struct Redial {
    target: Target,
    policy: RedialPolicy,
    state: watch::Sender<LinkState>,
    link_up: LinkUp,
    jitter: Jitter,
}

impl Redial {
    /// `link_up` changes when the machine's network comes back; its sender may be dropped.
    #[must_use]
    pub fn new(
        client: Client,
        hub: PeerId,
        resolve: Box<dyn Resolve>,
        policy: RedialPolicy,
        link_up: watch::Receiver<u64>,
    ) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = client.net().random();
        let state = LinkState::Down {
            since: Instant::now(),
            cause: String::new(),
        };
        Self {
            target: Target {
                client,
                hub,
                resolve,
            },
            policy,
            state: watch::Sender::new(state),
            link_up: LinkUp(Some(link_up)),
            jitter: Jitter(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
        }
    }

    /// Follows the link's state.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Dials, drives a session from `open` on each connection, and dials again, for ever. Drop
    /// the future to stop.
    pub async fn run<S: Session>(
        &mut self,
        wake: &Wake,
        mut open: impl FnMut(&Connection) -> S,
    ) -> Infallible {
        let mut quiet_since = Instant::now();
        let mut fresh = None;
        loop {
            let conn = match fresh.take() {
                Some(conn) => conn,
                None => self.dial(quiet_since).await,
            };
            let began = Instant::now();
            self.state.send_replace(LinkState::Up {
                since: began,
                link: conn.handle(),
                trouble: String::new(),
            });
            let mut session = open(&conn);
            let end = tokio::select! {
                biased;
                end = drive(&conn, &mut session, wake) => end,
                next = self.successor(&conn) => {
                    fresh = Some(next);
                    continue;
                }
            };
            drop(session);
            if began.elapsed() >= self.policy.steady {
                quiet_since = Instant::now();
            }
            self.down(end.to_string());
            self.pause(quiet_since, end.retry()).await;
        }
    }

    async fn dial(&mut self, quiet_since: Instant) -> Connection {
        loop {
            let dialled = tokio::select! {
                dialled = self.target.dial() => dialled,
                // What was sent before the network came back is lost.
                () = self.link_up.happens() => continue,
            };
            match dialled {
                Ok(conn) => return conn,
                Err(error) => {
                    self.down(error.to_string());
                    self.pause(quiet_since, error.retry()).await;
                }
            }
        }
    }

    /// Watches a driven connection; returns the one that takes its place once it is silent for
    /// too long and the hub answers to another.
    async fn successor(&mut self, conn: &Connection) -> Connection {
        let handle = conn.handle();
        let at_start = handle.stats().down_packets;
        let mut not_before = Instant::now();
        let mut kicks = 0;
        loop {
            let heard = handle.stats().down_packets > at_start;
            let limit = match heard {
                true => self.policy.replace_after,
                false => self.policy.first_word,
            };
            let silence = handle.silence().unwrap_or_default();
            if silence >= limit && Instant::now() >= not_before {
                tokio::select! {
                    dialled = self.target.dial() => match dialled {
                        Ok(next) if handle.silence() >= Some(limit) => return next,
                        Ok(_) => {}
                        Err(error) => self.beside(&error),
                    },
                    () = self.link_up.happens() => kicks = KICKS,
                }
                not_before = Instant::now() + self.next_try(silence);
            }
            if kicks > 0 && silence > KICK_PAUSE {
                handle.kick();
            }
            kicks = kicks.saturating_sub(1);
            let wait = match kicks {
                0 => limit.saturating_sub(silence).clamp(KICK_PAUSE, LOOK_MAX),
                _ => KICK_PAUSE,
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = self.link_up.happens() => kicks = KICKS,
            }
        }
    }

    /// Kicks are cheaper than handshakes and mostly enough, so a silent connection's successor is
    /// tried for less and less often: from 10 s to two minutes.
    fn next_try(&mut self, silence: Duration) -> Duration {
        let even = (silence / 4).clamp(Duration::from_secs(10), Duration::from_secs(120));
        even.mul_f64(0.75 + self.jitter.next() / 2.0)
    }

    async fn pause(&mut self, quiet_since: Instant, retry: Retry) {
        let wait = match retry {
            Retry::Never => self.policy.refused_wait,
            Retry::Now | Retry::Later => probe_interval(quiet_since.elapsed(), &mut self.jitter),
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = self.link_up.happens() => {}
        }
    }

    fn beside(&self, error: &DialError) {
        self.state.send_modify(|state| {
            if let LinkState::Up { trouble, .. } = state {
                *trouble = error.to_string();
            }
        });
    }

    fn down(&self, cause: String) {
        self.state.send_modify(|state| {
            let since = match state {
                LinkState::Down { since, .. } => *since,
                LinkState::Up { .. } => Instant::now(),
            };
            *state = LinkState::Down { since, cause };
        });
    }
}

struct Target {
    client: Client,
    hub: PeerId,
    resolve: Box<dyn Resolve>,
}

impl Target {
    async fn dial(&mut self) -> Result<Connection, DialError> {
        let resolved = timeout(RESOLVE_MAX, self.resolve.resolve()).await;
        let addresses = resolved.unwrap_or_default();
        self.client.dial(&addresses, self.hub, Alpn::Session).await
    }
}

/// The machine's link-up events; for ever silent once their source is gone.
struct LinkUp(Option<watch::Receiver<u64>>);

impl LinkUp {
    async fn happens(&mut self) {
        if let Some(events) = &mut self.0
            && events.changed().await.is_ok()
        {
            return;
        }
        self.0 = None;
        std::future::pending::<()>().await;
    }
}

//! A connection for ever: dialled, driven, replaced, without an attempt counter.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use karez_protocol::Retry;
use karez_protocol::id::PeerId;
use karez_protocol::link::probe;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::client::{Client, DialError};
use crate::connection::{Connection, LinkHandle};
use crate::drive::drive;
use crate::kick::{Jitter, number};
use crate::seek;
use crate::session::{Session, Wake};
use crate::target::{Hope, Target};

/// Longest pause between two looks at a connection.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// After a silence of this a dial that nothing speaks for is kept short.
const HOPE: Duration = Duration::from_secs(600);
/// The shortest and the longest time between two handshakes on a dead link.
const DIAL_AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// The longest time between two handshakes on a path that carried none.
const NARROW_AGAIN: Duration = Duration::from_secs(600);

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
        let jitter = Jitter(number(client.net().random()));
        let state = LinkState::Down {
            since: Instant::now(),
            cause: String::new(),
        };
        Self {
            target: Target::new(client, hub, resolve),
            policy,
            state: watch::Sender::new(state),
            link_up: LinkUp(Some(link_up)),
            jitter,
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
            self.down(end.to_string());
            let steady = began.elapsed() >= self.policy.steady;
            if steady {
                quiet_since = Instant::now();
            }
            if !(steady && end.retry() == Retry::Now) {
                self.pause(quiet_since, end.retry()).await;
            }
        }
    }

    async fn dial(&mut self, quiet_since: Instant) -> Connection {
        let mut hope = Hope::Some;
        loop {
            let dialled = tokio::select! {
                biased;
                dialled = self.target.dial(hope) => dialled,
                // What was sent before the network came back is lost.
                () = self.link_up.happens() => continue,
            };
            hope = match dialled {
                Ok(conn) => return conn,
                Err(error) => {
                    self.down(error.to_string());
                    match &error {
                        DialError::Narrow { .. } => {
                            self.wait_for_a_person(quiet_since).await;
                            self.wait_for_answer(quiet_since).await
                        }
                        DialError::Silent { .. } if self.target.client.can_ask() => {
                            self.wait_for_answer(quiet_since).await
                        }
                        _ => self.pause(quiet_since, error.retry()).await,
                    }
                }
            };
        }
    }

    /// Watches a driven connection; returns the one that takes its place once it is silent for
    /// too long and the hub answers to another.
    async fn successor(&mut self, conn: &Connection) -> Connection {
        let handle = conn.handle();
        let at_start = handle.stats().down_packets;
        let mut not_before = Instant::now();
        let mut answered_since = None;
        let mut kicks = 0;
        loop {
            let heard = handle.stats().down_packets > at_start;
            let limit = match heard {
                true => self.policy.replace_after,
                false => self.policy.first_word,
            };
            let silence = handle.silence().unwrap_or_default();
            let now = Instant::now();
            let answered = handle.answered().filter(|at| now - silence < *at);
            answered_since = answered.map(|at| answered_since.unwrap_or(at));
            // The link lives, the hub answers, and the connection does not: its flow is blocked.
            let blocked = answered_since.is_some_and(|at| now - at >= self.policy.first_word);
            if (silence >= limit || blocked) && now >= not_before {
                let hope = match answered {
                    Some(_) => Hope::Answered,
                    None => Hope::if_any(silence < HOPE),
                };
                tokio::select! {
                    biased;
                    dialled = self.target.dial(hope) => match dialled {
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
                biased;
                () = sleep(wait) => {}
                () = self.link_up.happens() => kicks = KICKS,
            }
        }
    }

    /// Questions and kicks are cheaper than handshakes and mostly enough, so after a silence a
    /// handshake is tried for less and less often: from 10 s to an hour.
    fn next_try(&mut self, silence: Duration) -> Duration {
        let even = (silence / 2).clamp(DIAL_AGAIN.0, DIAL_AGAIN.1);
        even.mul_f64(0.75 + self.jitter.next() / 2.0)
    }

    /// Asks until the hub answers, the network comes back, or it is time for a dial all the same.
    async fn wait_for_answer(&mut self, quiet_since: Instant) -> Hope {
        let silence = quiet_since.elapsed();
        let wait = self.next_try(silence);
        let addresses = self.target.addresses().await;
        let (client, jitter) = (&self.target.client, &mut self.jitter);
        tokio::select! {
            biased;
            () = seek::answer(client, &addresses, quiet_since, jitter) => Hope::Answered,
            () = self.link_up.happens() => Hope::Some,
            () = sleep(wait) => Hope::if_any(silence < HOPE),
        }
    }

    /// The line lives and carries no handshake: somebody must change that.
    async fn wait_for_a_person(&mut self, quiet_since: Instant) {
        let wait = self.next_try(quiet_since.elapsed());
        tokio::select! {
            biased;
            () = sleep(wait.min(NARROW_AGAIN)) => {}
            () = self.link_up.happens() => {}
        }
    }

    /// Always with hope: the wait was for something.
    async fn pause(&mut self, quiet_since: Instant, retry: Retry) -> Hope {
        let silence = quiet_since.elapsed();
        let wait = match retry {
            Retry::Never => self.policy.refused_wait,
            Retry::Now | Retry::Later => probe::interval(silence, false, self.jitter.next()),
        };
        tokio::select! {
            biased;
            () = sleep(wait) => {}
            () = self.link_up.happens() => {}
        }
        Hope::Some
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

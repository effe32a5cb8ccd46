//! When a driven connection asks whether its link is alive, and when it is kicked.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use karez_protocol::link::probe;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::kick::{Jitter, kick};
use crate::probe::Prober;
use crate::socket::PacedSocket;
use crate::steer::Steer;

/// After an answer the connection has this long, or two round trips, to be heard again.
const KICK_WAIT: Duration = Duration::from_secs(1);

/// How much rarer a hub asks than a clinic.
const HUB_WAITS: u32 = 6;

/// What is asked over.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) socket: Arc<PacedSocket>,
    pub(crate) prober: Arc<Prober>,
}

impl Line {
    fn ask(&self, remote: SocketAddr) {
        self.prober.ask(self.socket.inner(), remote);
    }
}

/// Watches over one driven connection.
pub(crate) struct Pulse {
    conn: quinn::Connection,
    steer: Arc<Steer>,
    line: Option<Line>,
    jitter: Jitter,
    check_at: Option<Instant>,
    news: Option<Pin<Box<OwnedNotified>>>,
    /// The answer that was last followed by a kick.
    kicked_for: Option<Instant>,
    /// When the peer's own packets last led to one.
    woken: Option<Instant>,
}

impl Pulse {
    pub(crate) fn new(conn: &Connection) -> Self {
        let line = conn.line().cloned();
        let news = line.as_ref().map(|line| Box::pin(line.prober.news()));
        Self {
            conn: conn.quic().clone(),
            steer: conn.steer().clone(),
            line,
            jitter: Jitter(conn.seed()),
            check_at: None,
            news,
            kicked_for: None,
            woken: None,
        }
    }

    /// Data was handed to QUIC.
    pub(crate) fn expect(&self, now: Instant) {
        self.steer.expect(now.into_std());
    }

    /// The peer was heard: whatever an outage stopped here can go on.
    pub(crate) fn heard(&mut self, now: Instant) {
        let silent = self.steer.silence(now.into_std()) > Some(KICK_WAIT);
        if silent && self.woken.is_none_or(|at| now - at > KICK_WAIT) {
            self.woken = Some(now);
            kick(&self.conn, &self.steer);
        }
    }

    /// Asks or kicks if that is due; when to be called again, if ever without new data.
    pub(crate) fn check(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Instant> {
        let line = self.line.clone()?;
        while let Some(news) = &mut self.news
            && news.as_mut().poll(cx) == Poll::Ready(())
        {
            self.news = Some(Box::pin(line.prober.news()));
            self.check_at = None;
        }
        if self.check_at.is_none_or(|at| at <= now) {
            self.check_at = self.wait(&line, now).map(|wait| now + wait);
        }
        self.check_at
    }

    fn wait(&mut self, line: &Line, now: Instant) -> Option<Duration> {
        let silence = self.steer.silence(now.into_std())?;
        let patience = self.steer.patience();
        if silence < patience {
            return Some(patience - silence);
        }
        let answered = line.prober.answered().filter(|at| now - silence < *at);
        if answered.is_some() && answered != self.kicked_for {
            self.kicked_for = answered;
            kick(&self.conn, &self.steer);
            return Some(KICK_WAIT.max(2 * self.steer.rtt()));
        }
        match line.prober.can_ask() {
            true => line.ask(self.conn.remote_address()),
            false => kick(&self.conn, &self.steer),
        }
        let urgent = self.steer.owes_urgent();
        let wait = probe::interval(silence, urgent, self.jitter.next());
        // Clinics ask often enough; a hub's own questions are for those that wait for nothing.
        Some(if line.prober.is_hub() {
            HUB_WAITS * wait
        } else {
            wait
        })
    }
}

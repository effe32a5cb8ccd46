//! Between the uplink's task and the engine: which connection stands, if any.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use karez_host::bridge::{BridgeSession, Port};
use karez_quic::{Lane, LinkHandle, Room, Session, SessionEnd};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gate::Gate;

/// At most one connection at a time, and why there is none.
#[derive(Default)]
pub(crate) struct Line(Mutex<State>);

#[derive(Default)]
struct State {
    /// Connections so far.
    number: u64,
    /// One that the engine has not yet seen.
    fresh: Option<(Port, LinkHandle)>,
    /// The engine has been given one.
    given: bool,
    /// The one that the engine has is gone.
    gone: bool,
    problem: String,
}

/// What the engine learns.
pub(crate) enum News {
    /// The connection that it had is gone.
    Down,
    /// A new one.
    Up(Port, LinkHandle),
}

impl Line {
    /// A connection stands; its number.
    pub(super) fn up(&self, port: Port, handle: LinkHandle) -> u64 {
        let mut state = self.state();
        state.number += 1;
        state.fresh = Some((port, handle));
        state.gone |= state.given;
        state.number
    }

    fn down(&self, number: u64) {
        let mut state = self.state();
        if state.number == number {
            state.fresh = None;
            state.gone |= state.given;
        }
    }

    /// What has happened since the engine last asked, in order.
    pub(crate) fn news(&self) -> Vec<News> {
        let mut state = self.state();
        let mut news = Vec::new();
        if std::mem::take(&mut state.gone) {
            state.given = false;
            news.push(News::Down);
        }
        if let Some((port, handle)) = state.fresh.take() {
            state.given = true;
            news.push(News::Up(port, handle));
        }
        news
    }

    /// Notes why there is no connection; empty when there is one.
    pub(crate) fn problem(&self, cause: &str) {
        cause.clone_into(&mut self.state().problem);
    }

    /// Why there is no connection.
    pub(crate) fn why(&self) -> String {
        self.state().problem.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's session that says when it ends.
pub(super) struct LineSession {
    inner: BridgeSession,
    line: Arc<Line>,
    number: u64,
    engine: Arc<Notify>,
    gate: Arc<Gate>,
    handle: LinkHandle,
    /// When to look again whether more may go.
    look: Option<Instant>,
}

impl LineSession {
    pub(super) fn new(
        inner: BridgeSession,
        line: Arc<Line>,
        number: u64,
        engine: Arc<Notify>,
        (gate, handle): (Arc<Gate>, LinkHandle),
    ) -> Self {
        Self {
            inner,
            line,
            number,
            engine,
            gate,
            handle,
            look: None,
        }
    }
}

impl Session for LineSession {
    fn frame(&mut self, lane: Lane, frame: Bytes) -> Result<(), SessionEnd> {
        self.inner.frame(lane, frame)
    }

    fn poll_transmit(&mut self, room: Room) -> Option<(Lane, Bytes)> {
        let (room, again) = self.gate.allows(room, self.handle.stats().window);
        self.look = again.map(|wait| Instant::now() + wait);
        self.inner.poll_transmit(room)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let times = [self.look, self.inner.poll_timeout()];
        times.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self) {
        self.look = None;
        self.inner.handle_timeout();
    }

    fn ready(&self, lane: Lane) -> bool {
        self.inner.ready(lane)
    }
}

impl Drop for LineSession {
    fn drop(&mut self) {
        self.line.down(self.number);
        self.engine.notify_one();
    }
}

//! What a daemon implements: its state machine over one connection.

use std::sync::Arc;

use bytes::Bytes;
use karez_protocol::priority::Class;
use karez_protocol::session::Lane;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use crate::end::Close;
use crate::lane::Room;

/// One daemon's part in one connection. Called from one task, never waits: slow work goes over
/// channels, and [`Wake`] says when there is news.
pub trait Session: Send {
    /// A frame came.
    ///
    /// # Errors
    /// When the connection must end; the peer is told the code and the reason.
    fn frame(&mut self, lane: Lane, frame: Bytes) -> Result<(), SessionEnd>;

    /// The next frame to send, of a lane that `room` has: the most urgent first. `None` when
    /// there is none now; asked again after every frame, timeout and [`Wake::wake`]. A frame for
    /// a lane without room is kept, but stops all questions until that lane has room again.
    fn poll_transmit(&mut self, room: Room) -> Option<(Lane, Bytes)>;

    /// When [`Session::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The time named by [`Session::poll_timeout`] has come.
    fn handle_timeout(&mut self);

    /// Whether `frame` matters so much that it goes twice, the second time a little later in a
    /// packet of its own. The peer is given it once or twice. For frames of at most 1 kB:
    /// longer ones go once whatever this says.
    fn twice(&self, lane: Lane, frame: &Bytes) -> bool {
        let _ = frame;
        lane == Lane::Class(Class::Stat)
    }

    /// Whether a frame of `lane` can be taken now. While not, its bytes stay in QUIC's receive
    /// window and the peer slows down; [`Wake::wake`] makes it asked again.
    fn ready(&self, lane: Lane) -> bool {
        let _ = lane;
        true
    }
}

/// A session's wish to end the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnd(pub Close);

/// Tells a driven session's task that there may be something to transmit, or room to take
/// something in. Cheap to clone, callable from any thread; calls before the task looks are one.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// A handle for one driven session at a time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the driving task ask its session again.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    pub(crate) fn woken(&self) -> OwnedNotified {
        self.0.clone().notified_owned()
    }
}

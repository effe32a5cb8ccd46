//! Between a connection's task and the engine that owns the store: two bounded queues and two
//! bells, so that neither waits for the other.
//!
//! The engine keeps the [`Port`]; the [`BridgeSession`] is what `karez_quic` drives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use karez_quic::{LANES, Lane, Room, Session, SessionEnd, Wake};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{BRIDGE_BULK, BRIDGE_CONTROL, BRIDGE_IN};

/// The engine's end of one connection.
pub struct Port {
    shared: Arc<Shared>,
    wake: Wake,
}

/// The connection's end.
pub struct BridgeSession {
    shared: Arc<Shared>,
    engine: Arc<Notify>,
}

#[derive(Default)]
struct Shared(Mutex<Queues>);

#[derive(Default)]
struct Queues {
    incoming: VecDeque<(Lane, Bytes)>,
    /// By place in [`LANES`].
    outgoing: [VecDeque<Bytes>; LANES.len()],
    end: Option<SessionEnd>,
}

/// A new pair. `engine` is rung when a frame has come or there is room for another one to go;
/// `wake` must be given to the driver with the session.
#[must_use]
pub fn bridge(engine: Arc<Notify>, wake: Wake) -> (Port, BridgeSession) {
    let shared = Arc::new(Shared::default());
    let port = Port {
        shared: shared.clone(),
        wake,
    };
    (port, BridgeSession { shared, engine })
}

impl Port {
    /// The next frame that came, in order within its lane.
    #[must_use]
    pub fn take(&self) -> Option<(Lane, Bytes)> {
        let (frame, was_full) = self.shared.with(|q| {
            let full = q.incoming.len() >= BRIDGE_IN;
            (q.incoming.pop_front(), full)
        });
        if was_full {
            self.wake.wake();
        }
        frame
    }

    /// Whether a frame of `lane` is wanted now.
    #[must_use]
    pub fn room(&self, lane: Lane) -> bool {
        let bound = if lane == Lane::Control {
            BRIDGE_CONTROL
        } else {
            BRIDGE_BULK
        };
        self.shared.with(|q| q.outgoing[place(lane)].len() < bound)
    }

    /// Whether any class's lane has room.
    #[must_use]
    pub fn room_for_bulk(&self) -> bool {
        LANES.into_iter().skip(1).all(|lane| self.room(lane))
    }

    /// Gives a frame to the connection.
    pub fn push(&self, lane: Lane, frame: Bytes) {
        self.shared
            .with(|q| q.outgoing[place(lane)].push_back(frame));
        self.wake.wake();
    }

    /// Makes the connection look whether there is more to do.
    pub fn ring(&self) {
        self.wake.wake();
    }

    /// Ends the connection; the peer is told why.
    pub fn end(&self, end: SessionEnd) {
        self.shared.with(|q| q.end = Some(end));
        self.wake.wake();
    }
}

impl Session for BridgeSession {
    fn frame(&mut self, lane: Lane, frame: Bytes) -> Result<(), SessionEnd> {
        let end = self.shared.with(|q| {
            q.incoming.push_back((lane, frame));
            q.end.clone()
        });
        self.engine.notify_one();
        end.map_or(Ok(()), Err)
    }

    fn poll_transmit(&mut self, room: Room) -> Option<(Lane, Bytes)> {
        let next = self.shared.with(|q| {
            let lanes = LANES.into_iter().filter(|lane| room.has(*lane));
            lanes
                .into_iter()
                .find_map(|lane| Some((lane, q.outgoing[place(lane)].pop_front()?)))
        });
        if next.is_some() {
            self.engine.notify_one();
        }
        next
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self) {}

    fn ready(&self, _lane: Lane) -> bool {
        self.shared.with(|q| q.incoming.len() < BRIDGE_IN)
    }
}

impl Shared {
    fn with<T>(&self, run: impl FnOnce(&mut Queues) -> T) -> T {
        // Queues stay whole whatever panicked while holding them: each step is one push or pop.
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const fn place(lane: Lane) -> usize {
    match lane {
        Lane::Control => 0,
        Lane::Class(class) => 1 + class.index() as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_protocol::priority::Class;

    #[test]
    fn frames_cross_in_order_and_the_most_urgent_lane_leaves_first() {
        let (port, mut session) = bridge(Arc::new(Notify::new()), Wake::new());
        let bulk = Lane::Class(Class::Bulk);
        port.push(bulk, Bytes::from_static(b"1"));
        port.push(Lane::Class(Class::Stat), Bytes::from_static(b"2"));
        let sent = |session: &mut BridgeSession| session.poll_transmit(Room::ALL).map(|f| f.1);
        assert_eq!(sent(&mut session), Some(Bytes::from_static(b"2")));
        assert_eq!(sent(&mut session), Some(Bytes::from_static(b"1")));
        assert_eq!(sent(&mut session), None);
        assert_eq!(session.frame(bulk, Bytes::from_static(b"3")), Ok(()));
        assert_eq!(port.take(), Some((bulk, Bytes::from_static(b"3"))));
        assert_eq!(port.take(), None);
    }

    #[test]
    fn both_queues_say_when_they_are_full() {
        let (port, mut session) = bridge(Arc::new(Notify::new()), Wake::new());
        let lane = Lane::Class(Class::Routine);
        for _ in 0..BRIDGE_BULK {
            assert!(port.room(lane));
            port.push(lane, Bytes::new());
        }
        assert!(!port.room(lane) && !port.room_for_bulk());
        for _ in 0..BRIDGE_IN {
            assert!(session.ready(lane));
            assert_eq!(session.frame(lane, Bytes::new()), Ok(()));
        }
        assert!(!session.ready(lane));
        assert!(port.take().is_some());
        assert!(session.ready(lane));
    }
}

//! The two sessions: one sends chunks for ever, the other notes when they come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use karez_protocol::limits::HAVE_INTERVAL;
use karez_protocol::priority::Class;
use karez_quic::{Lane, Room, Session, SessionEnd};
use tokio::time::Instant;

/// Payload bytes of a chunk.
pub(super) const CHUNK: u64 = 32 * 1024;
/// Bytes of a STAT frame.
const STAT: usize = 1000;
/// Bytes of a have-set of one segment.
const HAVE: usize = 48;
/// The first bulk frame of each session: as long as a STAT frame, so that its arrival is the first
/// payload's.
const GREETING: u64 = u64::MAX;
/// Number and nothing else.
const HEADER: usize = 8;

const BULK_LANE: Lane = Lane::Class(Class::Bulk);
const STAT_LANE: Lane = Lane::Class(Class::Stat);

/// What both ends know; the bench looks at it.
#[derive(Clone)]
pub(super) struct Traffic(Arc<Mutex<State>>);

pub(super) struct State {
    start: Instant,
    /// Chunks to send in all.
    chunks: u64,
    /// Chunks at the hub, and when each came first.
    have: BTreeSet<u64>,
    pub(super) arrivals: Vec<Duration>,
    /// Chunks that came again.
    pub(super) resent: u64,
    /// STAT frames not yet given to a connection.
    waiting: VecDeque<u64>,
    /// When each STAT frame was made and when it came.
    pub(super) stat: BTreeMap<u64, (Duration, Option<Duration>)>,
    /// Sessions opened.
    pub(super) sessions: u64,
    /// Sessions that were heard of at the hub.
    pub(super) greetings: u64,
}

impl Traffic {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            start: Instant::now(),
            chunks: bytes.div_ceil(CHUNK),
            have: BTreeSet::new(),
            arrivals: Vec::new(),
            resent: 0,
            waiting: VecDeque::new(),
            stat: BTreeMap::new(),
            sessions: 0,
            greetings: 0,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_done(&self) -> bool {
        let state = self.state();
        state.have.len() as u64 >= state.chunks
    }

    /// Makes a STAT frame.
    pub(super) fn make_stat(&self) {
        let mut state = self.state();
        let number = state.stat.len() as u64;
        let now = state.now();
        state.stat.insert(number, (now, None));
        state.waiting.push_back(number);
    }

    /// A clinic's session on a fresh connection: it begins with the first chunk that is missing,
    /// as if the hub's have-set had been there before.
    pub(super) fn pump(&self) -> Pump {
        self.state().sessions += 1;
        Pump {
            traffic: self.clone(),
            next: 0,
            greeted: false,
        }
    }

    pub(super) fn tank(&self) -> Tank {
        Tank {
            traffic: self.clone(),
            say_at: None,
        }
    }
}

impl State {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Sends.
pub(super) struct Pump {
    traffic: Traffic,
    next: u64,
    greeted: bool,
}

impl Session for Pump {
    fn frame(&mut self, _: Lane, _: Bytes) -> Result<(), SessionEnd> {
        Ok(())
    }

    fn poll_transmit(&mut self, room: Room) -> Option<(Lane, Bytes)> {
        let mut state = self.traffic.state();
        if room.has(STAT_LANE)
            && let Some(number) = state.waiting.pop_front()
        {
            return Some((STAT_LANE, frame(number, STAT)));
        }
        if !room.has(BULK_LANE) {
            return None;
        }
        if !self.greeted {
            self.greeted = true;
            return Some((BULK_LANE, frame(GREETING, STAT)));
        }
        while state.have.contains(&self.next) {
            self.next += 1;
        }
        if self.next >= state.chunks {
            return None;
        }
        self.next += 1;
        Some((BULK_LANE, frame(self.next - 1, HEADER + CHUNK as usize)))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self) {}
}

fn frame(number: u64, length: usize) -> Bytes {
    let mut frame = BytesMut::zeroed(length);
    frame.clear();
    frame.put_u64_le(number);
    frame.resize(length, 0);
    frame.freeze()
}

/// Receives, and says now and then what it has, as a hub does.
pub(super) struct Tank {
    traffic: Traffic,
    say_at: Option<Instant>,
}

impl Session for Tank {
    fn frame(&mut self, lane: Lane, frame: Bytes) -> Result<(), SessionEnd> {
        let Some(number) = frame.first_chunk::<HEADER>() else {
            return Ok(());
        };
        let number = u64::from_le_bytes(*number);
        let mut state = self.traffic.state();
        let now = state.now();
        self.say_at
            .get_or_insert_with(|| Instant::now() + HAVE_INTERVAL);
        if lane == STAT_LANE {
            if let Some((_, came)) = state.stat.get_mut(&number) {
                came.get_or_insert(now);
            }
        } else if number == GREETING {
            state.greetings += 1;
        } else if state.have.insert(number) {
            state.arrivals.push(now);
        } else {
            state.resent += 1;
        }
        Ok(())
    }

    fn poll_transmit(&mut self, room: Room) -> Option<(Lane, Bytes)> {
        let due = self.say_at.is_some_and(|at| at <= Instant::now());
        if !due || !room.has(Lane::Control) {
            return None;
        }
        self.say_at = None;
        Some((Lane::Control, frame(0, HAVE)))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.say_at
    }

    fn handle_timeout(&mut self) {}
}

//! Runs a session over a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use karez_protocol::priority::Class;
use karez_protocol::session::Lane;
use quinn::ConnectionError;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::{Claim, Connection};
use crate::copies::{self, Copies, Seen};
use crate::end::End;
use crate::pulse::Pulse;
use crate::session::{Session, SessionEnd, Wake};

const STAT: Lane = Lane::Class(Class::Stat);
/// The largest frame that goes twice.
const TWICE_MAX: usize = 1024;
/// Frames handed over in one direction before the other has its turn.
const BATCH: usize = 16;
/// Turns before other tasks have theirs.
const TURNS: usize = 8;

/// Runs `session` until the connection ends, by either end or by the session's wish. The most
/// urgent lane goes first both ways, at most one frame per lane waits above QUIC, and a connection
/// that owes data and hears nothing is kicked every half to twenty seconds.
///
/// Dropping the future stops at once and leaves the connection open; a frame half written is
/// finished by whoever drives or sends next.
pub async fn drive(conn: &Connection, session: &mut dyn Session, wake: &Wake) -> End {
    let claim = match conn.claim() {
        Ok(claim) => claim,
        Err(end) => return end,
    };
    let mut driver = Driver {
        conn,
        claim,
        session,
        wake,
        woken: Box::pin(wake.woken()),
        timer: Box::pin(sleep_until(Instant::now())),
        pulse: Pulse::new(conn),
        copies: Copies::default(),
        seen: Seen::default(),
        datagram: next_datagram(conn.quic()),
        held: None,
    };
    let end = poll_fn(|cx| driver.poll(cx)).await;
    conn.answer(&end);
    end
}

type Datagram = Pin<Box<dyn Future<Output = Result<Bytes, ConnectionError>> + Send>>;

fn next_datagram(conn: &quinn::Connection) -> Datagram {
    let conn = conn.clone();
    Box::pin(async move { conn.read_datagram().await })
}

/// Whether a frame may come, or go, a second time: either end knows it by itself.
fn comes_twice(lane: Lane, frame: &Bytes) -> bool {
    matches!(lane, STAT | Lane::Control) && frame.len() <= TWICE_MAX
}

struct Driver<'a> {
    conn: &'a Connection,
    claim: Claim<'a>,
    session: &'a mut dyn Session,
    wake: &'a Wake,
    woken: Pin<Box<OwnedNotified>>,
    timer: Pin<Box<Sleep>>,
    pulse: Pulse,
    copies: Copies,
    seen: Seen,
    datagram: Datagram,
    /// A frame that the session gave for a lane without room.
    held: Option<(Lane, Bytes)>,
}

impl Driver<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..TURNS {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(end) => return Poll::Ready(end),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether there may be more to do now.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let now = Instant::now();
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout();
        }
        let received = self.datagrams(cx)? | self.input(cx)?;
        if received {
            self.pulse.heard(now);
        }
        let sent = self.output(cx, now)?;
        if sent {
            self.pulse.expect(now);
        }
        Ok(received || sent || self.rest(cx, now))
    }

    fn input(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        for count in 0..BATCH {
            let session = &*self.session;
            let polled = self.claim.inbox.poll_frame(cx, &|lane| session.ready(lane));
            let Poll::Ready(received) = polled else {
                return Ok(count > 0);
            };
            let (lane, frame) = received?;
            if comes_twice(lane, &frame) && !self.seen.first(lane, &frame) {
                continue;
            }
            let taken = self.session.frame(lane, frame);
            taken.map_err(|SessionEnd(close)| End::Session(close))?;
        }
        Ok(true)
    }

    /// Kicks, and copies of small frames.
    fn datagrams(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        for count in 0..BATCH {
            let Poll::Ready(datagram) = self.datagram.as_mut().poll(cx) else {
                return Ok(count > 0);
            };
            // When the connection is lost, what its lanes still hold comes first.
            let Ok(datagram) = datagram else {
                self.datagram = Box::pin(std::future::pending());
                return Ok(count > 0);
            };
            self.datagram = next_datagram(self.conn.quic());
            let Some((lane, frame)) = copies::read(&datagram) else {
                continue;
            };
            let wanted = comes_twice(lane, &frame) && self.session.ready(lane);
            if wanted && self.seen.copy(lane, &frame) {
                let taken = self.session.frame(lane, frame);
                taken.map_err(|SessionEnd(close)| End::Session(close))?;
            }
        }
        Ok(true)
    }

    fn output(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        while let Some(copy) = self.copies.due(now) {
            // Fails only where the path has become too narrow for it: the first copy is under way.
            drop(self.conn.quic().send_datagram(copy));
        }
        let mut outbox = self.conn.outbox();
        for count in 0..BATCH {
            if let Poll::Ready(Err(end)) = outbox.poll_flush(cx) {
                return Err(end);
            }
            let room = outbox.room();
            let next = self.held.take().or_else(|| match room.is_none() {
                true => None,
                false => self.session.poll_transmit(room),
            });
            match next {
                Some((lane, frame)) if room.has(lane) => {
                    let steer = self.conn.steer();
                    if lane == STAT {
                        steer.expect_urgent(now.into_std(), frame.len());
                    }
                    if comes_twice(lane, &frame) && self.session.twice(lane, &frame) {
                        let wait = 2 * steer.packet_time();
                        self.copies.add(now, wait, lane, &frame);
                    }
                    outbox.put(lane, frame)?;
                }
                other => {
                    self.held = other;
                    return Ok(count > 0);
                }
            }
        }
        Ok(true)
    }

    /// Registers for whatever comes next; whether it is there already.
    fn rest(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.woken.as_mut().poll(cx).is_ready() {
            self.woken = Box::pin(self.wake.woken());
            return true;
        }
        let times = [
            self.session.poll_timeout(),
            self.pulse.check(cx, now),
            self.copies.next(),
        ];
        let Some(at) = times.into_iter().flatten().min() else {
            return false;
        };
        self.timer.as_mut().reset(at);
        self.timer.as_mut().poll(cx).is_ready()
    }
}

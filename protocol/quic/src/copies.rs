//! Small frames that matter most go twice: where one packet in twenty is lost, the second copy is
//! what keeps the slowest of them fast. The copy goes as a datagram, more than a packet's time
//! after the first, so that one loss does not take both.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use karez_protocol::session::Lane;
use tokio::time::Instant;

use crate::lane::{from_tag, tag};

/// Copies that wait; a burst of more frames than this goes once.
const WAITING_MAX: usize = 32;
/// Frames remembered so that their copies are recognised.
const SEEN_MAX: usize = 64;
/// The first byte of a copy is the lane's tag plus this; below are kicks.
const FIRST: u8 = 1;

/// Copies under way out.
#[derive(Default)]
pub(crate) struct Copies(VecDeque<(Instant, Bytes)>);

impl Copies {
    /// Notes a frame to be sent again after `wait`.
    pub(crate) fn add(&mut self, now: Instant, wait: Duration, lane: Lane, frame: &Bytes) {
        if self.0.len() < WAITING_MAX {
            let mut copy = BytesMut::with_capacity(1 + frame.len());
            copy.put_u8(FIRST + tag(lane));
            copy.put_slice(frame);
            self.0.push_back((now + wait, copy.freeze()));
        }
    }

    /// A copy whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Bytes> {
        self.0.front().filter(|(at, _)| *at <= now)?;
        self.0.pop_front().map(|(_, copy)| copy)
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }
}

/// What came once of that which comes twice: firsts without their copies, copies without their
/// firsts. The same frame may be sent again later, and is then new.
#[derive(Default)]
pub(crate) struct Seen {
    firsts: VecDeque<[u8; 32]>,
    copies: VecDeque<[u8; 32]>,
}

impl Seen {
    /// Whether this frame of a lane is the first of the two to come.
    pub(crate) fn first(&mut self, lane: Lane, frame: &[u8]) -> bool {
        meets(&mut self.copies, &mut self.firsts, lane, frame)
    }

    /// Whether this copy is the first of the two to come.
    pub(crate) fn copy(&mut self, lane: Lane, frame: &[u8]) -> bool {
        meets(&mut self.firsts, &mut self.copies, lane, frame)
    }
}

/// False, and both are forgotten, when the other of the two is known.
fn meets(
    others: &mut VecDeque<[u8; 32]>,
    own: &mut VecDeque<[u8; 32]>,
    lane: Lane,
    frame: &[u8],
) -> bool {
    let mut hasher = blake3::Hasher::new();
    let hash = *hasher
        .update(&[tag(lane)])
        .update(frame)
        .finalize()
        .as_bytes();
    if let Some(at) = others.iter().position(|other| *other == hash) {
        others.remove(at);
        return false;
    }
    if own.len() >= SEEN_MAX {
        own.pop_front();
    }
    own.push_back(hash);
    true
}

/// The frame of a copy; `None` when it is something else.
pub(crate) fn read(datagram: &Bytes) -> Option<(Lane, Bytes)> {
    let lane = from_tag(datagram.first()?.checked_sub(FIRST)?)?;
    Some((lane, datagram.slice(1..)))
}

#[cfg(test)]
mod tests {
    use karez_protocol::priority::Class;

    use super::*;
    use crate::kick::KICK;

    const STAT: Lane = Lane::Class(Class::Stat);

    #[test]
    fn a_copy_waits_reads_back_and_is_known_again() {
        let (mut copies, now) = (Copies::default(), Instant::now());
        let frame = Bytes::from_static(b"urgent");
        copies.add(now, Duration::from_secs(1), STAT, &frame);
        assert_eq!(copies.due(now), None);
        assert_eq!(copies.next(), Some(now + Duration::from_secs(1)));
        let copy = copies.due(now + Duration::from_secs(1)).unwrap();
        assert_eq!(read(&copy), Some((STAT, frame.clone())));
        let mut seen = Seen::default();
        assert!(seen.first(STAT, &frame) && seen.copy(Lane::Control, &frame));
        assert!(!seen.copy(STAT, &frame) && !seen.first(Lane::Control, &frame));
        assert!(seen.first(STAT, &frame), "sent again, not a copy");
    }

    #[test]
    fn a_kick_is_no_copy_and_a_burst_is_bounded() {
        assert_eq!(read(&Bytes::from_static(&[KICK])), None);
        assert_eq!(read(&Bytes::from_static(&[77, 1])), None);
        let mut copies = Copies::default();
        for _ in 0..100 {
            copies.add(Instant::now(), Duration::ZERO, STAT, &Bytes::new());
        }
        assert_eq!(copies.0.len(), WAITING_MAX);
    }
}

//! What is sent, as long as the connection has room.

use karez_protocol::id::SegmentId;
use karez_protocol::seal::Signed;
use karez_protocol::session::Transmit;
use karez_protocol::wire::{Frame, decode};
use karez_store::{Error, Kind};

use super::Engine;
use crate::limits::{SENT_TRACKED, TRANSMITS_PER_TURN};

impl Engine {
    pub(super) fn transmit(&mut self) {
        let now = self.now();
        for _ in 0..TRANSMITS_PER_TURN {
            let Some(lane) = self.source.next_lane(now) else {
                return;
            };
            let room = self
                .link
                .live
                .as_ref()
                .is_some_and(|live| live.port.room(lane));
            if !room {
                return;
            }
            let Some(next) = self.source.poll_transmit(now) else {
                return;
            };
            let lane = next.lane();
            match self.frame(next) {
                Ok(Some(frame)) => {
                    if let Some(live) = &self.link.live {
                        live.port.push(lane, frame.to_bytes().into());
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "what is to be sent cannot be read"),
            }
        }
        self.shared.bell.notify_one();
    }

    fn frame(&mut self, next: Transmit) -> Result<Option<Frame>, Error> {
        Ok(match next {
            Transmit::Frame(frame) => Some(frame),
            Transmit::Head(_, segment) => {
                let head = self.store.head(segment).map(decode::<Signed>);
                head.and_then(Result::ok).map(Frame::Head)
            }
            Transmit::Record(_, segment, number) => {
                let bytes = self.read_entry(segment, Kind::Record, number)?;
                bytes.map(|bytes| Frame::Record {
                    segment,
                    number,
                    bytes,
                })
            }
            Transmit::Chunk(_, segment, serial) => {
                let sealed = self.read_entry(segment, Kind::Chunk, serial)?;
                sealed.map(|sealed| {
                    self.count_sent(segment, serial, sealed.len());
                    Frame::Chunk {
                        segment,
                        serial,
                        sealed,
                    }
                })
            }
        })
    }

    /// What rotted is told to the hub as lost.
    fn read_entry(
        &mut self,
        segment: SegmentId,
        kind: Kind,
        number: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        match self.store.read(segment, kind, number) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Rotten { .. } | Error::NoEntry { .. }) => {
                self.lost(segment, kind, number);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn count_sent(&mut self, segment: SegmentId, serial: u64, length: usize) {
        let length = length as u32;
        let again = self.link.sent.insert((segment, serial), length).is_some();
        if again {
            self.link.earlier.resent += u64::from(length);
        } else if self.link.sent.len() > SENT_TRACKED {
            self.link.sent.pop_first();
        }
    }
}

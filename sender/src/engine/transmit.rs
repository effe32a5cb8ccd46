//! What is sent, as long as the connection has room.

use karez_protocol::id::SegmentId;
use karez_protocol::manifest::NamedRecords;
use karez_protocol::resume::RunSet;
use karez_protocol::seal::Signed;
use karez_protocol::session::Transmit;
use karez_protocol::wire::{Frame, decode};
use karez_store::{Error, Kind};

use super::Engine;
use crate::limits::TRANSMITS_PER_TURN;

impl Engine {
    pub(super) fn transmit(&mut self) {
        if self.resting() {
            return;
        }
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
            match self.frame(next.clone()) {
                Ok(Some(frame)) => {
                    if let Some(live) = &self.link.live {
                        live.port.push(lane, frame.to_bytes().into());
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    self.put_back(&next);
                    return self.troubled(&error);
                }
            }
        }
        self.shared.bell.notify_one();
    }

    /// What could not be read now is sent later.
    fn put_back(&mut self, next: &Transmit) {
        let one = |number: u64| std::iter::once(number..number + 1).collect::<RunSet>();
        let (segment, records, chunks) = match next {
            Transmit::Record(_, segment, number) => (*segment, one(*number), RunSet::new()),
            Transmit::Chunk(_, segment, serial) => (*segment, RunSet::new(), one(*serial)),
            Transmit::Frame(_) | Transmit::Head(..) => return,
        };
        let want = Frame::Want {
            segment,
            records: NamedRecords::of(segment, &records),
            chunks: NamedRecords::of(segment, &chunks),
        };
        // Fails only for a segment that is not there, and then nothing of it was to be sent.
        let _ = self.source.handle_frame(want);
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
}

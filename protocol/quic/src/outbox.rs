//! Frames on their way into QUIC: one per lane at most, the first lane first.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use karez_protocol::limits::FRAME_MAX;
use karez_protocol::session::Lane;
use quinn::{ConnectionError, SendStream};

use crate::config::LinkConfig;
use crate::end::End;
use crate::lane::{LANES, Room, index, stream_priority, tag};
use crate::steer::Steer;

/// What each lane may have unacknowledged beyond the lane below it: two frames, so that bulk
/// never takes the room of something more urgent.
const LANE_MARGIN: u64 = 2 * (FRAME_MAX as u64 + 16);

type Opening = Pin<Box<dyn Future<Output = Result<SendStream, ConnectionError>> + Send>>;

/// The sending half of all lanes.
pub(crate) struct Outbox {
    conn: quinn::Connection,
    steer: Arc<Steer>,
    lanes: [LaneOut; 5],
    uncommitted: u64,
    window_max: u64,
    window_set: u64,
}

#[derive(Default)]
struct LaneOut {
    stream: Option<SendStream>,
    opening: Option<Opening>,
    /// Header and body of the frame under way; empty buffers are written.
    frame: Option<[Bytes; 2]>,
}

impl Outbox {
    pub(crate) fn new(conn: quinn::Connection, steer: Arc<Steer>, config: &LinkConfig) -> Self {
        Self {
            conn,
            steer,
            lanes: Default::default(),
            uncommitted: config.uncommitted.into(),
            window_max: config.send_window_max.into(),
            window_set: 0,
        }
    }

    /// The lanes that may be given a frame: those before the first that is blocked.
    pub(crate) fn room(&self) -> Room {
        LANES
            .into_iter()
            .take_while(|lane| self.is_free(*lane))
            .fold(Room::NONE, Room::with)
    }

    /// Whether `lane` has no frame under way.
    pub(crate) fn is_free(&self, lane: Lane) -> bool {
        self.lanes[index(lane)].frame.is_none()
    }

    /// Takes one frame for a lane that is free.
    pub(crate) fn put(&mut self, lane: Lane, frame: Bytes) -> Result<(), End> {
        if frame.len() > FRAME_MAX {
            return Err(End::TooLong(frame.len()));
        }
        let out = &mut self.lanes[index(lane)];
        let mut header = BytesMut::with_capacity(5);
        if out.stream.is_none() {
            header.put_u8(tag(lane));
        }
        // The check above keeps the length far below 2^32.
        header.put_u32_le(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        out.frame = Some([header.freeze(), frame]);
        Ok(())
    }

    /// Writes what QUIC takes, the first lane first; a blocked lane holds back those after it.
    /// `Ready` when no frame is left under way.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        for lane in LANES {
            ready!(self.poll_lane(lane, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// As [`Self::poll_flush`], of one lane.
    pub(crate) fn poll_lane(&mut self, lane: Lane, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.is_free(lane) {
            return Poll::Ready(Ok(()));
        }
        self.set_window(lane);
        self.lanes[index(lane)].poll_write(&self.conn, lane, cx)
    }

    /// Ends every lane's stream; the streams tell when the peer has read all.
    pub(crate) fn finish(&mut self) -> Vec<SendStream> {
        let streams = self.lanes.iter_mut().filter_map(|lane| lane.stream.take());
        streams
            .map(|mut stream| {
                // Fails only on a stream that is closed already.
                drop(stream.finish());
                stream
            })
            .collect()
    }

    /// Bounds what lies in QUIC: the congestion window and a little more. The bound stays that of
    /// the first blocked lane, because quinn wakes all blocked lanes whenever it is not reached.
    fn set_window(&mut self, lane: Lane) {
        let above = u64::from(4 - tag(lane)) * LANE_MARGIN;
        let window = self.steer.outstanding();
        let window = window.saturating_add(self.uncommitted).min(self.window_max) + above;
        if window != self.window_set {
            self.window_set = window;
            self.conn.set_send_window(window);
        }
    }
}

impl LaneOut {
    fn poll_write(
        &mut self,
        conn: &quinn::Connection,
        lane: Lane,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        if self.stream.is_none() {
            match self.poll_open(conn, lane, cx) {
                Poll::Ready(Ok(stream)) => self.stream = Some(stream),
                Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let (Some(stream), Some(frame)) = (&mut self.stream, &mut self.frame) else {
            return Poll::Ready(Ok(()));
        };
        while frame.iter().any(|part| !part.is_empty()) {
            match pin!(stream.write_chunks(frame)).poll(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.frame = None;
        Poll::Ready(Ok(()))
    }

    fn poll_open(
        &mut self,
        conn: &quinn::Connection,
        lane: Lane,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendStream, End>> {
        let opening = self.opening.get_or_insert_with(|| {
            let conn = conn.clone();
            Box::pin(async move { conn.open_uni().await })
        });
        let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        self.opening = None;
        Poll::Ready(opened.map_err(End::from).inspect(|stream| {
            // Fails only on a closed stream; the write that follows says so.
            drop(stream.set_priority(stream_priority(lane)));
        }))
    }
}

//! Frames on their way out of QUIC, whole, from whichever lane has one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use karez_protocol::limits::FRAME_MAX;
use karez_protocol::link::probe::ProbeKey;
use karez_protocol::session::Lane;
use quinn::{ConnectionError, RecvStream};
use zeroize::Zeroizing;

use crate::end::End;
use crate::lane::{LANES, from_tag, index};
use crate::steer::{Memory, lock};

/// Opens the stream on which a hub tells the probe key: 32 bytes and nothing else.
pub(crate) const KEY_TAG: u8 = 5;

type Accepting = Pin<Box<dyn Future<Output = Result<RecvStream, ConnectionError>> + Send>>;

/// The receiving half of all lanes.
pub(crate) struct Inbox {
    conn: quinn::Connection,
    accepting: Accepting,
    /// Set once the connection is lost; what had arrived is still read.
    lost: Option<End>,
    /// Streams whose first byte has not come. The transport's stream limit bounds them.
    untagged: Vec<RecvStream>,
    lanes: [Option<LaneIn>; 5],
    /// Where the probe key goes; only a clinic has such a place.
    memory: Option<Memory>,
    key: Option<KeyIn>,
}

struct KeyIn {
    stream: RecvStream,
    key: Zeroizing<[u8; 32]>,
    filled: usize,
}

struct LaneIn {
    stream: RecvStream,
    header: [u8; 4],
    body: Option<BytesMut>,
    filled: usize,
}

impl Inbox {
    pub(crate) fn new(conn: quinn::Connection, memory: Option<Memory>) -> Self {
        Self {
            accepting: accept(&conn),
            conn,
            lost: None,
            untagged: Vec::new(),
            lanes: Default::default(),
            memory,
            key: None,
        }
    }

    /// The next whole frame of a lane that `wants` one, the first lane first.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        wants: &dyn Fn(Lane) -> bool,
    ) -> Poll<Result<(Lane, Bytes), End>> {
        self.accept_streams(cx);
        self.read_tags(cx)?;
        self.read_key(cx)?;
        for lane in LANES.into_iter().filter(|lane| wants(*lane)) {
            let Some(input) = &mut self.lanes[index(lane)] else {
                continue;
            };
            match input.poll_frame(cx) {
                Poll::Ready(Ok(Some(frame))) => return Poll::Ready(Ok((lane, frame))),
                Poll::Ready(Ok(None)) => self.lanes[index(lane)] = None,
                Poll::Ready(Err(end @ End::BadFrame(_))) => return Poll::Ready(Err(end)),
                // The other lanes may still hold frames that came before the loss.
                Poll::Ready(Err(end)) => self.lost = Some(end),
                Poll::Pending => {}
            }
        }
        match &self.lost {
            Some(end) => Poll::Ready(Err(end.clone())),
            None => Poll::Pending,
        }
    }

    fn accept_streams(&mut self, cx: &mut Context<'_>) {
        while self.lost.is_none() {
            match self.accepting.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => {
                    self.untagged.push(stream);
                    self.accepting = accept(&self.conn);
                }
                Poll::Ready(Err(error)) => self.lost = Some(error.into()),
                Poll::Pending => break,
            }
        }
    }

    fn read_tags(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let mut waiting = Vec::new();
        for mut stream in self.untagged.drain(..) {
            let mut tag = [0];
            match stream.poll_read(cx, &mut tag) {
                Poll::Ready(Ok(1)) if tag[0] == KEY_TAG && self.memory.is_some() => {
                    self.key = Some(KeyIn {
                        stream,
                        key: Zeroizing::new([0; 32]),
                        filled: 0,
                    });
                }
                Poll::Ready(Ok(1)) => {
                    let lane = from_tag(tag[0]).ok_or(End::BAD_LANE)?;
                    let place = &mut self.lanes[index(lane)];
                    if place.is_some() {
                        return Err(End::TWO_STREAMS);
                    }
                    *place = Some(LaneIn::new(stream));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.lost = Some(error.into()),
                Poll::Pending => waiting.push(stream),
            }
        }
        self.untagged = waiting;
        Ok(())
    }
}

impl Inbox {
    fn read_key(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let Some(KeyIn {
            stream,
            key,
            filled,
        }) = &mut self.key
        else {
            return Ok(());
        };
        match fill(stream, &mut key[..], filled, cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(true)) => {
                if let Some(memory) = &self.memory {
                    lock(memory).probe = Some(ProbeKey::from_bytes(**key));
                }
            }
            Poll::Ready(Ok(false)) => return Err(End::CUT_STREAM),
            Poll::Ready(Err(end)) => self.lost = Some(end),
        }
        self.key = None;
        Ok(())
    }
}

fn accept(conn: &quinn::Connection) -> Accepting {
    let conn = conn.clone();
    Box::pin(async move { conn.accept_uni().await })
}

impl LaneIn {
    const fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            header: [0; 4],
            body: None,
            filled: 0,
        }
    }

    /// `None` when the peer ended the stream between two frames.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, End>> {
        if self.body.is_none() {
            match ready!(fill(
                &mut self.stream,
                &mut self.header,
                &mut self.filled,
                cx
            )) {
                Ok(true) => {}
                Ok(false) if self.filled == 0 => return Poll::Ready(Ok(None)),
                Ok(false) => return Poll::Ready(Err(End::CUT_STREAM)),
                Err(end) => return Poll::Ready(Err(end)),
            }
            let length = usize::try_from(u32::from_le_bytes(self.header)).unwrap_or(usize::MAX);
            if length > FRAME_MAX {
                return Poll::Ready(Err(End::LONG_FRAME));
            }
            self.body = Some(BytesMut::zeroed(length));
            self.filled = 0;
        }
        let Some(body) = &mut self.body else {
            return Poll::Pending;
        };
        match ready!(fill(&mut self.stream, body, &mut self.filled, cx)) {
            Ok(true) => {}
            Ok(false) => return Poll::Ready(Err(End::CUT_STREAM)),
            Err(end) => return Poll::Ready(Err(end)),
        }
        self.filled = 0;
        Poll::Ready(Ok(self.body.take().map(BytesMut::freeze)))
    }
}

/// Reads until `buffer` is full: true; or until the stream ends: false.
fn fill(
    stream: &mut RecvStream,
    buffer: &mut [u8],
    filled: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<Result<bool, End>> {
    while *filled < buffer.len() {
        match ready!(stream.poll_read(cx, &mut buffer[*filled..])) {
            Ok(0) => return Poll::Ready(Ok(false)),
            Ok(n) => *filled += n,
            Err(error) => return Poll::Ready(Err(error.into())),
        }
    }
    Poll::Ready(Ok(true))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use karez_protocol::id::PeerId;
    use tokio::time::timeout;

    use super::*;
    use crate::net::{Net, UdpNet};
    use crate::{Admission, Admit, Alpn, Client, Connection, Identity, LinkConfig, Server, code};

    struct Open;

    impl Admit for Open {
        fn admit(&self, _: &PeerId, _: Alpn) -> Admission {
            Admission::Welcome
        }
    }

    /// What the hub and then the peer say after these bytes on streams of their own.
    async fn after(streams: &[&[u8]]) -> (End, End) {
        let net: Arc<dyn Net> = Arc::new(UdpNet::new(|| [3; 32], || 0));
        let identity = |seed| Identity::from_seed(&Zeroizing::new([seed; 32]));
        let config = LinkConfig::default();
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server::bind(&net, local, &identity(1), &config, Arc::new(Open)).unwrap();
        let addr = server.local_addr().unwrap();
        let client = Client::new(net, identity(2), config);
        let peer = identity(1).peer();
        let conn: Connection = client.dial(&[addr], peer, Alpn::Session).await.unwrap();
        let mut open = Vec::new();
        for bytes in streams {
            let mut stream = conn.quic().open_uni().await.unwrap();
            stream.write_all(bytes).await.unwrap();
            if bytes.ends_with(b"!") {
                stream.finish().unwrap();
            }
            open.push(stream);
        }
        let hub = server.accept().await.unwrap();
        let seen = timeout(Duration::from_secs(5), async {
            loop {
                if let Err(end) = hub.recv().await {
                    return (end, conn.closed().await);
                }
            }
        });
        seen.await.unwrap()
    }

    #[tokio::test]
    async fn a_length_above_64_kib_is_refused_before_anything_is_allocated() {
        for length in [FRAME_MAX as u32 + 1, u32::MAX] {
            let bytes = [&[4][..], &length.to_le_bytes()].concat();
            let (end, told) = after(&[&bytes]).await;
            assert_eq!(end, End::LONG_FRAME);
            let End::Closed(close) = told else {
                panic!("the peer was not told");
            };
            assert_eq!(close.code, code::BAD_FRAME);
            assert!(close.reason.contains("64 KiB"), "{}", close.reason);
        }
    }

    #[tokio::test]
    async fn a_peer_that_breaks_the_framing_is_told_what_it_did() {
        let whole = &[2, 1, 0, 0, 0, 7][..];
        assert_eq!(after(&[&[5]]).await.0, End::BAD_LANE);
        assert_eq!(after(&[whole, whole]).await.0, End::TWO_STREAMS);
        assert_eq!(after(&[&[0, 9, 0, b'!']]).await.0, End::CUT_STREAM);
        assert_eq!(after(&[&[0, 9, 0, 0, 0, b'!']]).await.0, End::CUT_STREAM);
    }
}

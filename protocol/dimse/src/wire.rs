//! PDUs over a byte stream: whole PDUs in, bytes out, three timeouts, and an end that is final.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{Error, Phase, Violation};
use crate::limits;
use crate::ul::{self, Pdu};

/// How long a peer may be silent. They are independent: DCMTK's tools have all three too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the whole of connecting and negotiating, and for a release.
    pub associate: Duration,
    /// Without one byte from the peer while a message of it is due.
    pub idle: Duration,
    /// Without the network taking one byte of ours.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            associate: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(60),
        }
    }
}

/// Until when a PDU is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// The idle timeout, begun anew with each byte that comes.
    Idle,
    /// A fixed moment, in the associate phase.
    Until(Instant),
}

const LAST_WORD: Duration = Duration::from_millis(500);

/// A stream of PDUs. Reading can be cancelled and taken up again; a write that was cancelled makes the
/// stream unusable, for half a PDU may be out.
pub(crate) struct Wire<S> {
    stream: Option<S>,
    input: BytesMut,
    writing: bool,
    timeouts: Timeouts,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S, timeouts: Timeouts) -> Self {
        Wire {
            stream: Some(stream),
            input: BytesMut::new(),
            writing: false,
            timeouts,
        }
    }

    /// A moment one associate timeout from now.
    pub(crate) fn associate_deadline(&self) -> Wait {
        Wait::Until(Instant::now() + self.timeouts.associate)
    }

    /// The next PDU. An abort of the peer is an error. After any error the wire is closed.
    pub(crate) async fn read(&mut self, wait: Wait) -> Result<Pdu, Error> {
        loop {
            match self.buffered() {
                Ok(Some(pdu)) => return self.unless_aborted(pdu),
                Ok(None) => {}
                Err(violation) => return Err(self.fail(Error::Protocol(violation)).await),
            }
            if let Err(error) = self.fill(wait).await {
                return Err(self.fail(error).await);
            }
        }
    }

    /// Writes one PDU.
    pub(crate) async fn write(&mut self, pdu: &Pdu) -> Result<(), Error> {
        let bytes = ul::encode(pdu).map_err(Error::Protocol)?;
        self.write_bytes(&bytes).await
    }

    /// Writes whole PDUs that are encoded already.
    pub(crate) async fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.send(bytes).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.last_word(error).await),
        }
    }

    /// Closes the wire for `error`, with an abort to the peer when that can still be said.
    pub(crate) async fn fail(&mut self, error: Error) -> Error {
        let violation = match error {
            Error::Protocol(violation) => Some(violation),
            Error::Timeout(Phase::Idle | Phase::Associate) | Error::Source(_) => None,
            _ => {
                self.close();
                return error;
            }
        };
        self.abort(violation).await;
        error
    }

    /// Sends an abort, if the stream takes it within half a second, and closes.
    pub(crate) async fn abort(&mut self, violation: Option<Violation>) {
        if let Ok(bytes) = ul::encode(&ul::abort(violation)) {
            let sent = timeout(LAST_WORD, self.send(&bytes)).await;
            tracing::debug!(
                delivered = matches!(sent, Ok(Ok(()))),
                "association aborted"
            );
        }
        self.close();
    }

    /// Closes after the last PDU of a regular end, which the peer may still have to read.
    pub(crate) async fn finish(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            let closed = timeout(
                LAST_WORD,
                poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)),
            )
            .await;
            tracing::trace!(clean = matches!(closed, Ok(Ok(()))), "association closed");
        }
        self.close();
    }

    /// Drops the stream; nothing more is read or written.
    pub(crate) fn close(&mut self) {
        self.stream = None;
        self.input = BytesMut::new();
    }

    fn unless_aborted(&mut self, pdu: Pdu) -> Result<Pdu, Error> {
        let Pdu::AbortRQ { source } = &pdu else {
            return Ok(pdu);
        };
        let error = Error::Aborted(ul::abort_source(source));
        self.close();
        Err(error)
    }

    /// A whole PDU from what was read so far.
    fn buffered(&mut self) -> Result<Option<Pdu>, Violation> {
        match ul::pdu_length(&self.input)? {
            Some(length) if self.input.len() >= length => {
                let bytes = self.input.split_to(length);
                ul::decode(&bytes).map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn fill(&mut self, wait: Wait) -> Result<(), Error> {
        if self.writing {
            return Err(Error::Over);
        }
        let stream = self.stream.as_mut().ok_or(Error::Over)?;
        self.input.reserve(limits::READ_STEP);
        let reading = stream.read_buf(&mut self.input);
        let read = match wait {
            Wait::Idle => timeout(self.timeouts.idle, reading)
                .await
                .map_err(|_| Phase::Idle),
            Wait::Until(deadline) => timeout_at(deadline, reading)
                .await
                .map_err(|_| Phase::Associate),
        };
        match read {
            Err(phase) => Err(Error::Timeout(phase)),
            Ok(Ok(0)) => Err(Error::Lost(io::ErrorKind::UnexpectedEof)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Error::Lost(error.kind())),
        }
    }

    async fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        let stream = self.stream.as_mut().ok_or(Error::Over)?;
        if std::mem::replace(&mut self.writing, true) {
            return Err(Error::Over);
        }
        let input = &mut self.input;
        while !bytes.is_empty() {
            let step = poll_fn(|cx| poll_write_hearing(stream, input, cx, bytes));
            let written = within(self.timeouts.write, step).await?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        within(
            self.timeouts.write,
            poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)),
        )
        .await?;
        self.writing = false;
        Ok(())
    }

    /// A write failed: the reason may be an abort that the peer sent just before.
    async fn last_word(&mut self, error: Error) -> Error {
        if matches!(error, Error::Lost(_)) {
            self.writing = false;
            let word = timeout(LAST_WORD, async {
                loop {
                    match self.buffered() {
                        Ok(Some(Pdu::AbortRQ { source })) => {
                            return Some(ul::abort_source(&source));
                        }
                        Ok(Some(_)) => {}
                        Ok(None) => self.fill(Wait::Idle).await.ok()?,
                        Err(_) => return None,
                    }
                }
            });
            if let Ok(Some(source)) = word.await {
                self.close();
                return Error::Aborted(source);
            }
        }
        self.close();
        error
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> Result<T, Error> {
    match timeout(limit, step).await {
        Err(_) => Err(Error::Timeout(Phase::Write)),
        Ok(Err(error)) => Err(Error::Lost(error.kind())),
        Ok(Ok(value)) => Ok(value),
    }
}

/// Writes; while the peer takes nothing, listens, so that two sides that both write do not wait for
/// each other for ever.
fn poll_write_hearing<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    if let Poll::Ready(written) = Pin::new(&mut *stream).poll_write(cx, bytes) {
        return Poll::Ready(match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            other => other,
        });
    }
    while input.len() < limits::PDU_READ {
        let mut space = [0; 4096];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        input.extend_from_slice(buffer.filled());
    }
    Poll::Pending
}

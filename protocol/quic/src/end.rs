//! How a connection ends, and what to do about it.

use karez_protocol::Retry;
use karez_protocol::limits::{FRAME_MAX, TEXT_MAX};
use quinn::{ConnectionError, ReadError, VarInt, WriteError};

/// Codes that an end gives when it closes a connection. From 16 on they are the daemons' own.
pub mod code {
    /// Nothing is wrong; the closer has no more use for the connection.
    pub const DONE: u32 = 0;
    /// The key is not known to the hub.
    pub const UNKNOWN_KEY: u32 = 1;
    /// The key was revoked.
    pub const REVOKED: u32 = 2;
    /// A limit of connections or handshakes is reached.
    pub const BUSY: u32 = 3;
    /// A newer connection of the same identity took its place.
    pub const REPLACED: u32 = 4;
    /// The peer sent what no correct peer sends.
    pub const BAD_FRAME: u32 = 5;
    /// The daemon stops.
    pub const SHUTDOWN: u32 = 6;
}

/// What the closing end says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// One of [`code`], or a daemon's own from 16 on.
    pub code: u32,
    /// One short sentence for a person, printable ASCII, without patient data.
    pub reason: String,
}

impl Close {
    /// Anything but printable ASCII is replaced and the end cut off, at most 200 bytes.
    #[must_use]
    pub fn new(code: u32, reason: &str) -> Self {
        Self::from_bytes(code, reason.as_bytes())
    }

    /// Whether trying again soon is pointless.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self.code {
            code::DONE | code::REPLACED | code::SHUTDOWN => Retry::Now,
            code::UNKNOWN_KEY | code::REVOKED => Retry::Never,
            _ => Retry::Later,
        }
    }

    pub(crate) fn apply(&self, conn: &quinn::Connection) {
        conn.close(VarInt::from_u32(self.code), self.reason.as_bytes());
    }

    fn from_bytes(code: u32, reason: &[u8]) -> Self {
        let printable = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '?',
        };
        let reason = reason.iter().take(TEXT_MAX).map(printable).collect();
        Self { code, reason }
    }
}

/// Why a connection is over. An outage is none of these: a connection outlives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The peer closed it and said why.
    #[error("the other end closed the connection: {} (code {})", .0.reason, .0.code)]
    Closed(Close),
    /// This end closed it.
    #[error("this end closed the connection")]
    Here,
    /// The session ended it.
    #[error("the session ended: {} (code {})", .0.reason, .0.code)]
    Session(Close),
    /// The peer lost its memory of the connection: it was restarted.
    #[error("the other end was restarted and no longer knows the connection; dialling again helps")]
    Reset,
    /// The idle timeout of the link's configuration passed.
    #[error("nothing was heard for longer than the link's idle timeout")]
    Silent,
    /// QUIC or TLS failed.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// The peer broke the framing.
    #[error("the other end sent {0}; its version may be incompatible or the peer hostile")]
    BadFrame(&'static str),
    /// A frame given for sending is longer than any peer accepts.
    #[error("a frame of {0} bytes was to be sent, the limit is {FRAME_MAX}")]
    TooLong(usize),
    /// Another task drives, sends on or reads from this connection.
    #[error("the connection is driven by another task of this process")]
    InUse,
}

impl End {
    /// When to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Closed(close) | Self::Session(close) => close.retry(),
            Self::Here | Self::Reset | Self::Silent => Retry::Now,
            Self::Transport(_) | Self::BadFrame(_) => Retry::Later,
            Self::TooLong(_) | Self::InUse => Retry::Never,
        }
    }

    pub(crate) const BAD_LANE: Self = Self::BadFrame("a stream with an unknown lane");
    pub(crate) const TWO_STREAMS: Self = Self::BadFrame("two streams for one lane");
    pub(crate) const LONG_FRAME: Self = Self::BadFrame("a frame above the limit of 64 KiB");
    pub(crate) const CUT_STREAM: Self = Self::BadFrame("a stream that stops inside a frame");
}

impl From<ConnectionError> for End {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(closed) => {
                let code = u32::try_from(closed.error_code.into_inner()).unwrap_or(u32::MAX);
                Self::Closed(Close::from_bytes(code, &closed.reason))
            }
            ConnectionError::LocallyClosed => Self::Here,
            ConnectionError::Reset => Self::Reset,
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::VersionMismatch
            | ConnectionError::CidsExhausted => Self::Transport(printable(&error)),
        }
    }
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => error.into(),
            ReadError::Reset(_) => Self::CUT_STREAM,
            ReadError::ClosedStream
            | ReadError::IllegalOrderedRead
            | ReadError::ZeroRttRejected => Self::Transport(printable(&error)),
        }
    }
}

impl From<WriteError> for End {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(error) => error.into(),
            WriteError::Stopped(_) => Self::BadFrame("a refusal of a lane"),
            WriteError::ClosedStream | WriteError::ZeroRttRejected => {
                Self::Transport(printable(&error))
            }
        }
    }
}

/// The text of an error that may quote the peer.
pub(crate) fn printable(error: &impl ToString) -> String {
    Close::new(0, &error.to_string()).reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_shortened_and_cannot_steer_a_terminal() {
        let close = Close::new(3, &format!("\u{1b}[2J{}", "x".repeat(900)));
        assert!(close.reason.starts_with("?[2Jxx"));
        assert_eq!(close.reason.len(), TEXT_MAX);
    }

    #[test]
    fn only_a_refused_key_or_our_own_mistake_waits_for_a_person() {
        let closed = |code| End::Closed(Close::new(code, "")).retry();
        assert_eq!(closed(code::REVOKED), Retry::Never);
        assert_eq!(closed(code::UNKNOWN_KEY), Retry::Never);
        assert_eq!(closed(code::BUSY), Retry::Later);
        assert_eq!(closed(code::SHUTDOWN), Retry::Now);
        assert_eq!(End::Reset.retry(), Retry::Now);
        assert_eq!(End::TooLong(70_000).retry(), Retry::Never);
    }
}

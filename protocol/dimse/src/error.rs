//! What can end an association, and what it means for the caller.

use std::fmt;
use std::io;

use karez_protocol::error::Retry;

/// Why an association, or one exchange on it, failed. Holds no UID, name or value of a data set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection came up: is the peer running, are address and port right?
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// The peer rejected the association.
    #[error("association rejected by the peer: {0}")]
    Rejected(Rejection),
    /// We rejected the peer's association, as the policy said.
    #[error("association rejected by us: {0}")]
    RejectedByUs(Rejection),
    /// The peer did not accept this SOP class with this transfer syntax. The association goes on.
    #[error("presentation context not accepted: {0}")]
    ContextNotAccepted(ContextRefusal),
    /// The peer aborted the association.
    #[error("aborted by the peer ({0})")]
    Aborted(AbortSource),
    /// The peer was silent for too long. The association is dead.
    #[error("timeout: {0}")]
    Timeout(Phase),
    /// The connection broke or was closed without a release. The association is dead.
    #[error("connection lost: {0}")]
    Lost(io::ErrorKind),
    /// The peer broke the protocol; it was sent an abort. The association is dead.
    #[error("protocol violation: {0}")]
    Protocol(Violation),
    /// A data set of odd length was not sent: peers abort on it. The association goes on.
    #[error("data set of odd length, not sent")]
    OddLength,
    /// Our own data set could not be read to its stated length; the association was aborted.
    #[error("data set not readable: {0}")]
    Source(io::ErrorKind),
    /// More presentation contexts than one association can carry.
    #[error("more than 128 presentation contexts")]
    TooManyContexts,
    /// SOP class, SOP instance or transfer syntax is not known, so nothing can be proposed or sent.
    #[error("SOP class, SOP instance or transfer syntax not known")]
    UnknownUid,
    /// The association ended before; open a new one.
    #[error("the association is over")]
    Over,
}

impl Error {
    /// True when the association can carry further messages.
    pub fn association_lives(&self) -> bool {
        matches!(
            self,
            Error::ContextNotAccepted(_) | Error::OddLength | Error::UnknownUid
        )
    }

    /// What becomes of the instance that was to be handed over. A peer that is away, busy or does not
    /// know us is no reason to park an instance; what it will never take is.
    pub fn retry(&self) -> Retry {
        match self {
            Error::ContextNotAccepted(ContextRefusal::NotProposed)
            | Error::TooManyContexts
            | Error::Over => Retry::Now,
            Error::ContextNotAccepted(_)
            | Error::OddLength
            | Error::UnknownUid
            | Error::Protocol(Violation::NotEncodable) => Retry::Never,
            Error::Connect(_)
            | Error::Rejected(_)
            | Error::RejectedByUs(_)
            | Error::Aborted(_)
            | Error::Timeout(_)
            | Error::Lost(_)
            | Error::Protocol(_)
            | Error::Source(_) => Retry::Later,
        }
    }
}

/// Which of the three timeouts passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The association was not set up, or not released, in time.
    Associate,
    /// No DIMSE message, or part of one, came in time.
    Idle,
    /// The network took none of our bytes in time.
    Write,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Associate => "no answer to the association request or release",
            Phase::Idle => "no DIMSE message",
            Phase::Write => "the network took no bytes",
        })
    }
}

/// An A-ASSOCIATE-RJ (PS3.8 9.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// True when the same request may succeed later.
    pub transient: bool,
    /// Why.
    pub reason: RejectReason,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.transient {
            "transient"
        } else {
            "permanent"
        };
        write!(f, "{}, {kind}", self.reason)
    }
}

/// Source and reason of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// The user gave none.
    #[error("no reason given")]
    NoReason,
    /// Not DICOM's application context.
    #[error("application context not supported")]
    ApplicationContext,
    /// Our title is not on the peer's list.
    #[error("calling AE title not recognized")]
    CallingAe,
    /// The peer does not go by this title.
    #[error("called AE title not recognized")]
    CalledAe,
    /// Another protocol version.
    #[error("protocol version not supported")]
    ProtocolVersion,
    /// The provider gave no reason.
    #[error("no reason given by the provider")]
    ProviderNoReason,
    /// Busy.
    #[error("temporary congestion")]
    Congestion,
    /// Too many associations.
    #[error("local limit exceeded")]
    LocalLimit,
    /// A reserved code.
    #[error("reserved reason code")]
    Reserved,
}

/// Who aborted (PS3.8 9.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbortSource {
    /// The application.
    #[error("by its application")]
    User,
    /// The network layer: it took offence at a PDU.
    #[error("by its network layer")]
    Provider,
    /// Not said.
    #[error("source not given")]
    Reserved,
}

/// Why a presentation context is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextRefusal {
    /// It was not proposed on this association.
    #[error("not proposed")]
    NotProposed,
    /// The peer's user refused it.
    #[error("refused by the user")]
    User,
    /// Refused without a reason, or not answered.
    #[error("no reason given")]
    NoReason,
    /// The peer does not take this SOP class.
    #[error("SOP class not supported")]
    SopClass,
    /// The peer does not take this transfer syntax for it.
    #[error("transfer syntax not supported")]
    TransferSyntax,
}

/// How a peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A PDU that cannot be decoded.
    #[error("malformed PDU")]
    MalformedPdu,
    /// A PDU above `limits::PDU_READ`, or not DICOM at all.
    #[error("PDU too long, or not DICOM")]
    PduTooLong,
    /// A PDU that has no place here.
    #[error("unexpected PDU")]
    UnexpectedPdu,
    /// A maximum PDU length too small to work with.
    #[error("maximum PDU length too small")]
    PduLimitTooSmall,
    /// More than 128 contexts, an even or a repeated context id.
    #[error("bad list of presentation contexts")]
    BadContexts,
    /// A message on a context that was not accepted.
    #[error("message on a context that was not accepted")]
    UnknownContext,
    /// Fragments of two messages, or of command and data set, mixed (FIELD T11).
    #[error("interleaved fragments")]
    Interleaved,
    /// A command set above `limits::COMMAND`.
    #[error("command set too long")]
    CommandTooLong,
    /// A command set that cannot be decoded.
    #[error("malformed command set")]
    MalformedCommand,
    /// A response that answers no request of ours, or a request where a response is due.
    #[error("unexpected message")]
    UnexpectedMessage,
    /// An identifier above `limits::IDENTIFIER`, or too many matches.
    #[error("query answer too long")]
    AnswerTooLong,
    /// An identifier that cannot be decoded.
    #[error("malformed identifier")]
    MalformedIdentifier,
    /// Our side left a request without an answer.
    #[error("a request was left unanswered by us")]
    Unanswered,
    /// A title, UID or comment of ours that cannot be put on the wire.
    #[error("our own message cannot be encoded")]
    NotEncodable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_away_parks_nothing_and_what_it_will_never_take_is_parked() {
        let rejection = Rejection {
            transient: false,
            reason: RejectReason::CallingAe,
        };
        let later = [
            Error::Connect(io::ErrorKind::ConnectionRefused),
            Error::Rejected(rejection),
            Error::Aborted(AbortSource::Provider),
            Error::Timeout(Phase::Idle),
            Error::Lost(io::ErrorKind::UnexpectedEof),
        ];
        assert!(later.iter().all(|error| error.retry() == Retry::Later));
        let never = [
            Error::ContextNotAccepted(ContextRefusal::SopClass),
            Error::ContextNotAccepted(ContextRefusal::TransferSyntax),
            Error::OddLength,
            Error::UnknownUid,
        ];
        assert!(never.iter().all(|error| error.retry() == Retry::Never));
        assert!(never.iter().all(Error::association_lives));
        assert!(!later.iter().any(Error::association_lives));
    }
}

//! What people are told about a PACS: cause and fix, without patient data.

use karez_dimse::{Error, RejectReason, Rejection, Violation};
use karez_dimse::{Status, Verdict};

use super::peer::Peer;
use crate::handoff::TargetError;

/// FIELD T7: peers abort an association on it.
pub(super) const ODD: &str =
    "its data set has an odd length, on which a PACS breaks off: it is damaged or cut short";
/// It cannot be read back and compared.
pub(super) const THERE: &str = "the PACS has this UID with content that cannot be compared: leave it \
     there (discard this one), or delete it at the PACS and then release this one";
/// The same for a PACS that is never asked.
pub(super) const CANNOT_BE_ASKED: &str = "the PACS was given other bytes under this UID and cannot be \
     asked what it has: leave them there (discard this one), or delete them at the PACS and then \
     release this one";
/// No context was accepted.
pub(super) const CLASS: &str = "the PACS refuses this class or syntax";
/// It cannot be asked for.
pub(super) const NO_SERIES: &str =
    "the PACS cannot be asked for it: it does not show its study and series";

/// Neither commitment nor C-FIND.
pub(super) const CANNOT_CONFIRM: &str = "the PACS cannot be asked whether it keeps this";

/// Why there is no association.
pub(super) fn unreachable(peer: &Peer, error: &Error) -> TargetError {
    TargetError::Down(match error {
        Error::Connect(std::io::ErrorKind::PermissionDenied) if peer.tls.is_some() => format!(
            "no TLS with {}: does it speak TLS on that port, and do the two trust each other's \
             certificates? `target test` says more",
            peer.at
        ),
        Error::Connect(kind) => format!(
            "no connection to {}: {kind}. Is the PACS running, are host and port right?",
            peer.at
        ),
        Error::Rejected(rejection) => rejected(peer, *rejection),
        other => format!("the PACS opens no association: {other}"),
    })
}

fn rejected(peer: &Peer, rejection: Rejection) -> String {
    let fix = match rejection.reason {
        RejectReason::CallingAe => format!(
            ". Let the PACS's administrator add the AE title {}",
            peer.calling
        ),
        RejectReason::CalledAe => format!(
            ". It does not go by the AE title {}: correct the target's address",
            peer.called
        ),
        _ => String::new(),
    };
    format!("the PACS rejects the association: {rejection}{fix}")
}

/// Why it could not be asked.
pub(super) fn silent(peer: &Peer, error: &Error) -> TargetError {
    let ask = let_us_ask(peer);
    match error {
        Error::Connect(_) | Error::Rejected(_) => unreachable(peer, error),
        Error::ContextNotAccepted(why) => TargetError::Down(format!(
            "the PACS refuses to be asked (C-FIND): {why}. {ask}"
        )),
        other => TargetError::Later(format!(
            "the PACS breaks off when it is asked (C-FIND): {other}. {ask}"
        )),
    }
}

/// The same when it answered with a failure.
pub(super) fn evasive(peer: &Peer, status: Status) -> TargetError {
    TargetError::Later(format!(
        "the PACS does not say what it has (C-FIND, {status}). {}",
        let_us_ask(peer)
    ))
}

/// Why it was not asked for storage commitment.
pub(super) fn silent_on_commitment(peer: &Peer, error: &Error) -> String {
    match error {
        Error::Connect(_) | Error::Rejected(_) => unreachable(peer, error).to_string(),
        other => format!(
            "the PACS breaks off when it is asked for storage commitment: {other}. Let its \
             administrator register {} with this hub's host and the port of dicom.listen, or add \
             the target with ?commitment=no",
            peer.calling
        ),
    }
}

/// The same when it answered with a failure.
pub(super) fn evasive_on_commitment(status: Status) -> String {
    format!("the PACS does not take the request for storage commitment ({status})")
}

fn let_us_ask(peer: &Peer) -> String {
    format!(
        "Let its administrator allow C-FIND (Study Root) for {}; if it has none, add the target \
         with ?find=no",
        peer.calling
    )
}

/// Why an instance that was being handed over is not known to be there.
pub(super) fn broke_off(error: &Error) -> TargetError {
    match error {
        Error::Protocol(Violation::NotEncodable) | Error::UnknownUid => {
            TargetError::Refused("its UIDs cannot be sent to a PACS".into())
        }
        Error::OddLength => TargetError::Refused(ODD.into()),
        other => TargetError::Broke(format!(
            "the PACS broke off while it was given this: {other}"
        )),
    }
}

/// What a PACS's answer to an instance means (FIELD T4).
pub(super) fn judged(peer: &Peer, status: Status) -> Result<(), TargetError> {
    Err(match status.verdict() {
        Verdict::Stored | Verdict::StoredWithWarning => return Ok(()),
        Verdict::OutOfResources => {
            TargetError::Later(format!("the PACS says that it has no room ({status})"))
        }
        Verdict::Failure => TargetError::Later(format!("the PACS could not store it ({status})")),
        Verdict::InstanceRefused => TargetError::Refused(format!(
            "the PACS refuses this instance ({status}): it does not understand it, or its content \
             does not fit its SOP class"
        )),
        Verdict::ClassNotSupported => TargetError::Refused(format!("{CLASS} ({status})")),
        Verdict::Duplicate => TargetError::There(format!("{THERE} ({status})")),
        Verdict::NotAuthorised => TargetError::Down(format!(
            "the PACS does not let {} store ({status}): let its administrator allow it",
            peer.calling
        )),
    })
}

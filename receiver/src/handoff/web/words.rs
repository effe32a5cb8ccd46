//! What people are told about a DICOMweb service: cause and fix, without patient data.

use super::client::Fault;
use super::service::Service;
use crate::handoff::TargetError;

/// It has something in its place.
pub(super) const THERE: &str = "the PACS has this UID with content that cannot be compared: leave it \
     there (discard this one), or delete it at the PACS and then release this one";
/// It was there.
pub(super) const GONE: &str = "the PACS does not have it any more: if it was deleted there by mistake, \
     hand it off again with `handoff resend`";
/// What it gives out is something else.
pub(super) const OTHER: &str = "the PACS gives out other bytes for this than it was given: compare the \
     two before the original is released";
/// A service that is never asked.
pub(super) const CANNOT_BE_ASKED: &str = "the PACS was given other bytes under this UID and cannot be \
     asked what it has: leave them there (discard this one), or delete them at the PACS and then \
     release this one";
/// 401 and 403.
pub(super) const FORBIDDEN: &str = "the PACS does not let us in: let its administrator allow it, or \
     correct the file that auth= names";
/// No such path.
pub(super) const NO_SERVICE: &str = "there is no DICOMweb service under this address: is its path \
     right, is the PACS's DICOMweb switched on?";

/// Why nothing came of a request before any byte of an instance left.
pub(super) fn unreachable(service: &Service, fault: &Fault) -> TargetError {
    TargetError::Down(match fault {
        Fault::Connect(kind) => format!(
            "no connection to {}: {kind}. Is the PACS running, are host and port right?",
            service.at
        ),
        other => format!("the PACS's DICOMweb service does not answer: {other}"),
    })
}

/// Why an instance that was being handed over is not known to be there.
pub(super) fn broke_off(service: &Service, fault: &Fault) -> TargetError {
    match fault {
        Fault::Connect(_) | Fault::Tls(_) | Fault::Secret(_) => unreachable(service, fault),
        other => TargetError::Broke(format!(
            "the PACS broke off while it was given this: {other}"
        )),
    }
}

/// An HTTP status instead of an answer to a question.
pub(super) fn evasive(status: u16) -> TargetError {
    match status {
        401 | 403 => TargetError::Down(format!("{FORBIDDEN} (HTTP {status})")),
        404 | 405 | 501 => TargetError::Down(format!("{NO_SERVICE} (HTTP {status})")),
        408 | 425 | 429 | 503 => {
            TargetError::Down(format!("the PACS asks for time (HTTP {status})"))
        }
        _ => TargetError::Later(format!(
            "the PACS does not say what it has (QIDO-RS, HTTP {status}). If it cannot be asked, add \
             the target with find=no"
        )),
    }
}

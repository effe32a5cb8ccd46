//! What a STOW-RS answer means (PS3.18 10.5, FIELD T26): an instance is stored when it is named so,
//! whatever the HTTP status.

use karez_dimse::{Status, Uid, Verdict};
use serde_json::Value;

use super::words;
use crate::handoff::TargetError;

const REFERENCED: &str = "00081199";
const FAILED: &str = "00081198";
const INSTANCE: &str = "00081155";
const REASON: &str = "00081197";
/// dcm4chee and Microsoft: it is there already.
const THERE_ALREADY: u16 = 45070;

/// Judges the answer to one instance.
pub(super) fn judged(uid: &Uid, status: u16, body: &[u8]) -> Result<(), TargetError> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let answer = answer.get(0).unwrap_or(&answer);
    let named = items(answer, REFERENCED).find(|item| is(item, uid));
    if named.is_some_and(|item| item.get(REASON).is_none()) {
        return Ok(());
    }
    let failed = named.into_iter().chain(items(answer, FAILED));
    let mut reasons = failed.filter_map(|item| number(&item[REASON]["Value"][0]));
    Err(match reasons.next() {
        Some(reason) => of_reason(reason),
        None => of_status(status),
    })
}

/// Whether an answer to a question names this instance.
pub(super) fn is(item: &Value, uid: &Uid) -> bool {
    text(item, INSTANCE).is_some_and(|text| Uid::new(text) == *uid)
}

/// An attribute's first value.
pub(super) fn text<'a>(item: &'a Value, tag: &str) -> Option<&'a str> {
    item[tag]["Value"][0].as_str()
}

fn items<'a>(answer: &'a Value, sequence: &str) -> impl Iterator<Item = &'a Value> {
    answer[sequence]["Value"].as_array().into_iter().flatten()
}

/// Some write a number as a text.
fn number(value: &Value) -> Option<u16> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number.and_then(|number| u16::try_from(number).ok())
}

fn of_reason(reason: u16) -> TargetError {
    let shown = format!("failure reason {reason:04X}");
    match Status(reason).verdict() {
        _ if reason == THERE_ALREADY => TargetError::There(format!("{} ({shown})", words::THERE)),
        Verdict::Duplicate => TargetError::There(format!("{} ({shown})", words::THERE)),
        Verdict::InstanceRefused => TargetError::Refused(format!(
            "the PACS refuses this instance ({shown}): it does not understand it, or a study or \
             patient number is missing"
        )),
        Verdict::ClassNotSupported => {
            TargetError::Refused(format!("the PACS refuses this class or syntax ({shown})"))
        }
        Verdict::OutOfResources => {
            TargetError::Later(format!("the PACS says that it has no room ({shown})"))
        }
        Verdict::NotAuthorised => TargetError::Down(format!("{} ({shown})", words::FORBIDDEN)),
        Verdict::Stored | Verdict::StoredWithWarning | Verdict::Failure => {
            TargetError::Later(format!("the PACS could not store it ({shown})"))
        }
    }
}

fn of_status(status: u16) -> TargetError {
    match status {
        200..=299 => TargetError::Later(format!(
            "the PACS answers as if all were well (HTTP {status}), but does not name this as stored: \
             is its disk full?"
        )),
        401 | 403 => TargetError::Down(format!("{} (HTTP {status})", words::FORBIDDEN)),
        404 | 405 | 501 => TargetError::Down(format!("{} (HTTP {status})", words::NO_SERVICE)),
        408 | 425 | 429 | 503 => {
            TargetError::Down(format!("the PACS asks for time (HTTP {status})"))
        }
        507 => TargetError::Later(format!("the PACS says that it has no room (HTTP {status})")),
        413 => TargetError::Refused(format!(
            "it is too large for the PACS's web server (HTTP {status}): let its administrator raise \
             the limit, then retry"
        )),
        400..=499 => TargetError::Refused(format!(
            "the PACS refuses this instance (HTTP {status}) and does not say why"
        )),
        _ => TargetError::Later(format!("the PACS could not store it (HTTP {status})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> Result<(), TargetError> {
        judged(&Uid::new("1.2.3"), status, body.as_bytes())
    }

    fn sequence(tag: &str, uid: &str, reason: &str) -> String {
        format!(
            r#"{{"{tag}":{{"vr":"SQ","Value":[{{"00081155":{{"vr":"UI","Value":["{uid}"]}}{reason}}}]}}}}"#
        )
    }

    #[test]
    fn t26_named_is_stored_and_not_named_is_not_whatever_the_status() {
        for status in [200, 202, 400, 409, 500] {
            assert_eq!(said(status, &sequence(REFERENCED, "1.2.3", "")), Ok(()));
        }
        let in_a_list = format!("[{}]", sequence(REFERENCED, "1.2.3", ""));
        assert_eq!(said(200, &in_a_list), Ok(()));
        let nothing = r#"{"00081198":{"vr":"SQ"},"00081199":{"vr":"SQ"}}"#;
        for body in ["", "<xml/>", nothing, &sequence(REFERENCED, "1.2.4", "")] {
            assert!(
                matches!(said(200, body), Err(TargetError::Later(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn t26_a_failure_is_judged_by_its_reason() {
        let failed = |reason: u16| {
            let reason = format!(r#","00081197":{{"vr":"US","Value":[{reason}]}}"#);
            said(400, &sequence(FAILED, "1.2.3", &reason)).unwrap_err()
        };
        assert!(matches!(failed(0xA700), TargetError::Later(_)));
        assert!(matches!(failed(0x0110), TargetError::Later(_)));
        assert!(matches!(failed(0xC000), TargetError::Refused(_)));
        assert!(matches!(failed(0x0122), TargetError::Refused(_)));
        assert!(matches!(failed(0x0124), TargetError::Down(_)));
        assert!(matches!(failed(45070), TargetError::There(_)));
        let odd = r#","00081197":{"vr":"US","Value":["49152"]}"#;
        let odd = said(202, &sequence(REFERENCED, "1.2.3", odd));
        assert!(matches!(odd, Err(TargetError::Refused(_))));
    }

    #[test]
    fn t26_a_status_without_a_name_is_the_services_or_the_instances_fault() {
        let kind = |status| said(status, "").unwrap_err();
        for status in [401, 403, 404, 408, 429, 503] {
            assert!(matches!(kind(status), TargetError::Down(_)), "{status}");
        }
        for status in [500, 502, 504, 507] {
            assert!(matches!(kind(status), TargetError::Later(_)), "{status}");
        }
        for status in [400, 409, 413, 415] {
            assert!(matches!(kind(status), TargetError::Refused(_)), "{status}");
        }
    }
}

//! A line as a DICOM audit message (PS3.15 A.5, RFC 3881 with DICOM's additions).

use super::line::Line;
use super::note::{Event, Note};
use crate::calendar::utc;

/// An event as DICOM codes it: identifier, its meaning, what is done (C, R, U, D, E).
const fn coded(event: Event) -> (&'static str, &'static str, char) {
    match event {
        Event::Started | Event::Stopped => ("110100", "Application Activity", 'E'),
        Event::Accepted => ("110104", "DICOM Instances Transferred", 'C'),
        Event::Received => ("110104", "DICOM Instances Transferred", 'R'),
        Event::HandedOff | Event::Released | Event::Resent => {
            ("110104", "DICOM Instances Transferred", 'R')
        }
        Event::LoggedIn => ("110114", "User Authentication", 'E'),
        Event::Identified => ("110103", "DICOM Instances Accessed", 'R'),
        Event::Exported => ("110106", "Export", 'R'),
        Event::Evicted | Event::Withdrawn => ("110105", "DICOM Study Deleted", 'D'),
        Event::Dropped | Event::Missed => ("110101", "Audit Log Used", 'U'),
        Event::Parked
        | Event::Resolved
        | Event::Lost
        | Event::Rotted
        | Event::Refused
        | Event::Prioritised
        | Event::Configured
        | Event::Invited
        | Event::Joined
        | Event::Revoked
        | Event::Changed
        | Event::KeyMade => ("110113", "Security Alert", 'E'),
    }
}

/// EventTypeCode (PS3.16 CID 401) where DICOM has one.
const fn kind(event: Event) -> Option<(&'static str, &'static str)> {
    Some(match event {
        Event::Started => ("110120", "Application Start"),
        Event::Stopped => ("110121", "Application Stop"),
        Event::Configured => ("110131", "Software Configuration"),
        Event::Changed => ("110128", "Network Configuration"),
        Event::Invited | Event::Joined | Event::Revoked => {
            ("110137", "User Security Attributes Changed")
        }
        Event::KeyMade => ("110135", "Object Security Attributes Changed"),
        Event::Refused => ("110126", "Node Authentication"),
        Event::LoggedIn => ("110122", "Login"),
        _ => return None,
    })
}

/// 0 success, 4 minor failure, 8 serious failure.
pub(super) const fn outcome(event: Event) -> u8 {
    match event {
        Event::Parked | Event::Refused | Event::Missed => 4,
        Event::Lost | Event::Rotted => 8,
        _ => 0,
    }
}

/// The message, on one line without a line break at its end. `source` is who audits: the hub's or
/// the clinic's name. A line of a newer version gives none.
#[must_use]
pub fn message(source: &str, line: &Line) -> Option<String> {
    let note = line.note.as_ref()?;
    let (code, meaning, action) = coded(note.event);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage>");
    text += &format!(
        "<EventIdentification EventActionCode=\"{action}\" EventDateTime=\"{}\" \
         EventOutcomeIndicator=\"{}\">",
        utc(note.wall),
        outcome(note.event)
    );
    text += &coding("EventID", code, meaning, "DCM");
    if let Some((code, meaning)) = kind(note.event) {
        text += &coding("EventTypeCode", code, meaning, "DCM");
    }
    text += &coding(
        "EventTypeCode",
        note.event.name(),
        note.event.name(),
        "99KAREZ",
    );
    text += "</EventIdentification>";
    text += &participants(note);
    text += &format!(
        "<AuditSourceIdentification AuditSourceID=\"{}\"/>",
        escaped(source)
    );
    text += &objects(line, note);
    text += "</AuditMessage>";
    Some(text)
}

fn participants(note: &Note) -> String {
    let one = |who: &str, asks: bool| {
        format!(
            "<ActiveParticipant UserID=\"{}\" UserIsRequestor=\"{asks}\"/>",
            escaped(who)
        )
    };
    let mut text = one(&note.who, true);
    if !note.party.is_empty() {
        text += &one(&note.party, false);
    }
    text
}

/// The study by its keyed name, and the line of the chain.
fn objects(line: &Line, note: &Note) -> String {
    let mut text = String::new();
    if let Some(study) = note.study {
        text += &format!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"{study}\" \
             ParticipantObjectTypeCode=\"2\" ParticipantObjectTypeCodeRole=\"3\">"
        );
        text += &coding(
            "ParticipantObjectIDTypeCode",
            "study",
            "keyed name of a study",
            "99KAREZ",
        );
        text += &format!(
            "<ParticipantObjectDescription><SOPClass NumberOfInstances=\"{}\"/>\
             </ParticipantObjectDescription></ParticipantObjectIdentification>",
            note.count
        );
    }
    text += &format!(
        "<ParticipantObjectIdentification ParticipantObjectID=\"{}\" \
         ParticipantObjectTypeCode=\"2\" ParticipantObjectTypeCodeRole=\"13\">",
        line.head.text()
    );
    text += &coding(
        "ParticipantObjectIDTypeCode",
        "line",
        "line of the audit chain",
        "99KAREZ",
    );
    let detail = [
        ("count", note.count.to_string()),
        ("detail", note.detail.clone()),
    ];
    for (name, value) in detail {
        text += &format!(
            "<ParticipantObjectDetail type=\"{name}\" value=\"{}\"/>",
            base64(value.as_bytes())
        );
    }
    text + "</ParticipantObjectIdentification>"
}

fn coding(element: &str, code: &str, meaning: &str, system: &str) -> String {
    format!(
        "<{element} csd-code=\"{code}\" codeSystemName=\"{system}\" originalText=\"{meaning}\"/>"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// RFC 4648, with padding: values of details are xs:base64Binary.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= group.len() {
                digit as char
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Head;
    use karez_protocol::id::StudyId;

    fn line(note: &Note) -> Line {
        let (bytes, _) = Line::write(1, Head::default(), note);
        Line::read(&bytes).unwrap()
    }

    #[test]
    fn a_message_has_who_what_and_which_and_escapes_what_people_named() {
        let note = Note::new(0, Event::HandedOff)
            .with("archive \"A&B\" <1>")
            .of(StudyId([0xab; 16]))
            .counting(412);
        let text = message("Quetta", &line(&note)).unwrap();
        for part in [
            "csd-code=\"110104\"",
            "EventDateTime=\"1970-01-01T00:00:00Z\"",
            "UserID=\"archive &quot;A&amp;B&quot; &lt;1&gt;\"",
            "NumberOfInstances=\"412\"",
            "AuditSourceID=\"Quetta\"",
            &"ab".repeat(16),
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\n'));
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}

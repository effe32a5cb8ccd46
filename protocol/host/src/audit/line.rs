//! A line and its place in the chain (SPEC 10).

use karez_protocol::id::{hex, unhex};
use serde_json::{Value, json};

use super::note::Note;
use crate::calendar::utc;

/// Bytes before a line's note: its number and the head before it.
const FRONT: usize = 8 + 32;
const CONTEXT: &str = "karez/1 audit";

/// The end of a chain: the number of its last line, and 24 bytes of that line's hash. All zero
/// for a chain without a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The number of the last line.
    pub number: u64,
    /// The first bytes of its hash.
    pub hash: [u8; 24],
}

impl Head {
    /// The 32 bytes of receipts and lines.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..].copy_from_slice(&self.hash);
        bytes
    }

    /// From the 32 bytes of a receipt or a line.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (mut number, mut hash) = ([0; 8], [0; 24]);
        number.copy_from_slice(&bytes[..8]);
        hash.copy_from_slice(&bytes[8..]);
        let number = u64::from_le_bytes(number);
        Self { number, hash }
    }

    /// As people copy it: `NUMBER:HEX`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}:{}", self.number, hex(&self.hash))
    }

    /// Reads what [`Head::text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (number, digits) = text.trim().split_once(':')?;
        let mut hash = [0; 24];
        if !unhex(digits, &mut hash) {
            return None;
        }
        let number = number.parse().ok()?;
        Some(Self { number, hash })
    }
}

/// One line, as a journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts from 1.
    pub number: u64,
    /// The head of the chain before it.
    pub before: Head,
    /// What it says; `None` when a newer version wrote it.
    pub note: Option<Note>,
    /// The head of the chain with it.
    pub head: Head,
}

impl Line {
    /// The bytes of the next line after `before`, and the head with it.
    #[must_use]
    pub(super) fn write(number: u64, before: Head, note: &Note) -> (Vec<u8>, Head) {
        let mut bytes = Vec::with_capacity(FRONT + 128);
        bytes.extend(number.to_le_bytes());
        bytes.extend(before.to_bytes());
        bytes.extend(note.to_bytes());
        let head = head_of(number, &bytes);
        (bytes, head)
    }

    /// Reads a line; `None` for bytes that are none.
    #[must_use]
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (front, body) = bytes.split_at_checked(FRONT)?;
        let number = u64::from_le_bytes(front.get(..8)?.try_into().ok()?);
        let before = Head::from_bytes(front.get(8..)?.try_into().ok()?);
        let note = Note::from_bytes(body).ok()?;
        let head = head_of(number, bytes);
        Some(Self {
            number,
            before,
            note,
            head,
        })
    }

    /// As `audit list --json` shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Some(note) = &self.note else {
            let event = "of a newer version";
            return json!({ "line": self.number, "event": event, "head": self.head.text() });
        };
        json!({
            "line": self.number,
            "at": utc(note.wall),
            "wall": note.wall,
            "event": note.event.name(),
            "who": note.who,
            "party": note.party,
            "study": note.study.map(|study| study.short()),
            "count": note.count,
            "detail": note.detail,
            "head": self.head.text(),
        })
    }
}

fn head_of(number: u64, line: &[u8]) -> Head {
    let hash = blake3::derive_key(CONTEXT, line);
    let mut head = Head {
        number,
        hash: [0; 24],
    };
    head.hash.copy_from_slice(&hash[..24]);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Event;

    #[test]
    fn a_line_reads_back_with_its_head_and_one_bit_makes_another_head() {
        let before = Head {
            number: 6,
            hash: [9; 24],
        };
        let (bytes, head) = Line::write(7, before, &Note::new(5, Event::Started));
        let line = Line::read(&bytes).unwrap();
        assert_eq!((line.number, line.before, line.head), (7, before, head));
        assert_eq!(Head::from_text(&head.text()), Some(head));
        assert_eq!(Head::from_bytes(&head.to_bytes()), head);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(Line::read(&other).map(|l| l.head), Some(head), "byte {at}");
        }
        for end in 0..FRONT {
            assert_eq!(Line::read(&bytes[..end]), None);
        }
    }

    #[test]
    fn what_is_no_head_is_told_from_one() {
        for bad in [
            "",
            "1",
            "1:",
            "x:00",
            "1:zz",
            &format!("1:{}", "0".repeat(46)),
        ] {
            assert_eq!(Head::from_text(bad), None, "{bad}");
        }
    }
}

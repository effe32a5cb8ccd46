//! Storage commitment (PS3.4 annex J): the data sets of its N-ACTION and N-EVENT-REPORT, in Implicit VR
//! Little Endian.

use std::fmt;

use crate::element::{Tag, even, put_implicit};
use crate::limits;
use crate::{Uid, Violation};

/// The one SOP instance of the service (PS3.4 J.3.5).
pub const INSTANCE: &str = "1.2.840.10008.1.20.1.1";
/// The action of N-ACTION: asks for commitment.
pub(crate) const REQUEST: u16 = 1;
/// The event of N-EVENT-REPORT: all are committed.
pub(crate) const ALL_COMMITTED: u16 = 1;
/// Some are not.
pub(crate) const SOME_FAILED: u16 = 2;

const TRANSACTION: Tag = Tag(0x0008, 0x1195);
const CLASS: Tag = Tag(0x0008, 0x1150);
const OBJECT: Tag = Tag(0x0008, 0x1155);
const REASON: Tag = Tag(0x0008, 0x1197);
const FAILED: Tag = Tag(0x0008, 0x1198);
const REFERENCED: Tag = Tag(0x0008, 0x1199);
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = u32::MAX;
/// How deep sequences may stand in each other.
const DEPTH: usize = 8;

/// An instance that is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Its SOP class.
    pub sop_class: Uid,
    /// Its SOP instance.
    pub sop_instance: Uid,
}

/// A request for commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Names it; a new one for each request.
    pub uid: Uid,
    /// The instances.
    pub references: Vec<Reference>,
}

/// A report on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The transaction that it answers.
    pub uid: Uid,
    /// What the archive keeps.
    pub committed: Vec<Reference>,
    /// What it does not, and why.
    pub failed: Vec<(Reference, Reason)>,
}

/// Why an instance is not committed, (0008,1197).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason(pub u16);

impl Reason {
    /// General.
    pub const PROCESSING_FAILURE: Self = Self(0x0110);
    /// It is not there.
    pub const NO_SUCH_OBJECT: Self = Self(0x0112);
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.0 {
            0x0110 => "processing failure",
            0x0112 => "it is not there",
            0x0119 => "another class is there",
            0x0122 => "the class is not supported",
            0x0131 => "the transaction is repeated",
            0x0213 => "no room",
            _ => "a reason of its own",
        };
        write!(f, "{:04X}, {meaning}", self.0)
    }
}

impl Transaction {
    /// The data set of the N-ACTION.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_implicit(&mut bytes, TRANSACTION, &self.uid.to_padded());
        let items = self.references.iter().map(|one| one.item(None));
        put_sequence(&mut bytes, REFERENCED, items);
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Violation::MalformedIdentifier`]; [`Violation::AnswerTooLong`] above [`limits::REFERENCES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Violation> {
        let set = Set::read(bytes)?;
        let references = set.references(REFERENCED)?;
        Ok(Self {
            uid: set.uid(TRANSACTION),
            references: references.into_iter().map(|(one, _)| one).collect(),
        })
    }
}

impl Report {
    /// The data set of the N-EVENT-REPORT.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_implicit(&mut bytes, TRANSACTION, &self.uid.to_padded());
        if !self.failed.is_empty() {
            let items = self.failed.iter().map(|(one, why)| one.item(Some(*why)));
            put_sequence(&mut bytes, FAILED, items);
        }
        if !self.committed.is_empty() {
            let items = self.committed.iter().map(|one| one.item(None));
            put_sequence(&mut bytes, REFERENCED, items);
        }
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// As [`Transaction::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Violation> {
        let set = Set::read(bytes)?;
        let committed = set.references(REFERENCED)?;
        let failed = set.references(FAILED)?;
        let reason = |why: Option<Reason>| why.unwrap_or(Reason::PROCESSING_FAILURE);
        Ok(Self {
            uid: set.uid(TRANSACTION),
            committed: committed.into_iter().map(|(one, _)| one).collect(),
            failed: failed
                .into_iter()
                .map(|(one, why)| (one, reason(why)))
                .collect(),
        })
    }

    /// The event that it is.
    pub(crate) fn event(&self) -> u16 {
        match self.failed.is_empty() {
            true => ALL_COMMITTED,
            false => SOME_FAILED,
        }
    }
}

impl Reference {
    fn item(&self, reason: Option<Reason>) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_implicit(&mut bytes, CLASS, &self.sop_class.to_padded());
        put_implicit(&mut bytes, OBJECT, &self.sop_instance.to_padded());
        if let Some(Reason(code)) = reason {
            put_implicit(&mut bytes, REASON, &code.to_le_bytes());
        }
        bytes
    }
}

fn put_sequence(out: &mut Vec<u8>, tag: Tag, items: impl Iterator<Item = Vec<u8>>) {
    let mut value = Vec::new();
    for item in items {
        put_implicit(&mut value, ITEM, &even(item, 0));
    }
    put_implicit(out, tag, &value);
}

/// A data set's elements.
struct Set<'a>(Vec<(Tag, Node<'a>)>);

enum Node<'a> {
    Value(&'a [u8]),
    Items(Vec<Set<'a>>),
}

impl<'a> Set<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader(bytes);
        reader.elements(DEPTH)
    }

    fn value(&self, tag: Tag) -> Option<&'a [u8]> {
        self.0.iter().find_map(|(at, node)| match node {
            Node::Value(value) if *at == tag => Some(*value),
            _ => None,
        })
    }

    fn uid(&self, tag: Tag) -> Uid {
        self.value(tag).map(Uid::from_bytes).unwrap_or_default()
    }

    fn references(&self, tag: Tag) -> Result<Vec<(Reference, Option<Reason>)>, Violation> {
        let mut all = Vec::new();
        for (_, node) in self.0.iter().filter(|(at, _)| *at == tag) {
            match node {
                Node::Items(items) => all.extend(items.iter().map(Set::reference)),
                Node::Value(value) => {
                    let items = Reader(value).items(DEPTH)?;
                    all.extend(items.iter().map(Set::reference));
                }
            }
        }
        match all.len() > limits::REFERENCES {
            true => Err(Violation::AnswerTooLong),
            false => Ok(all),
        }
    }

    fn reference(&self) -> (Reference, Option<Reason>) {
        let reference = Reference {
            sop_class: self.uid(CLASS),
            sop_instance: self.uid(OBJECT),
        };
        let reason = match self.value(REASON) {
            Some([low, high]) => Some(Reason(u16::from_le_bytes([*low, *high]))),
            _ => None,
        };
        (reference, reason)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Elements to the end, or to an item's.
    fn elements(&mut self, depth: usize) -> Result<Set<'a>, Violation> {
        let depth = depth.checked_sub(1).ok_or(Violation::MalformedIdentifier)?;
        let mut all = Vec::new();
        while let Some((tag, length)) = self.head()? {
            if tag == ITEM_END {
                break;
            }
            let node = match length {
                UNDEFINED => Node::Items(self.items(depth)?),
                length => Node::Value(self.bytes(length)?),
            };
            all.push((tag, node));
        }
        Ok(Set(all))
    }

    /// Items to the end, or to the sequence's.
    fn items(&mut self, depth: usize) -> Result<Vec<Set<'a>>, Violation> {
        let mut all = Vec::new();
        while let Some((tag, length)) = self.head()? {
            match (tag, length) {
                (SEQUENCE_END, _) => break,
                (ITEM, UNDEFINED) => all.push(self.elements(depth)?),
                (ITEM, length) => all.push(Reader(self.bytes(length)?).elements(depth)?),
                _ => return Err(Violation::MalformedIdentifier),
            }
        }
        Ok(all)
    }

    fn head(&mut self) -> Result<Option<(Tag, u32)>, Violation> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let head = self.0.split_first_chunk::<8>();
        let (head, rest) = head.ok_or(Violation::MalformedIdentifier)?;
        let [g0, g1, e0, e1, l0, l1, l2, l3] = *head;
        self.0 = rest;
        let tag = Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
        Ok(Some((tag, u32::from_le_bytes([l0, l1, l2, l3]))))
    }

    fn bytes(&mut self, length: u32) -> Result<&'a [u8], Violation> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let split = self.0.split_at_checked(length);
        let (value, rest) = split.ok_or(Violation::MalformedIdentifier)?;
        self.0 = rest;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(number: u32) -> Reference {
        Reference {
            sop_class: crate::uid::CT_STORAGE.into(),
            sop_instance: Uid::new(&format!("1.2.{number}")),
        }
    }

    fn report() -> Report {
        Report {
            uid: "2.25.77".into(),
            committed: vec![reference(1), reference(2)],
            failed: vec![(reference(3), Reason::NO_SUCH_OBJECT)],
        }
    }

    #[test]
    fn requests_and_reports_come_back() {
        let transaction = Transaction {
            uid: "2.25.7".into(),
            references: (0..300).map(reference).collect(),
        };
        assert_eq!(Transaction::decode(&transaction.encode()), Ok(transaction));
        let mut some = report();
        assert_eq!(Report::decode(&some.encode()), Ok(some.clone()));
        assert_eq!(some.event(), SOME_FAILED);
        some.failed.clear();
        assert_eq!(Report::decode(&some.encode()), Ok(some.clone()));
        assert_eq!(some.event(), ALL_COMMITTED);
    }

    #[test]
    fn lengths_that_are_not_told_are_understood() {
        let mut bytes = Vec::new();
        put_implicit(&mut bytes, TRANSACTION, b"2.25.77\0");
        let open = |tag: Tag| {
            let mut head = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
            head.extend(u32::MAX.to_le_bytes());
            head
        };
        bytes.extend(open(REFERENCED));
        for number in 1..=2 {
            bytes.extend(open(ITEM));
            bytes.extend(reference(number).item(None));
            put_implicit(&mut bytes, ITEM_END, b"");
        }
        put_implicit(&mut bytes, SEQUENCE_END, b"");
        let read = Report::decode(&bytes).unwrap();
        assert_eq!(read.committed, [reference(1), reference(2)]);
    }

    #[test]
    fn too_deep_and_cut_data_sets_are_refused() {
        let mut deep = Vec::new();
        for _ in 0..2 * DEPTH {
            deep.extend([8, 0, 0x99, 0x11, 255, 255, 255, 255]);
            deep.extend([0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255]);
        }
        assert_eq!(Report::decode(&deep), Err(Violation::MalformedIdentifier));
        let whole = report().encode();
        assert!(Report::decode(&whole[..whole.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(report) = Report::decode(&bytes) {
                prop_assert_eq!(Report::decode(&report.encode()).map(|r| r.committed), Ok(report.committed));
            }
        }
    }
}

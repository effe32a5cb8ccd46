//! What the engine's journals hold, as bytes.

use karez_protocol::id::StudyId;
use karez_protocol::manifest::Origin;
use karez_protocol::priority::Class;
use karez_protocol::seal::Signed;
use karez_protocol::wire::{WireError, decode, encode};

/// Instances accepted, and evicted.
pub(super) const INGEST: &str = "ingest";
/// What is known of studies.
pub(super) const STUDIES: &str = "studies";
/// The hub's receipts, for ever.
pub(super) const RECEIPTS: &str = "receipts";
/// Tags of parts that were sealed.
pub(super) const TAGS: &str = "tags";
/// What the link has cost.
pub(super) const TOTALS: &str = "totals";
/// What the link carried, and how its hub is asked whether it is back.
pub(super) const LINK: &str = "link";
/// What of the link's budget is spent.
pub(super) const BUDGET: &str = "budget";

/// Files of watched folders that were taken.
pub(super) const MARKS: &str = "marks";

/// What scanners asked storage commitment for.
pub(super) const COMMITMENT: &str = "commitment";
/// Names of what was released and removed.
pub(super) const PAST: &str = "past";

/// The kind of the note beside each record in a pack.
pub(super) const RECORD_NOTE: u8 = 32;

/// An instance as it was accepted. No name, UID or date of a patient is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) order: u64,
    pub(super) blob: String,
    pub(super) index_key: [u8; 16],
    pub(super) study: StudyId,
    pub(super) length: u64,
    pub(super) origin: Origin,
    /// The fingerprint, sealed; empty once the instance is.
    pub(super) secret: Vec<u8>,
    /// Seconds since 1970 by a clock that may be wrong: for people.
    pub(super) at: i64,
    /// Whether it makes sense to its end, as far as it is DICOM.
    pub(super) whole: bool,
    /// Of its SOP class and instance, a keyed hash; zeros when it names none.
    pub(super) name: [u8; 16],
}

/// One entry of [`INGEST`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Accepted(Accepted),
    /// These were released and are no longer here.
    Evicted(Vec<u64>),
}

/// As stores of the first version have it.
type AcceptedTuple = (
    u64,
    String,
    [u8; 16],
    StudyId,
    u64,
    Origin,
    Vec<u8>,
    i64,
    bool,
);

impl Entry {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Accepted(a) => {
                let tuple: AcceptedTuple = (
                    a.order,
                    a.blob.clone(),
                    a.index_key,
                    a.study,
                    a.length,
                    a.origin,
                    a.secret.clone(),
                    a.at,
                    a.whole,
                );
                encode(&(Some(tuple), Vec::<u64>::new(), a.name))
            }
            Self::Evicted(orders) => encode(&(None::<AcceptedTuple>, orders.clone())),
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        type First = (Option<AcceptedTuple>, Vec<u64>);
        type Named = (Option<AcceptedTuple>, Vec<u64>, [u8; 16]);
        let (accepted, evicted, name) = match decode::<Named>(bytes) {
            Ok(entry) => entry,
            Err(_) => {
                let (accepted, evicted) = decode::<First>(bytes)?;
                (accepted, evicted, [0; 16])
            }
        };
        let Some((order, blob, index_key, study, length, origin, secret, at, whole)) = accepted
        else {
            return Ok(Self::Evicted(evicted));
        };
        Ok(Self::Accepted(Accepted {
            order,
            blob,
            index_key,
            study,
            length,
            origin,
            secret,
            at,
            whole,
            name,
        }))
    }
}

/// What is kept of a study besides its instances; the newest entry of [`STUDIES`] counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StudyFacts {
    pub(crate) class: Class,
    /// Whether a person chose the class, so that no rule changes it.
    pub(crate) by_hand: bool,
    /// How often the class was changed.
    pub(crate) counter: u64,
    /// The reason of a withdrawal, sealed.
    pub(crate) withdrawn: Option<Vec<u8>>,
    /// When it was first met: for people.
    pub(crate) since: i64,
    /// What it is, for people.
    pub(crate) label: Label,
}

/// What a study is, for people: from its first instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Label {
    /// (0008,0060), such as `CR`.
    pub(crate) modality: String,
    /// What the scanner calls itself; empty for what came as a file.
    pub(crate) scanner: String,
    /// The patient's name, sealed to the desk key; empty when there is none.
    pub(crate) name: Vec<u8>,
}

/// As stores of the first version have it.
type FirstFactsTuple = (StudyId, Class, bool, u64, Option<Vec<u8>>, i64);
type FactsTuple = (FirstFactsTuple, (String, String, Vec<u8>));

impl StudyFacts {
    pub(super) fn to_bytes(&self, study: StudyId) -> Vec<u8> {
        let Label {
            modality,
            scanner,
            name,
        } = self.label.clone();
        let first: FirstFactsTuple = (
            study,
            self.class,
            self.by_hand,
            self.counter,
            self.withdrawn.clone(),
            self.since,
        );
        let tuple: FactsTuple = (first, (modality, scanner, name));
        encode(&tuple)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<(StudyId, Self), WireError> {
        let (first, (modality, scanner, name)) = match decode::<FactsTuple>(bytes) {
            Ok(tuple) => tuple,
            Err(_) => (decode::<FirstFactsTuple>(bytes)?, Default::default()),
        };
        let (study, class, by_hand, counter, withdrawn, since) = first;
        let facts = Self {
            label: Label {
                modality,
                scanner,
                name,
            },
            class,
            by_hand,
            counter,
            withdrawn,
            since,
        };
        Ok((study, facts))
    }
}

/// A record's note: what a sender without the key must know of it. Numbers, and hashes of sealed
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordNote {
    /// The instance's order of arrival.
    pub(super) order: u64,
    pub(super) first_chunk: u64,
    pub(super) end_chunk: u64,
    /// Of record and chunks.
    pub(super) bytes: u64,
    pub(super) hash: [u8; 32],
    pub(super) starts: bool,
    pub(super) last: bool,
    pub(super) repeats: Vec<(u64, u64)>,
}

type NoteTuple = (u64, u64, u64, u64, [u8; 32], bool, bool, Vec<(u64, u64)>);

impl RecordNote {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let tuple: NoteTuple = (
            self.order,
            self.first_chunk,
            self.end_chunk,
            self.bytes,
            self.hash,
            self.starts,
            self.last,
            self.repeats.clone(),
        );
        encode(&tuple)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let (order, first_chunk, end_chunk, bytes, hash, starts, last, repeats) =
            decode::<NoteTuple>(bytes)?;
        Ok(Self {
            order,
            first_chunk,
            end_chunk,
            bytes,
            hash,
            starts,
            last,
            repeats,
        })
    }
}

/// What the link has cost so far, over all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Costs {
    pub(super) up: u64,
    pub(super) down: u64,
    /// Of evicted segments, and of repeated parts that were sent.
    pub(super) payload: u64,
    pub(super) resent: u64,
}

impl Costs {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        encode(&(self.up, self.down, self.payload, self.resent))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let (up, down, payload, resent) = decode(bytes)?;
        Ok(Self {
            up,
            down,
            payload,
            resent,
        })
    }
}

/// A signed statement as a journal or a pack holds it.
pub(super) fn signed_bytes(signed: &Signed) -> Vec<u8> {
    encode(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_reads_back() {
        let accepted = Entry::Accepted(Accepted {
            order: 7,
            blob: "ab".repeat(16),
            index_key: [1; 16],
            study: StudyId([2; 16]),
            length: 9,
            origin: Origin::Dimse { meta: 300 },
            secret: vec![3; 48],
            at: -5,
            whole: false,
            name: [6; 16],
        });
        for entry in [accepted.clone(), Entry::Evicted(vec![1, 2])] {
            assert_eq!(Entry::from_bytes(&entry.to_bytes()), Ok(entry));
        }
        let mut first = accepted.to_bytes();
        first.truncate(first.len() - 16);
        let Ok(Entry::Accepted(read)) = Entry::from_bytes(&first) else {
            unreachable!("an entry of the first version reads back");
        };
        assert_eq!((read.order, read.name), (7, [0; 16]));
        let facts = StudyFacts {
            class: Class::Stat,
            withdrawn: Some(vec![1]),
            label: Label {
                modality: "CT".into(),
                scanner: "CT01".into(),
                name: vec![7; 60],
            },
            ..StudyFacts::default()
        };
        let study = StudyId([4; 16]);
        assert_eq!(
            StudyFacts::from_bytes(&facts.to_bytes(study)),
            Ok((study, facts))
        );
        let first: FirstFactsTuple = (study, Class::Stat, false, 0, Some(vec![1]), 0);
        let read = StudyFacts::from_bytes(&encode(&first)).unwrap().1;
        assert_eq!((read.class, read.label), (Class::Stat, Label::default()));
        let note = RecordNote {
            order: 1,
            first_chunk: 2,
            end_chunk: 3,
            bytes: 4,
            hash: [5; 32],
            starts: true,
            last: false,
            repeats: vec![(2, 3)],
        };
        assert_eq!(RecordNote::from_bytes(&note.to_bytes()), Ok(note));
        let costs = Costs {
            up: 1,
            down: 2,
            payload: 3,
            resent: 4,
        };
        assert_eq!(Costs::from_bytes(&costs.to_bytes()), Ok(costs));
    }
}

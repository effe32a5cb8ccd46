//! What a PACS is told of an instance, read from its first bytes. In memory only: UIDs are
//! patient data.

use std::fmt;

use karez_dimse::Uid;
use karez_dimse::part10::{Head, NoHead};
use karez_imaging::{InstanceInfo, plan};
use karez_protocol::id::Fingerprint;

use super::Item;
use crate::engine::Job;
use crate::limits::FIRST_BYTES;
use crate::rebuild::{Rebuild, RebuildError, Segments};

/// An instance as DICOM names it, and where its data set begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Bytes from the instance's start to its data set.
    pub data_set: u64,
    /// (0008,0016), else (0002,0002).
    pub sop_class: Uid,
    /// (0008,0018), else (0002,0003).
    pub sop_instance: Uid,
    /// (0002,0010).
    pub transfer_syntax: Uid,
    /// (0020,000D), when the first bytes show it.
    pub study: Uid,
    /// (0020,000E), when the first bytes show it.
    pub series: Uid,
    /// Whose it is, when the first bytes show it.
    pub patient: Option<Patient>,
}

/// A patient as an archive tells patients apart. Its `Debug` shows nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Patient {
    /// (0010,0020).
    pub number: String,
    /// (0010,0010) and (0010,0030), without what one writes so and another so.
    pub who: String,
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient")
    }
}

impl Patient {
    fn of(info: &InstanceInfo) -> Option<Self> {
        let number = info.patient_id.as_deref()?.trim();
        let name = info.patient_name.as_deref().unwrap_or_default();
        let name = name.trim_end_matches([' ', '^', '=']).trim().to_uppercase();
        let born = info.birth_date.as_deref().unwrap_or_default().trim();
        (!number.is_empty()).then(|| Self {
            number: number.to_owned(),
            who: format!("{name}\0{born}"),
        })
    }
}

/// Why an instance cannot be handed over as DICOM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// No file meta group.
    #[error("it is no DICOM file with a file meta group, so it cannot be sent to a PACS")]
    NotPart10,
    /// A file meta group that names no transfer syntax.
    #[error("it does not say its transfer syntax, so it cannot be sent to a PACS")]
    NoTransferSyntax,
    /// No SOP class or no SOP instance anywhere.
    #[error("it has no SOP class or no SOP instance UID, so it cannot be sent to a PACS")]
    NoUids,
}

impl Identity {
    /// Reads it from an instance's first bytes; UIDs that stand behind them count as missing.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub fn read(first: &[u8]) -> Result<Self, NoIdentity> {
        let head = Head::read(first).map_err(|error| match error {
            NoHead::NoTransferSyntax => NoIdentity::NoTransferSyntax,
            NoHead::NeedsMore(_) | NoHead::NotPart10 | NoHead::TooLong => NoIdentity::NotPart10,
        })?;
        // A slice in memory has no errors of its own.
        let info = plan(&first).map(|plan| plan.info).unwrap_or_default();
        let patient = Patient::of(&info);
        let uid = |text: Option<String>| text.map(|text| Uid::new(&text)).unwrap_or_default();
        let or = |uid: Uid, other: Uid| if uid.is_empty() { other } else { uid };
        let identity = Self {
            data_set: head.data_set as u64,
            sop_class: or(uid(info.sop_class_uid), head.meta.sop_class),
            sop_instance: or(uid(info.sop_instance_uid), head.meta.sop_instance),
            transfer_syntax: head.meta.transfer_syntax,
            study: uid(info.study_uid),
            series: uid(info.series_uid),
            patient,
        };
        match identity.sop_class.is_empty() || identity.sop_instance.is_empty() {
            true => Err(NoIdentity::NoUids),
            false => Ok(identity),
        }
    }

    /// Whether study and series are known, so that a PACS can be asked level by level.
    #[must_use]
    pub fn has_series(&self) -> bool {
        !self.study.is_empty() && !self.series.is_empty()
    }
}

/// What DICOM calls an instance, by its first bytes.
pub(super) async fn first(
    segments: &mut Segments,
    job: &Job,
) -> Result<Result<Identity, NoIdentity>, RebuildError> {
    let records = job.place.first..job.end;
    let mut rebuild = Rebuild::begin(segments, job.place.segment, records).await?;
    let mut first = Vec::new();
    loop {
        let identity = Identity::read(&first);
        if identity.as_ref().is_ok_and(Identity::has_series) || first.len() >= FIRST_BYTES {
            return Ok(identity);
        }
        match rebuild.next().await? {
            Some(piece) => first.extend_from_slice(&piece),
            None => return Ok(identity),
        }
    }
}

/// What counts of an instance at a PACS: its data set, and how that is written (FIELD T1).
pub(crate) struct Content(Option<Counting>);

struct Counting {
    /// Bytes before the data set that are still to be passed over.
    head: u64,
    hasher: blake3::Hasher,
}

impl Content {
    /// That of an item, whose bytes follow; nothing when DICOM has no name for it.
    pub(super) fn of(item: &Item) -> Self {
        match &item.identity {
            Ok(identity) => Self::behind(&identity.transfer_syntax, identity.data_set),
            Err(_) => Self(None),
        }
    }

    /// That of a file whose data set is written in this syntax and begins there.
    pub(super) fn behind(syntax: &Uid, head: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(syntax.as_str().as_bytes());
        hasher.update(&[0]);
        Self(Some(Counting { head, hasher }))
    }

    /// The next bytes.
    pub(super) fn take(&mut self, piece: &[u8]) {
        let Some(counting) = &mut self.0 else {
            return;
        };
        let skip = usize::try_from(counting.head).unwrap_or(usize::MAX);
        let skip = skip.min(piece.len());
        counting.head -= skip as u64;
        counting
            .hasher
            .update(piece.get(skip..).unwrap_or_default());
    }

    /// Its BLAKE3.
    pub(super) fn finish(self) -> Option<Fingerprint> {
        let counting = self.0?;
        Some(Fingerprint(*counting.hasher.finalize().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_dimse::part10::Meta;
    use karez_dimse::uid::{CT_STORAGE, EXPLICIT_LE, MR_STORAGE};

    fn element(group: u16, number: u16, value: &str) -> Vec<u8> {
        let mut bytes = [group.to_le_bytes(), number.to_le_bytes()].concat();
        bytes.extend_from_slice(b"UI");
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes
    }

    fn meta() -> Meta {
        Meta {
            sop_class: CT_STORAGE.into(),
            sop_instance: "1.2.34".into(),
            transfer_syntax: EXPLICIT_LE.into(),
        }
    }

    #[test]
    fn the_data_set_names_an_instance_and_the_meta_group_where_it_is_silent() {
        let head = meta().encode();
        let data_set = [
            element(8, 0x16, MR_STORAGE),
            element(8, 0x18, "1.2.3456"),
            element(0x20, 0xd, "1.22"),
            element(0x20, 0xe, "1.23"),
        ];
        let named = Identity::read(&[head.clone(), data_set.concat()].concat()).unwrap();
        assert_eq!(named.sop_class.as_str(), MR_STORAGE.trim_matches('\0'));
        assert_eq!(named.sop_instance.as_str(), "1.2.3456");
        assert_eq!(
            (named.study.as_str(), named.series.as_str()),
            ("1.22", "1.23")
        );
        assert_eq!(named.data_set, head.len() as u64);
        let silent = [head, element(8, 0x60, "CT")].concat();
        let silent = Identity::read(&silent).unwrap();
        assert_eq!(silent.sop_instance.as_str(), "1.2.34");
        assert!(!silent.has_series());
    }

    #[test]
    fn t5_what_cannot_be_sent_says_why() {
        assert_eq!(Identity::read(b"x"), Err(NoIdentity::NotPart10));
        assert_eq!(Identity::read(&[8; 300]), Err(NoIdentity::NotPart10));
        let mut bare = meta();
        bare.sop_instance = Uid::default();
        let bytes = [bare.encode(), element(8, 0x60, "CT")].concat();
        assert_eq!(Identity::read(&bytes), Err(NoIdentity::NoUids));
        let mut bare = meta();
        bare.transfer_syntax = Uid::default();
        let bytes = [bare.encode(), element(8, 0x60, "CT")].concat();
        assert_eq!(Identity::read(&bytes), Err(NoIdentity::NoTransferSyntax));
    }

    #[test]
    fn t1_the_same_data_set_behind_another_meta_group_is_the_same_content() {
        let content = |bytes: &[u8], cut: usize| {
            let item = Item {
                clinic: String::new(),
                study: karez_protocol::id::StudyId([0; 16]),
                fingerprint: Fingerprint([0; 32]),
                length: bytes.len() as u64,
                identity: Identity::read(bytes),
                other_given: false,
                content: None,
                released: false,
                alone: false,
                calling: None,
                in_doubt: false,
            };
            let mut content = Content::of(&item);
            bytes.chunks(cut).for_each(|piece| content.take(piece));
            content.finish()
        };
        let data_set = element(8, 0x18, "1.2.3456");
        let ours = [meta().encode(), data_set.clone()].concat();
        let mut preamble = ours.clone();
        preamble[5] = 7;
        assert_eq!(content(&ours, 1000), content(&preamble, 7));
        let mut other = meta();
        other.transfer_syntax = "1.2.840.10008.1.2.4.70".into();
        let other = [other.encode(), data_set].concat();
        assert_ne!(content(&ours, 1000), content(&other, 1000));
        assert_ne!(
            content(&ours, 1000),
            content(&[&ours[..], &[0]].concat(), 1000)
        );
    }
}

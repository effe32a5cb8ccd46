//! What a PACS is told of an instance, read from its first bytes. In memory only: UIDs are
//! patient data.

use karez_dimse::Uid;
use karez_dimse::part10::{Head, NoHead};
use karez_imaging::plan;

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
        let uid = |text: Option<String>| text.map(|text| Uid::new(&text)).unwrap_or_default();
        let or = |uid: Uid, other: Uid| if uid.is_empty() { other } else { uid };
        let identity = Self {
            data_set: head.data_set as u64,
            sop_class: or(uid(info.sop_class_uid), head.meta.sop_class),
            sop_instance: or(uid(info.sop_instance_uid), head.meta.sop_instance),
            transfer_syntax: head.meta.transfer_syntax,
            study: uid(info.study_uid),
            series: uid(info.series_uid),
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

//! A segment's head: the only part of a study that stands in clear, signed by its sender.

use super::ManifestError;
use crate::id::{HubKeyId, PeerId, SegmentId, StudyId};
use crate::limits::HEAD_MAX;
use crate::seal::{
    HubKeys, HubPublic, Identity, Purpose, SegmentKey, SegmentNames, Signed, verify,
};
use crate::wire::{decode, encode};

/// The version of sealing and manifest that this program writes (SPEC 4.1).
const FORMAT: u8 = 1;

/// Who seals what for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct SegmentHead {
    format: u8,
    sender: PeerId,
    receiver: PeerId,
    hub_key: HubKeyId,
    study: StudyId,
    segment: SegmentId,
    enc: [u8; 32],
}

impl SegmentHead {
    /// Opens a segment: its key, and its head signed.
    ///
    /// # Errors
    /// When the hub's public key is malformed.
    pub fn open_new(
        sender: &Identity,
        receiver: PeerId,
        hub: &HubPublic,
        study: StudyId,
        segment: SegmentId,
        random: [u8; 32],
    ) -> Result<(SegmentKey, Signed), ManifestError> {
        let names = SegmentNames {
            sender: sender.peer(),
            receiver,
            study,
            segment,
        };
        let (key, enc) = SegmentKey::open_new(&names, hub, random)?;
        let head = Self {
            format: FORMAT,
            sender: names.sender,
            receiver,
            hub_key: hub.id,
            study,
            segment,
            enc,
        };
        Ok((key, sender.sign(Purpose::Head, encode(&head))))
    }

    /// Reads a head and checks that its sender signed it.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(signed: &Signed) -> Result<Self, ManifestError> {
        if signed.body.len() > HEAD_MAX {
            return Err(ManifestError::Rule("a head is too long"));
        }
        match signed.body.first() {
            Some(&FORMAT) => {}
            Some(&other) => return Err(ManifestError::Version(other)),
            None => return Err(ManifestError::Rule("a head is empty")),
        }
        let head: Self = decode(&signed.body)?;
        verify(Purpose::Head, &head.sender, signed)?;
        Ok(head)
    }

    /// The hub's copy of the segment key.
    ///
    /// # Errors
    /// When the hub lacks the key it was sealed to.
    pub fn key(&self, hub: &HubKeys) -> Result<SegmentKey, ManifestError> {
        Ok(SegmentKey::recover(
            &self.names(),
            hub,
            self.hub_key,
            &self.enc,
        )?)
    }

    /// What the segment's key is bound to.
    #[must_use]
    pub const fn names(&self) -> SegmentNames {
        SegmentNames {
            sender: self.sender,
            receiver: self.receiver,
            study: self.study,
            segment: self.segment,
        }
    }

    /// The study.
    #[must_use]
    pub const fn study(&self) -> StudyId {
        self.study
    }

    /// The segment.
    #[must_use]
    pub const fn segment(&self) -> SegmentId {
        self.segment
    }
}

//! Receipts: the receiver's signed word, and the only thing that releases (I1).

use super::{ManifestError, NamedRecords};
use crate::id::{HubKeyId, PeerId, Root, StudyId};
use crate::limits::{NAMED_RUNS_MAX, NAMED_SEGMENTS_MAX, TEXT_MAX};
use crate::seal::{Identity, Purpose, Signed, verify};
use crate::wire::{decode, encode};

/// What is attested. The highest kind seen for an instance wins.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub enum ReceiptKind {
    /// Needs a person at the hub; see the reason. A later receipt of any kind supersedes it.
    Parked,
    /// Rebuilt at the hub, and the fingerprint is right.
    Verified,
    /// At the PACS.
    Stored,
    /// Confirmed by the PACS.
    Committed,
}

impl ReceiptKind {
    /// As it stands in `status --json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Verified => "verified",
            Self::Stored => "stored",
            Self::Committed => "committed",
        }
    }
}

/// What the attestation rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Proof {
    /// The hub's own rebuild.
    Rebuilt,
    /// The target's answer to the hand-off.
    Status,
    /// The target was asked and has it.
    Query,
    /// A storage commitment report (PS3.4 J).
    Commitment,
    /// Read back from the target and compared byte for byte.
    ReadBack,
}

/// A receiver's statement about instances of one study.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Receipt {
    /// What is attested.
    pub kind: ReceiptKind,
    /// On what it rests.
    pub proof: Proof,
    /// The hub key ring's newest number when it was signed.
    pub hub_key: HubKeyId,
    /// The clinic it is for.
    pub clinic: PeerId,
    /// The study.
    pub study: StudyId,
    /// The records of the instances meant.
    pub records: Vec<NamedRecords>,
    /// Over the sealed bytes of those records.
    pub root: Root,
    /// For `Parked`: why, in words without patient data.
    pub reason: String,
    /// The head of the hub's audit chain.
    pub audit: [u8; 32],
}

impl Receipt {
    /// Signs it.
    #[must_use]
    pub fn sign(&self, hub: &Identity) -> Signed {
        hub.sign(Purpose::Receipt, encode(self))
    }

    /// Whether this one, being newer, says all that `older` says, or more.
    #[must_use]
    pub fn supersedes(&self, older: &Self) -> bool {
        let covers = |theirs: &NamedRecords| {
            let ours = self.records.iter().find(|r| r.segment == theirs.segment);
            ours.map(NamedRecords::set)
                .is_some_and(|set| theirs.set().iter().all(|run| set.covers(&run)))
        };
        self.kind >= older.kind && older.records.iter().all(covers)
    }

    /// Reads a receipt that `hub` signed for `clinic`. Whether its root is that of the records
    /// named is for whoever has the records to say.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(hub: &PeerId, clinic: &PeerId, signed: &Signed) -> Result<Self, ManifestError> {
        verify(Purpose::Receipt, hub, signed)?;
        let receipt: Self = decode(&signed.body)?;
        #[cfg(feature = "mutants")]
        let clinic = match crate::mutant::is_on(crate::mutant::Mutant::ForeignReceipt) {
            true => &receipt.clinic,
            false => clinic,
        };
        if receipt.clinic != *clinic {
            return Err(ManifestError::Rule("a receipt is for another clinic"));
        }
        let bounded = receipt.records.len() <= NAMED_SEGMENTS_MAX
            && receipt
                .records
                .iter()
                .all(|r| r.runs.len() <= NAMED_RUNS_MAX)
            && receipt.reason.len() <= TEXT_MAX;
        if bounded {
            Ok(receipt)
        } else {
            Err(ManifestError::Rule("a receipt names too much"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SegmentId;

    fn receipt(kind: ReceiptKind, runs: &[(u64, u64)]) -> Receipt {
        Receipt {
            kind,
            proof: Proof::Status,
            hub_key: HubKeyId(0),
            clinic: PeerId([1; 32]),
            study: StudyId([2; 16]),
            records: vec![NamedRecords {
                segment: SegmentId([3; 16]),
                runs: runs.to_vec(),
            }],
            root: Root([0; 32]),
            reason: String::new(),
            audit: [0; 32],
        }
    }

    #[test]
    fn a_receipt_supersedes_those_that_say_no_more() {
        let stored = receipt(ReceiptKind::Stored, &[(0, 5)]);
        assert!(stored.supersedes(&receipt(ReceiptKind::Verified, &[(1, 2), (4, 1)])));
        assert!(stored.supersedes(&receipt(ReceiptKind::Parked, &[(0, 5)])));
        assert!(!stored.supersedes(&receipt(ReceiptKind::Committed, &[(1, 2)])));
        assert!(!stored.supersedes(&receipt(ReceiptKind::Verified, &[(4, 2)])));
    }
}

//! Who signs: a clinic or a hub, by a raw Ed25519 key (RFC 8032, RFC 7250).

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::{SealError, derive};
use crate::id::{Fingerprint, PartTag, PeerId, StudyId};

/// What a signature is for; each signs under a prefix of its own, so that no signed thing can
/// be passed off as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A segment's clear head, by its sender.
    Head,
    /// A revision, by its sender.
    Revision,
    /// What a restored sender no longer has, by that sender.
    Gone,
    /// A receipt, by the hub.
    Receipt,
    /// A hub's key ring, by the hub.
    Keys,
}

impl Purpose {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Head => b"karez/1 head\0",
            Self::Revision => b"karez/1 revision\0",
            Self::Gone => b"karez/1 gone\0",
            Self::Receipt => b"karez/1 receipt\0",
            Self::Keys => b"karez/1 keys\0",
        }
    }
}

/// Bytes and the signature over exactly these bytes.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Signed {
    /// What is signed, as it stands on the wire.
    pub body: Vec<u8>,
    /// Ed25519 over prefix and body.
    pub signature: [u8; 64],
}

/// An identity's secret half.
pub struct Identity(SigningKey);

impl Identity {
    /// From its 32 secret bytes.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The secret bytes, to be given to the QUIC endpoint or written to the key file.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        PeerId(self.0.verifying_key().to_bytes())
    }

    /// Signs `body` for one purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, body: Vec<u8>) -> Signed {
        let signature = self.0.sign(&prefixed(purpose, &body)).to_bytes();
        Signed { body, signature }
    }
}

/// Checks that `signed` is `by`'s for this purpose (strict verification, no malleable forms).
///
/// # Errors
/// [`SealError::Key`] for a malformed public key, [`SealError::Signature`] for anything else.
pub fn verify(purpose: Purpose, by: &PeerId, signed: &Signed) -> Result<(), SealError> {
    let key = VerifyingKey::from_bytes(by.as_bytes()).map_err(|_| SealError::Key)?;
    let signature = Signature::from_bytes(&signed.signature);
    #[cfg(feature = "mutants")]
    if crate::mutant::is_on(crate::mutant::Mutant::AnyPurpose) {
        let all = [
            Purpose::Head,
            Purpose::Revision,
            Purpose::Gone,
            Purpose::Receipt,
            Purpose::Keys,
        ];
        let good = |p: Purpose| {
            key.verify_strict(&prefixed(p, &signed.body), &signature)
                .is_ok()
        };
        let good = all.into_iter().any(good);
        return good.then_some(()).ok_or(SealError::Signature);
    }
    key.verify_strict(&prefixed(purpose, &signed.body), &signature)
        .map_err(|_| SealError::Signature)
}

fn prefixed(purpose: Purpose, body: &[u8]) -> Vec<u8> {
    [purpose.prefix(), body].concat()
}

/// A clinic's keyed hashes: names of studies, tags of parts, index keys, names of SOP instances.
pub struct ClinicKeys {
    study: Zeroizing<[u8; 32]>,
    tag: Zeroizing<[u8; 32]>,
    index: Zeroizing<[u8; 32]>,
    sop: Zeroizing<[u8; 32]>,
}

impl ClinicKeys {
    /// Derived from the clinic's identity, so that a restored clinic names things as before.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let secret = identity.secret();
        Self {
            study: derive("karez/1 study key", &*secret, &[]),
            tag: derive("karez/1 tag key", &*secret, &[]),
            index: derive("karez/1 index key", &*secret, &[]),
            sop: derive("karez/1 sop key", &*secret, &[]),
        }
    }

    /// The name of the study with this Study Instance UID (or, without one, of whatever groups
    /// its instances).
    #[must_use]
    pub fn study(&self, group: &[u8]) -> StudyId {
        StudyId(first_16(&self.study, group))
    }

    /// The tag of a part with these raw bytes, not offered.
    #[must_use]
    pub fn tag(&self, raw: &[u8]) -> PartTag {
        PartTag(first_16(&self.tag, raw)).name()
    }

    /// How an index names an instance without giving its fingerprint away.
    #[must_use]
    pub fn index_key(&self, fingerprint: &Fingerprint) -> [u8; 16] {
        first_16(&self.index, fingerprint.as_bytes())
    }

    /// How an index names what its scanner names by these two UIDs.
    #[must_use]
    pub fn sop_name(&self, sop_class: &str, sop_instance: &str) -> [u8; 16] {
        let both = [sop_class.as_bytes(), b"\0", sop_instance.as_bytes()].concat();
        first_16(&self.sop, &both)
    }
}

fn first_16(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
    let hash = blake3::keyed_hash(key, data);
    let mut out = [0; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_bytes_its_purpose_and_its_signer_alone() {
        let clinic = Identity::from_secret(&[3; 32]);
        let other = Identity::from_secret(&[4; 32]).peer();
        let signed = clinic.sign(Purpose::Head, b"head".to_vec());
        assert_eq!(verify(Purpose::Head, &clinic.peer(), &signed), Ok(()));
        assert_eq!(
            verify(Purpose::Gone, &clinic.peer(), &signed),
            Err(SealError::Signature)
        );
        assert_eq!(
            verify(Purpose::Head, &other, &signed),
            Err(SealError::Signature)
        );
        let flipped = Signed {
            body: b"hEad".to_vec(),
            ..signed
        };
        assert_eq!(
            verify(Purpose::Head, &clinic.peer(), &flipped),
            Err(SealError::Signature)
        );
    }

    #[test]
    fn two_clinics_name_one_study_differently_and_each_the_same_way_twice() {
        let keys = |n| ClinicKeys::of(&Identity::from_secret(&[n; 32]));
        assert_eq!(keys(1).study(b"1.2.3"), keys(1).study(b"1.2.3"));
        assert_ne!(keys(1).study(b"1.2.3"), keys(2).study(b"1.2.3"));
        assert_ne!(keys(1).tag(b"1.2.3").0, keys(1).study(b"1.2.3").0);
    }
}

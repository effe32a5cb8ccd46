//! The desk key: what a clinic's page shows by name is sealed to its public half. The private half
//! exists only wrapped by the passwords of those who may see names.

use chacha20poly1305::aead::{Aead, Payload};
use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng,
};
use zeroize::Zeroizing;

use super::segment::{Once, cipher, nonce};
use super::{SealError, derive};

type Dh = X25519HkdfSha256;

const INFO: &[u8] = b"karez/1 desk";
const WRAP: &str = "karez/1 desk wrap";
const ENC: usize = 32;

/// The private half. Wiped when dropped.
#[derive(Clone)]
pub struct DeskKey(Zeroizing<[u8; 32]>);

/// The public half (X25519).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskPublic(pub [u8; 32]);

impl DeskKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> DeskPublic {
        let (_, public) = self.pair();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&public.to_bytes());
        DeskPublic(bytes)
    }

    /// Opens what was sealed to the public half.
    ///
    /// # Errors
    /// [`SealError::Broken`] for another key or altered bytes.
    pub fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (enc, body) = sealed.split_at_checked(ENC).ok_or(SealError::Broken)?;
        let enc = <Dh as Kem>::EncappedKey::from_bytes(enc).map_err(|_| SealError::Broken)?;
        let (private, _) = self.pair();
        let context =
            setup_receiver::<ExportOnlyAead, HkdfSha256, Dh>(&OpModeR::Base, &private, &enc, INFO);
        let context = context.map_err(|_| SealError::Broken)?;
        let mut key = Zeroizing::new([0; 32]);
        context
            .export(INFO, &mut *key)
            .map_err(|_| SealError::Broken)?;
        let plain = cipher(&key).decrypt(&nonce(0), Payload::from(body));
        plain.map(Zeroizing::new).map_err(|_| SealError::Broken)
    }

    /// Wrapped by a key that came of a password. `with` must not wrap anything else.
    ///
    /// # Errors
    /// None in practice: the seal of 32 bytes.
    pub fn wrap(&self, with: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        let key = derive(WRAP, with, &[]);
        let sealed = cipher(&key).encrypt(&nonce(0), Payload::from(&self.0[..]));
        sealed.map_err(|_| SealError::Key)
    }

    /// Unwraps it.
    ///
    /// # Errors
    /// [`SealError::Broken`] for another password.
    pub fn unwrap(wrapped: &[u8], with: &[u8; 32]) -> Result<Self, SealError> {
        let key = derive(WRAP, with, &[]);
        let plain = cipher(&key).decrypt(&nonce(0), Payload::from(wrapped));
        let plain = Zeroizing::new(plain.map_err(|_| SealError::Broken)?);
        let bytes = plain.as_slice().try_into().map_err(|_| SealError::Broken)?;
        Ok(Self::new(bytes))
    }

    fn pair(&self) -> (<Dh as Kem>::PrivateKey, <Dh as Kem>::PublicKey) {
        Dh::derive_keypair(&*self.0)
    }
}

impl DeskPublic {
    /// Seals. `random` feeds the ephemeral key and is used for nothing else.
    ///
    /// # Errors
    /// [`SealError::Key`] if this is no key.
    pub fn seal(&self, random: [u8; 32], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let public = <Dh as Kem>::PublicKey::from_bytes(&self.0).map_err(|_| SealError::Key)?;
        let mut rng = Once::new(random);
        let (enc, context) = setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, Dh>(
            &OpModeS::Base,
            &public,
            INFO,
            &mut rng,
        )
        .map_err(|_| SealError::Key)?;
        let mut key = Zeroizing::new([0; 32]);
        context
            .export(INFO, &mut *key)
            .map_err(|_| SealError::Key)?;
        let body = cipher(&key).encrypt(&nonce(0), Payload::from(plain));
        Ok([&enc.to_bytes()[..], &body.map_err(|_| SealError::Key)?].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desk_reads_what_was_sealed_to_it_and_nobody_else_does() {
        let (desk, other) = (DeskKey::new([1; 32]), DeskKey::new([2; 32]));
        let sealed = desk.public().seal([3; 32], b"BIBI^AMNA").unwrap();
        assert!(!sealed.windows(4).any(|w| w == b"BIBI"));
        assert_eq!(&**desk.open(&sealed).unwrap(), b"BIBI^AMNA");
        assert!(other.open(&sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(desk.open(&bad).is_err(), "byte {at}");
        }
        assert!(desk.open(&sealed[..20]).is_err());
    }

    #[test]
    fn a_wrapped_desk_opens_with_its_password_alone() {
        let desk = DeskKey::new([1; 32]);
        let wrapped = desk.wrap(&[9; 32]).unwrap();
        assert_eq!(
            DeskKey::unwrap(&wrapped, &[9; 32]).unwrap().public(),
            desk.public()
        );
        assert!(DeskKey::unwrap(&wrapped, &[8; 32]).is_err());
    }
}

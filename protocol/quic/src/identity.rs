//! Who an end of a connection is: an Ed25519 key, sent raw (RFC 7250), without a certificate.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use karez_protocol::id::PeerId;
use quinn_proto::crypto::{CryptoError, HmacKey};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use zeroize::Zeroizing;

/// SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A daemon's own key and what is derived from it. Cheap to clone; the key is wiped when the last
/// clone goes.
#[derive(Clone)]
pub struct Identity {
    peer: PeerId,
    certified: Arc<CertifiedKey>,
    reset: Arc<ResetKey>,
    cid: u64,
    probe: Arc<Zeroizing<[u8; 32]>>,
}

impl Identity {
    /// From the 32 secret bytes of RFC 8032 section 5.1.5. The keys of stateless resets and
    /// connection ids derive from the same bytes, so that a restarted hub can still tell its
    /// former peers that their connections are gone (RFC 9000 section 10.3).
    #[must_use]
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        let key = SigningKey::from_bytes(seed);
        let peer = PeerId(key.verifying_key().to_bytes());
        let chain = vec![CertificateDer::from(spki(&peer))];
        let cid = blake3::derive_key("karez/1 quic connection id", &seed[..]);
        let [a, b, c, d, e, f, g, h, ..] = cid;
        Self {
            peer,
            certified: Arc::new(CertifiedKey::new(chain, Arc::new(RawKey(Arc::new(key))))),
            reset: Arc::new(ResetKey(Zeroizing::new(blake3::derive_key(
                "karez/1 quic stateless reset",
                &seed[..],
            )))),
            cid: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            probe: Arc::new(Zeroizing::new(blake3::derive_key(
                "karez/1 probe",
                &seed[..],
            ))),
        }
    }

    /// The public key.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    pub(crate) fn reset_key(&self) -> Arc<dyn HmacKey> {
        self.reset.clone()
    }

    /// What a hub's probe keys are made from.
    pub(crate) fn probe_secret(&self) -> Zeroizing<[u8; 32]> {
        (*self.probe).clone()
    }

    pub(crate) const fn cid_key(&self) -> u64 {
        self.cid
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer.short())
    }
}

/// The raw public key as it stands in the handshake.
pub(crate) fn spki(peer: &PeerId) -> Vec<u8> {
    [&SPKI_PREFIX[..], peer.as_bytes()].concat()
}

/// The key that a peer sent; `None` unless it is Ed25519 in its only encoding.
pub(crate) fn peer_of(spki: &[u8]) -> Option<PeerId> {
    let key = spki.strip_prefix(&SPKI_PREFIX)?;
    Some(PeerId(key.try_into().ok()?))
}

#[derive(Clone)]
struct RawKey(Arc<SigningKey>);

impl fmt::Debug for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawKey")
    }
}

impl rustls::sign::SigningKey for RawKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as _)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        let peer = PeerId(self.0.verifying_key().to_bytes());
        Some(SubjectPublicKeyInfoDer::from(spki(&peer)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl rustls::sign::Signer for RawKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

struct ResetKey(Zeroizing<[u8; 32]>);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let mut full = blake3::Hasher::new_keyed(&self.0)
            .update(data)
            .finalize_xof();
        full.fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let signature: [u8; 32] = signature.try_into().map_err(|_| CryptoError)?;
        let same = blake3::keyed_hash(&self.0, data) == blake3::Hash::from_bytes(signature);
        same.then_some(()).ok_or(CryptoError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_encoding_and_nothing_else_does() {
        let identity = Identity::from_seed(&Zeroizing::new([7; 32]));
        let encoded = spki(&identity.peer());
        assert_eq!(peer_of(&encoded), Some(identity.peer()));
        assert_eq!(peer_of(&encoded[..43]), None);
        assert_eq!(peer_of(&[&encoded[..], &[0]].concat()), None);
        assert_eq!(peer_of(&[0; 44]), None);
    }

    #[test]
    fn a_restarted_hub_makes_the_same_reset_tokens() {
        let sign = |seed: u8| {
            let key = Identity::from_seed(&Zeroizing::new([seed; 32])).reset_key();
            let mut out = [0; 32];
            key.sign(b"connection", &mut out);
            assert!(key.verify(b"connection", &out).is_ok());
            assert!(key.verify(b"other", &out).is_err());
            out
        };
        assert_eq!(sign(1), sign(1));
        assert_ne!(sign(1), sign(2));
    }

    #[test]
    fn the_debug_form_shows_no_secret() {
        let shown = format!("{:?}", Identity::from_seed(&Zeroizing::new([0xab; 32])));
        assert!(!shown.contains("abababab"), "{shown}");
    }
}

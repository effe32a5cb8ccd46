//! A hub's keys: everything derives from one 32-byte seed, printed once as a recovery sheet.

use std::sync::atomic::{AtomicU32, Ordering};

use hpke::kem::X25519HkdfSha256;
use hpke::{Kem, Serializable};
use zeroize::Zeroizing;

use super::{Identity, Purpose, SealError, Signed, derive, verify};
use crate::crockford;
use crate::id::{HubKeyId, PeerId};
use crate::manifest::ManifestError;
use crate::wire::{decode, encode};

/// Encryption keys that a hub can have in its life: one a month for five years.
pub const HUB_KEYS_MAX: u32 = 64;
/// Groups of characters on a recovery sheet: 8 of 7, the last character of each a check.
pub const SHEET_WORDS: usize = 8;

/// The one secret of a hub.
pub struct HubSeed(Zeroizing<[u8; 32]>);

impl HubSeed {
    /// From 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be written to the key file.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hub's identity.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::from_secret(&derive("karez/1 hub identity", &*self.0, &[]))
    }

    /// The key from which connection ids and stateless reset tokens come, so that a restarted
    /// hub can reset connections of its earlier life.
    #[must_use]
    pub fn reset_key(&self) -> Zeroizing<[u8; 32]> {
        derive("karez/1 hub reset", &*self.0, &[])
    }

    /// The ring of encryption keys, of which clinics are told `newest`. The private halves of all
    /// [`HUB_KEYS_MAX`] are in it: a hub that comes from its recovery sheet opens what was sealed
    /// to any of them, and an older one stays as long as anything may be owed to it.
    #[must_use]
    pub fn keys(&self, newest: HubKeyId) -> HubKeys {
        let pair = |n: u32| {
            let ikm = derive("karez/1 hub hpke", &*self.0, &[&n.to_le_bytes()]);
            X25519HkdfSha256::derive_keypair(&*ikm)
        };
        HubKeys {
            pairs: (0..HUB_KEYS_MAX).map(pair).collect(),
            newest: AtomicU32::new(newest.0.min(HUB_KEYS_MAX - 1)),
        }
    }

    /// The seed as the words of a recovery sheet.
    #[must_use]
    pub fn sheet(&self) -> Zeroizing<Vec<String>> {
        let words = self.0.chunks_exact(4).enumerate().map(|(i, four)| {
            // 4 bytes are 7 characters of 5 bits; the 3 spare bits are the word's check.
            let value = four.iter().fold(0_u64, |v, b| v << 8 | u64::from(*b));
            let value = value << 3 | u64::from(check(i, four));
            (0..7)
                .rev()
                .map(|d| crockford::digit(value >> (5 * d)))
                .collect()
        });
        Zeroizing::new(words.collect())
    }

    /// Reads a recovery sheet: case, spaces and dashes do not matter; O counts as 0, I and L
    /// as 1.
    ///
    /// # Errors
    /// Which word is missing or mistyped.
    pub fn from_sheet(text: &str) -> Result<Self, String> {
        let digits: Vec<u8> = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c as u8)
            .collect();
        if digits.len() != SHEET_WORDS * 7 {
            return Err(format!(
                "a recovery sheet has {SHEET_WORDS} words of 7 characters; {} characters were given",
                digits.len()
            ));
        }
        let mut seed = Zeroizing::new([0; 32]);
        for (i, word) in digits.chunks_exact(7).enumerate() {
            let four = read_word(i, word).ok_or_else(|| {
                format!(
                    "word {} of the recovery sheet is mistyped: read it again",
                    i + 1
                )
            })?;
            seed[i * 4..i * 4 + 4].copy_from_slice(&four);
        }
        Ok(Self(seed))
    }
}

fn check(index: usize, four: &[u8]) -> u8 {
    let mut hasher = blake3::Hasher::new_derive_key("karez/1 sheet check");
    hasher.update(&[index as u8]);
    hasher.update(four);
    hasher.finalize().as_bytes()[0] & 7
}

fn read_word(index: usize, word: &[u8]) -> Option<[u8; 4]> {
    let mut value = 0_u64;
    for c in word {
        value = value << 5 | u64::from(crockford::value(*c)?);
    }
    let four = u32::try_from(value >> 3).ok()?.to_be_bytes();
    (check(index, &four) == (value & 7) as u8).then_some(four)
}

type Pair = (
    <X25519HkdfSha256 as Kem>::PrivateKey,
    <X25519HkdfSha256 as Kem>::PublicKey,
);

/// The hub's encryption keys, by number.
pub struct HubKeys {
    pairs: Vec<Pair>,
    newest: AtomicU32,
}

impl HubKeys {
    pub(super) fn private(
        &self,
        id: HubKeyId,
    ) -> Result<&<X25519HkdfSha256 as Kem>::PrivateKey, SealError> {
        let pair = self.pairs.get(id.0 as usize);
        pair.map(|p| &p.0).ok_or(SealError::UnknownHubKey(id.0))
    }

    /// The number of the newest key.
    #[must_use]
    pub fn newest_id(&self) -> HubKeyId {
        HubKeyId(self.newest.load(Ordering::Relaxed))
    }

    /// Clinics seal to this key from now on; older numbers change nothing.
    pub fn raise(&self, newest: HubKeyId) {
        let newest = newest.0.min(HUB_KEYS_MAX - 1);
        self.newest.fetch_max(newest, Ordering::Relaxed);
    }

    /// The newest public key, to which clinics seal.
    #[must_use]
    pub fn newest(&self) -> HubPublic {
        let id = self.newest_id();
        let mut public = [0; 32];
        if let Some((_, key)) = self.pairs.get(id.0 as usize) {
            public.copy_from_slice(&key.to_bytes());
        }
        HubPublic { id, key: public }
    }
}

/// A hub's public encryption key (X25519).
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct HubPublic {
    /// Its number in the ring.
    pub id: HubKeyId,
    /// The key.
    pub key: [u8; 32],
}

impl HubPublic {
    /// Signs the key with the hub's identity, as clinics are told it.
    #[must_use]
    pub fn sign(&self, hub: &Identity) -> Signed {
        hub.sign(Purpose::Keys, encode(self))
    }

    /// Reads a key that `hub` signed.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(hub: &PeerId, signed: &Signed) -> Result<Self, ManifestError> {
        verify(Purpose::Keys, hub, signed)?;
        Ok(decode(&signed.body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sheet_brings_the_seed_back(bytes: [u8; 32]) {
            let sheet = HubSeed::new(bytes).sheet().join(" ").to_lowercase();
            let back = HubSeed::from_sheet(&sheet).unwrap();
            prop_assert_eq!(back.bytes(), &bytes);
        }
    }

    #[test]
    fn a_mistyped_word_is_named() {
        let mut words = HubSeed::new([9; 32]).sheet().to_vec();
        let wrong = if words[2].starts_with('7') { "8" } else { "7" };
        words[2].replace_range(..1, wrong);
        let other = HubSeed::from_sheet(&words.join("-"));
        assert!(
            other.is_err_and(|e| e.contains("word 3")),
            "3 check bits caught this one"
        );
        assert!(HubSeed::from_sheet("ABC").is_err());
    }

    #[test]
    fn keys_are_the_same_each_time_they_are_derived() {
        let seed = HubSeed::new([1; 32]);
        assert_eq!(
            seed.keys(HubKeyId(2)).newest(),
            seed.keys(HubKeyId(2)).newest()
        );
        assert_ne!(
            seed.keys(HubKeyId(1)).newest().key,
            seed.keys(HubKeyId(2)).newest().key
        );
        assert_eq!(seed.identity().peer(), seed.identity().peer());
    }

    #[test]
    fn a_raised_ring_tells_the_new_key_and_is_never_lowered() {
        let seed = HubSeed::new([1; 32]);
        let ring = seed.keys(HubKeyId(0));
        ring.raise(HubKeyId(2));
        ring.raise(HubKeyId(1));
        assert_eq!(ring.newest(), seed.keys(HubKeyId(2)).newest());
        ring.raise(HubKeyId(u32::MAX));
        assert_eq!(ring.newest_id(), HubKeyId(HUB_KEYS_MAX - 1));
        assert!(ring.private(HubKeyId(0)).is_ok(), "the oldest still opens");
        let beyond = ring.private(HubKeyId(HUB_KEYS_MAX));
        assert_eq!(beyond.err(), Some(SealError::UnknownHubKey(HUB_KEYS_MAX)));
    }
}

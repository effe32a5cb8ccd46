//! The segment key: agreed with the hub by HPKE (RFC 9180), kept in RAM only, and the seals
//! under it.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng,
};
use zeroize::Zeroizing;

use super::{HubKeys, HubPublic, SealError, derive};
use crate::id::{HubKeyId, PeerId, SegmentId, StudyId};

type Dh = X25519HkdfSha256;

/// What a segment's key is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentNames {
    /// Who seals.
    pub sender: PeerId,
    /// For whom.
    pub receiver: PeerId,
    /// Of which study.
    pub study: StudyId,
    /// Which segment.
    pub segment: SegmentId,
}

impl SegmentNames {
    fn info(&self) -> Vec<u8> {
        let parts: [&[u8]; 5] = [
            b"karez/1 segment\0",
            &self.sender.0,
            &self.receiver.0,
            &self.study.0,
            &self.segment.0,
        ];
        parts.concat()
    }
}

/// A segment's key. Never written; wiped when dropped.
pub struct SegmentKey(Zeroizing<[u8; 32]>);

/// Where a record stands: its number and the random bytes in its clear header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    /// Number within the segment.
    pub number: u64,
    /// Drawn for this record, so that a resumed copy of a running machine never repeats a key.
    pub random: [u8; 8],
}

/// Where a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The record that describes it.
    pub record: RecordPlace,
    /// The part within that record.
    pub part: u16,
    /// The chunk within that part.
    pub index: u32,
}

impl SegmentKey {
    /// Opens a new segment towards `hub`: the key and the 32 bytes of `enc` for the clear head.
    ///
    /// `random` feeds the ephemeral key and is used for nothing else.
    ///
    /// # Errors
    /// [`SealError::Key`] if the hub's public key is no key.
    pub fn open_new(
        names: &SegmentNames,
        hub: &HubPublic,
        random: [u8; 32],
    ) -> Result<(Self, [u8; 32]), SealError> {
        let public = <Dh as Kem>::PublicKey::from_bytes(&hub.key).map_err(|_| SealError::Key)?;
        let mut rng = Once::new(random);
        let (enc, context) = setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, Dh>(
            &OpModeS::Base,
            &public,
            &names.info(),
            &mut rng,
        )
        .map_err(|_| SealError::Key)?;
        let mut key = Zeroizing::new([0; 32]);
        context
            .export(EXPORT, &mut *key)
            .map_err(|_| SealError::Key)?;
        let mut encapped = [0; 32];
        encapped.copy_from_slice(&enc.to_bytes());
        Ok((Self(key), encapped))
    }

    /// The hub's side.
    ///
    /// # Errors
    /// [`SealError::UnknownHubKey`], or [`SealError::Key`] for a malformed `enc`.
    pub fn recover(
        names: &SegmentNames,
        hub: &HubKeys,
        key: HubKeyId,
        enc: &[u8; 32],
    ) -> Result<Self, SealError> {
        let encapped = <Dh as Kem>::EncappedKey::from_bytes(enc).map_err(|_| SealError::Key)?;
        let context = setup_receiver::<ExportOnlyAead, HkdfSha256, Dh>(
            &OpModeR::Base,
            hub.private(key)?,
            &encapped,
            &names.info(),
        )
        .map_err(|_| SealError::Key)?;
        let mut key = Zeroizing::new([0; 32]);
        context
            .export(EXPORT, &mut *key)
            .map_err(|_| SealError::Key)?;
        Ok(Self(key))
    }

    /// Seals a record's body.
    ///
    /// # Errors
    /// [`SealError::Broken`] only if the body exceeds what the cipher takes (64 GiB).
    pub fn seal_record(&self, place: RecordPlace, body: &[u8]) -> Result<Vec<u8>, SealError> {
        self.record_cipher(place)
            .encrypt(
                &nonce(0),
                Payload {
                    msg: body,
                    aad: RECORD_AAD,
                },
            )
            .map_err(|_| SealError::Broken)
    }

    /// Opens a record's body.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open_record(&self, place: RecordPlace, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.record_cipher(place)
            .decrypt(
                &nonce(0),
                Payload {
                    msg: sealed,
                    aad: RECORD_AAD,
                },
            )
            .map_err(|_| SealError::Broken)
    }

    /// Seals a chunk.
    ///
    /// # Errors
    /// As [`Self::seal_record`].
    pub fn seal_chunk(&self, place: ChunkPlace, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.part_cipher(place)
            .encrypt(
                &nonce(place.index),
                Payload {
                    msg: plain,
                    aad: CHUNK_AAD,
                },
            )
            .map_err(|_| SealError::Broken)
    }

    /// Opens a chunk.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open_chunk(&self, place: ChunkPlace, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.part_cipher(place)
            .decrypt(
                &nonce(place.index),
                Payload {
                    msg: sealed,
                    aad: CHUNK_AAD,
                },
            )
            .map_err(|_| SealError::Broken)
    }

    /// The key bytes, for the test that searches every durable file for them.
    #[must_use]
    pub fn expose_for_search(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    fn record_cipher(&self, place: RecordPlace) -> ChaCha20Poly1305 {
        let number = place.number.to_le_bytes();
        cipher(&derive(
            "karez/1 record",
            &*self.0,
            &[&number, &place.random],
        ))
    }

    fn part_cipher(&self, place: ChunkPlace) -> ChaCha20Poly1305 {
        let number = place.record.number.to_le_bytes();
        let part = place.part.to_le_bytes();
        cipher(&derive(
            "karez/1 part",
            &*self.0,
            &[&number, &place.record.random, &part],
        ))
    }
}

const EXPORT: &[u8] = b"karez/1 segment";
const RECORD_AAD: &[u8] = b"karez/1 record";
const CHUNK_AAD: &[u8] = b"karez/1 chunk";

pub(super) fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

pub(super) fn nonce(index: u32) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&index.to_le_bytes());
    bytes.into()
}

/// Hands out the stream that BLAKE3 makes of 32 random bytes: HPKE wants a generator, the core
/// is given bytes.
pub(super) struct Once(blake3::OutputReader);

impl Once {
    pub(super) fn new(random: [u8; 32]) -> Self {
        let random = Zeroizing::new(random);
        let mut hasher = blake3::Hasher::new_derive_key("karez/1 ephemeral");
        hasher.update(&*random);
        Self(hasher.finalize_xof())
    }
}

impl rand_core::TryRng for Once {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Once {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::HubSeed;

    fn names() -> SegmentNames {
        SegmentNames {
            sender: PeerId([1; 32]),
            receiver: PeerId([2; 32]),
            study: StudyId([3; 16]),
            segment: SegmentId([4; 16]),
        }
    }

    fn pair(names: &SegmentNames) -> (SegmentKey, SegmentKey) {
        let keys = HubSeed::new([5; 32]).keys(HubKeyId(0));
        let (ours, enc) = SegmentKey::open_new(names, &keys.newest(), [6; 32]).unwrap();
        let theirs = SegmentKey::recover(names, &keys, HubKeyId(0), &enc).unwrap();
        (ours, theirs)
    }

    #[test]
    fn the_hub_opens_what_the_clinic_sealed_and_only_in_its_place() {
        let (ours, theirs) = pair(&names());
        let record = RecordPlace {
            number: 3,
            random: [7; 8],
        };
        let sealed = ours.seal_record(record, b"body").unwrap();
        assert_eq!(theirs.open_record(record, &sealed).unwrap(), b"body");
        let elsewhere = RecordPlace {
            number: 4,
            ..record
        };
        assert_eq!(
            theirs.open_record(elsewhere, &sealed),
            Err(SealError::Broken)
        );
        let chunk = ChunkPlace {
            record,
            part: 1,
            index: 2,
        };
        let sealed = ours.seal_chunk(chunk, b"chunk").unwrap();
        assert_eq!(theirs.open_chunk(chunk, &sealed).unwrap(), b"chunk");
        assert!(
            theirs
                .open_chunk(ChunkPlace { index: 3, ..chunk }, &sealed)
                .is_err()
        );
        assert!(
            theirs
                .open_chunk(ChunkPlace { part: 2, ..chunk }, &sealed)
                .is_err()
        );
    }

    #[test]
    fn another_study_gives_another_key() {
        let keys = HubSeed::new([5; 32]).keys(HubKeyId(0));
        let (ours, enc) = SegmentKey::open_new(&names(), &keys.newest(), [6; 32]).unwrap();
        let other = SegmentNames {
            study: StudyId([9; 16]),
            ..names()
        };
        let theirs = SegmentKey::recover(&other, &keys, HubKeyId(0), &enc).unwrap();
        assert_ne!(*ours.expose_for_search(), *theirs.expose_for_search());
        let later = SegmentKey::recover(&names(), &keys, HubKeyId(1), &enc).unwrap();
        assert_ne!(*ours.expose_for_search(), *later.expose_for_search());
        let beyond = HubKeyId(crate::seal::HUB_KEYS_MAX);
        let unknown = SegmentKey::recover(&names(), &keys, beyond, &enc).err();
        assert_eq!(unknown, Some(SealError::UnknownHubKey(beyond.0)));
    }
}

//! Keys and what they close: identities that sign, segments that seal, ingest files that hide.
//!
//! Every key is wiped when dropped and has no `Debug`. Every derivation and every signature has
//! a context string of its own (SPEC 3).

mod desk;
mod hub;
mod identity;
mod ingest;
mod segment;

pub use desk::{DeskKey, DeskPublic};
pub use hub::{HUB_KEYS_MAX, HubKeys, HubPublic, HubSeed, SHEET_WORDS};
pub use identity::{ClinicKeys, Identity, Purpose, Signed, verify};
pub use ingest::{BLOCK_PLAIN, BLOCK_SEALED, FILE_HEADER, FileKey, IngestKey};
pub use segment::{ChunkPlace, RecordPlace, SegmentKey, SegmentNames};

use zeroize::Zeroizing;

/// A failure to open what was sealed or to accept what was signed. Says no more, so that it
/// cannot be used to ask questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The seal does not hold: another key, another place, or flipped bytes.
    #[error("a seal does not hold: wrong key or altered bytes")]
    Broken,
    /// The signature is not that of the expected key over these bytes.
    #[error("a signature does not hold: another signer or altered bytes")]
    Signature,
    /// A public key that is no key.
    #[error("a public key is malformed")]
    Key,
    /// Sealed with a hub key that this hub does not have.
    #[error(
        "sealed to hub key {0}, which this hub does not have: restore the hub from its recovery sheet"
    )]
    UnknownHubKey(u32),
}

impl SealError {
    /// Altered bytes stay altered; a missing hub key may come back with a recovery.
    #[must_use]
    pub const fn retry(self) -> crate::Retry {
        match self {
            Self::UnknownHubKey(_) => crate::Retry::Later,
            _ => crate::Retry::Never,
        }
    }
}

/// 32 bytes derived from `secret` for one purpose (BLAKE3 `derive_key`, then the length-prefixed
/// inputs).
fn derive(context: &str, secret: &[u8], inputs: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(secret);
    for input in inputs {
        hasher.update(&(input.len() as u64).to_le_bytes());
        hasher.update(input);
    }
    Zeroizing::new(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does not compile when the type has `Debug`: then two implementations would fit.
    macro_rules! has_no_debug {
        ($($key:ty),+) => {$({
            trait Ambiguous<A> {
                const NAME: &'static str = stringify!($key);
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct WithDebug;
            impl<T: ?Sized + std::fmt::Debug> Ambiguous<WithDebug> for T {}
            assert!(!<$key as Ambiguous<_>>::NAME.is_empty());
        })+};
    }

    #[test]
    fn no_key_can_be_printed() {
        has_no_debug!(
            HubSeed, HubKeys, Identity, ClinicKeys, SegmentKey, IngestKey, FileKey
        );
    }

    #[test]
    fn every_key_is_wiped_when_dropped() {
        const fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Zeroizing<[u8; 32]>>();
        wiped::<ed25519_dalek::SigningKey>();
        wiped::<crate::link::probe::ProbeKey>();
    }
}

//! Ingest and scratch files: encrypted from their first byte, readable at any block.
//!
//! A file is a header (the file's own random key, wrapped under the ingest key) and blocks of
//! [`BLOCK_PLAIN`] bytes, each sealed under the file key with its index as nonce and, as
//! associated data, whether it is the last, so that a cut file is told from a short one (SPEC 8).

use chacha20poly1305::aead::{Aead, Payload};
use zeroize::Zeroizing;

use super::segment::{cipher, nonce};
use super::{SealError, derive};

/// Plain bytes of one block.
pub const BLOCK_PLAIN: usize = 64 * 1024;
/// Sealed bytes of one full block.
pub const BLOCK_SEALED: usize = BLOCK_PLAIN + 16;
/// Bytes of the file header: 16 random, then the wrapped key.
pub const FILE_HEADER: usize = 16 + 32 + 16;

/// The clinic's key for what is accepted and not yet sealed to the hub.
pub struct IngestKey(Zeroizing<[u8; 32]>);

impl IngestKey {
    /// From its 32 bytes (a 0600 file or a systemd credential).
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new file's key and header, from 48 random bytes.
    ///
    /// # Errors
    /// None in practice: the cipher takes 32 bytes.
    pub fn new_file(&self, random: [u8; 48]) -> Result<(FileKey, [u8; FILE_HEADER]), SealError> {
        let random = Zeroizing::new(random);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&random[16..]);
        let wrapped = self
            .wrapper(&random[..16])
            .encrypt(
                &nonce(0),
                Payload {
                    msg: &*key,
                    aad: WRAP_AAD,
                },
            )
            .map_err(|_| SealError::Broken)?;
        let mut header = [0; FILE_HEADER];
        header[..16].copy_from_slice(&random[..16]);
        header[16..].copy_from_slice(&wrapped);
        Ok((FileKey(key), header))
    }

    /// The key of an existing file, from its header.
    ///
    /// # Errors
    /// [`SealError::Broken`] if the header was written under another ingest key.
    pub fn open_file(&self, header: &[u8; FILE_HEADER]) -> Result<FileKey, SealError> {
        let plain = self
            .wrapper(&header[..16])
            .decrypt(
                &nonce(0),
                Payload {
                    msg: &header[16..],
                    aad: WRAP_AAD,
                },
            )
            .map_err(|_| SealError::Broken)?;
        let plain = Zeroizing::new(plain);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&plain);
        Ok(FileKey(key))
    }

    fn wrapper(&self, salt: &[u8]) -> chacha20poly1305::ChaCha20Poly1305 {
        cipher(&derive("karez/1 ingest", &*self.0, &[salt]))
    }
}

/// One file's key.
pub struct FileKey(Zeroizing<[u8; 32]>);

impl FileKey {
    /// Seals block `index`.
    ///
    /// # Errors
    /// None in practice: blocks are far below the cipher's bound.
    pub fn seal_block(&self, index: u32, last: bool, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        cipher(&self.0)
            .encrypt(
                &nonce(index),
                Payload {
                    msg: plain,
                    aad: block_aad(last),
                },
            )
            .map_err(|_| SealError::Broken)
    }

    /// Opens block `index`.
    ///
    /// # Errors
    /// [`SealError::Broken`] for altered bytes, another place, or a cut file.
    pub fn open_block(&self, index: u32, last: bool, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        cipher(&self.0)
            .decrypt(
                &nonce(index),
                Payload {
                    msg: sealed,
                    aad: block_aad(last),
                },
            )
            .map_err(|_| SealError::Broken)
    }
}

const WRAP_AAD: &[u8] = b"karez/1 file key";

const fn block_aad(last: bool) -> &'static [u8] {
    if last {
        b"karez/1 last block"
    } else {
        b"karez/1 block"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_opens_under_its_ingest_key_alone_and_a_cut_one_is_noticed() {
        let ingest = IngestKey::new([1; 32]);
        let (file, header) = ingest.new_file([2; 48]).unwrap();
        let sealed = file.seal_block(0, false, b"pixels").unwrap();
        let again = ingest.open_file(&header).unwrap();
        assert_eq!(again.open_block(0, false, &sealed).unwrap(), b"pixels");
        assert!(
            again.open_block(0, true, &sealed).is_err(),
            "cut after the first block"
        );
        assert!(again.open_block(1, false, &sealed).is_err(), "moved");
        assert!(IngestKey::new([9; 32]).open_file(&header).is_err());
    }
}

//! An encrypted ingest file, read at any place.

use std::cell::RefCell;
use std::io;

use karez_imaging::ByteSource;
use karez_protocol::seal::{BLOCK_PLAIN, BLOCK_SEALED, FILE_HEADER, FileKey, IngestKey};
use karez_store::{Blob, Blobs};

/// The plain bytes of one ingest file. Keeps one decrypted block.
pub(crate) struct IngestFile {
    blob: Blob,
    key: FileKey,
    length: u64,
    blocks: u32,
    block: RefCell<Option<(u32, Vec<u8>)>>,
}

impl IngestFile {
    /// Opens a file that was written whole.
    pub(crate) fn open(blobs: &Blobs, name: &str, ingest: &IngestKey) -> io::Result<Self> {
        let blob = blobs.get(name).map_err(|e| failed(&e))?;
        let mut header = [0; FILE_HEADER];
        blob.read_at(0, &mut header).map_err(|e| failed(&e))?;
        let key = ingest.open_file(&header).map_err(|e| broken(&e))?;
        let sealed = blob.len() - FILE_HEADER as u64;
        let blocks = sealed.div_ceil(BLOCK_SEALED as u64);
        let blocks = u32::try_from(blocks).map_err(|e| broken(&e))?;
        let overhead = u64::from(blocks) * (BLOCK_SEALED - BLOCK_PLAIN) as u64;
        let length = sealed
            .checked_sub(overhead)
            .ok_or_else(|| broken(&"cut short"))?;
        Ok(Self {
            blob,
            key,
            length,
            blocks,
            block: RefCell::new(None),
        })
    }

    /// What was sealed beside the file under its key.
    pub(crate) fn open_beside(&self, block: u32, sealed: &[u8]) -> io::Result<Vec<u8>> {
        self.key
            .open_block(block, false, sealed)
            .map_err(|e| broken(&e))
    }

    fn load(&self, index: u32) -> io::Result<Vec<u8>> {
        let last = index + 1 == self.blocks;
        let at = FILE_HEADER as u64 + u64::from(index) * BLOCK_SEALED as u64;
        let length = (self.blob.len() - at).min(BLOCK_SEALED as u64);
        let mut sealed = vec![0; length as usize];
        self.blob.read_at(at, &mut sealed).map_err(|e| failed(&e))?;
        self.key
            .open_block(index, last, &sealed)
            .map_err(|e| broken(&e))
    }

    /// Copies from one block into `out`; how much.
    fn copy(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let index = (offset / BLOCK_PLAIN as u64) as u32;
        let within = (offset % BLOCK_PLAIN as u64) as usize;
        let mut held = self.block.borrow_mut();
        if held.as_ref().is_none_or(|(known, _)| *known != index) {
            *held = Some((index, self.load(index)?));
        }
        let plain = held.as_ref().and_then(|(_, plain)| plain.get(within..));
        let plain = plain.ok_or(io::ErrorKind::UnexpectedEof)?;
        let count = plain.len().min(out.len());
        out[..count].copy_from_slice(&plain[..count]);
        Ok(count)
    }
}

impl ByteSource for IngestFile {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < buf.len() {
            done += self.copy(offset + done as u64, &mut buf[done..])?;
        }
        Ok(())
    }
}

/// A failing disk may do better later; what is not there, or has another form, will not.
fn failed(error: &karez_store::Error) -> io::Error {
    let kind = match error {
        karez_store::Error::Io { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}

fn broken(cause: &impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause.to_string())
}

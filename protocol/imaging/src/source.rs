use std::io;

/// Random access to the bytes of one instance: a decrypting ingest file, a slice.
pub trait ByteSource {
    /// Length in bytes. It must not change while the source is in use.
    fn len(&self) -> u64;

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// Any I/O error; `UnexpectedEof` when the range reaches beyond [`len`](Self::len).
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Whether there is not one byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ByteSource for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let beyond = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let start = usize::try_from(offset).map_err(|_| beyond())?;
        let end = start.checked_add(buf.len()).ok_or_else(beyond)?;
        buf.copy_from_slice(self.get(start..end).ok_or_else(beyond)?);
        Ok(())
    }
}

impl ByteSource for Vec<u8> {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buf)
    }
}

impl<T: ByteSource + ?Sized> ByteSource for &T {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buf)
    }
}

/// The bytes `start..start + len` of a source.
pub(crate) fn read_range(source: &dyn ByteSource, start: u64, len: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut bytes = vec![0; len];
    source.read_at(start, &mut bytes)?;
    Ok(bytes)
}

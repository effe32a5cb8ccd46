//! The bytes of packs and journals. `FORMAT.md` draws them.

use std::fmt;

use crate::limits::{MAX_NUMBER, MAX_PAYLOAD};

/// The only format there is so far.
pub(crate) const VERSION: u32 = 1;
/// Length of a preamble block; a file starts with two equal ones.
pub(crate) const BLOCK: u64 = 4096;
/// Where entries start.
pub(crate) const FIRST: u64 = 2 * BLOCK;
/// Length of a file header within its block.
pub(crate) const FILE_HEADER: usize = 128;
/// Length of an entry's header.
pub(crate) const HEADER: usize = 64;
/// Entries start at multiples of this.
pub(crate) const ALIGN: u64 = 8;
/// Eight bytes that mean nothing: laid over what a crash tore.
pub(crate) const FILLER: [u8; 8] = *b"kzfiller";

const FILE_MAGIC: &[u8; 8] = b"karezlog";
const MAGIC: &[u8; 4] = b"kzen";
const ENTRY_VERSION: u8 = 1;

/// What an entry of a pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A sealed record.
    Record,
    /// A sealed chunk.
    Chunk,
    /// Something small that the owner of the store defines: links, revisions, receipts.
    Note(u8),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => write!(f, "record"),
            Self::Chunk => write!(f, "chunk"),
            Self::Note(tag) => write!(f, "note {tag}"),
        }
    }
}

/// What an entry of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Head,
    Entry(Kind),
    Journal,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Pack,
    Journal,
}

/// The start of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) purpose: Purpose,
    /// The segment, or the first half of the BLAKE3 of the journal's name.
    pub(crate) id: [u8; 16],
    /// Counts up each time that the file is written anew.
    pub(crate) generation: u64,
    /// A journal's first position.
    pub(crate) base: u64,
    /// Unknown to peers, so that no payload can pass for an entry.
    pub(crate) salt: [u8; 16],
}

/// Ties entries to their file: BLAKE3-derived from the file header.
#[derive(Clone)]
pub(crate) struct FileKey([u8; 32]);

/// An entry's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) class: Class,
    pub(crate) number: u64,
    pub(crate) length: u32,
    /// How many bytes before this entry were not known durable when it was written.
    pub(crate) unsynced: u32,
    pub(crate) hash: [u8; 32],
}

/// What stands where a header should.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<T> {
    Good(T),
    /// Sound, of a format that this program does not know.
    Newer(u32),
    Bad,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER] {
        let mut out = [0; FILE_HEADER];
        out[..8].copy_from_slice(FILE_MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12] = match self.purpose {
            Purpose::Pack => 0,
            Purpose::Journal => 1,
        };
        out[16..32].copy_from_slice(&self.id);
        out[32..40].copy_from_slice(&self.generation.to_le_bytes());
        out[40..48].copy_from_slice(&self.base.to_le_bytes());
        out[48..64].copy_from_slice(&self.salt);
        let check = blake3::hash(&out[..64]);
        out[64..72].copy_from_slice(&check.as_bytes()[..8]);
        out
    }

    pub(crate) fn parse(bytes: &[u8; FILE_HEADER]) -> Parsed<Self> {
        let version = u32_at(bytes, 8);
        if &bytes[..8] != FILE_MAGIC || version == 0 {
            return Parsed::Bad;
        }
        if version > VERSION {
            return Parsed::Newer(version);
        }
        let purpose = match bytes[12] {
            0 => Purpose::Pack,
            1 => Purpose::Journal,
            _ => return Parsed::Bad,
        };
        let header = Self {
            purpose,
            id: array_at(bytes, 16),
            generation: u64_at(bytes, 32),
            base: u64_at(bytes, 40),
            salt: array_at(bytes, 48),
        };
        if header.encode() == *bytes {
            Parsed::Good(header)
        } else {
            Parsed::Bad
        }
    }

    pub(crate) fn key(&self) -> FileKey {
        FileKey(blake3::derive_key("karez/1 store file", &self.encode()))
    }
}

impl FileKey {
    fn check(&self, offset: u64, header: &[u8]) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&offset.to_le_bytes()).update(header);
        array_at(hasher.finalize().as_bytes(), 0)
    }
}

impl Entry {
    /// The header of a payload that is not longer than the limit.
    pub(crate) fn of(class: Class, number: u64, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        Self {
            class,
            number,
            length,
            unsynced: 0,
            hash: *blake3::hash(payload).as_bytes(),
        }
    }

    /// Bytes on disk: header, payload, padding.
    pub(crate) fn span(&self) -> u64 {
        span(self.length)
    }

    pub(crate) fn encode(&self, key: &FileKey, offset: u64) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..4].copy_from_slice(MAGIC);
        out[4] = ENTRY_VERSION;
        (out[5], out[6]) = match self.class {
            Class::Head => (0, 0),
            Class::Entry(Kind::Record) => (1, 0),
            Class::Entry(Kind::Chunk) => (2, 0),
            Class::Entry(Kind::Note(tag)) => (3, tag),
            Class::Journal => (4, 0),
        };
        out[8..16].copy_from_slice(&self.number.to_le_bytes());
        out[16..20].copy_from_slice(&self.length.to_le_bytes());
        out[20..24].copy_from_slice(&self.unsynced.to_le_bytes());
        out[24..56].copy_from_slice(&self.hash);
        let check = key.check(offset, &out[..56]);
        out[56..].copy_from_slice(&check);
        out
    }

    pub(crate) fn parse(bytes: &[u8], key: &FileKey, offset: u64) -> Parsed<Self> {
        if bytes.len() != HEADER
            || &bytes[..4] != MAGIC
            || key.check(offset, &bytes[..56]) != bytes[56..]
        {
            return Parsed::Bad;
        }
        let class = match (bytes[4], bytes[5], bytes[6]) {
            (ENTRY_VERSION, 0, 0) => Class::Head,
            (ENTRY_VERSION, 1, 0) => Class::Entry(Kind::Record),
            (ENTRY_VERSION, 2, 0) => Class::Entry(Kind::Chunk),
            (ENTRY_VERSION, 3, tag) => Class::Entry(Kind::Note(tag)),
            (ENTRY_VERSION, 4, 0) => Class::Journal,
            (version, ..) => return Parsed::Newer(u32::from(version.max(ENTRY_VERSION + 1))),
        };
        let (number, length) = (u64_at(bytes, 8), u32_at(bytes, 16));
        if length as usize > MAX_PAYLOAD || number > MAX_NUMBER {
            return Parsed::Bad;
        }
        Parsed::Good(Self {
            class,
            number,
            length,
            unsynced: u32_at(bytes, 20),
            hash: array_at(bytes, 24),
        })
    }

    /// Whether these are the bytes that were stored.
    pub(crate) fn holds(&self, payload: &[u8]) -> bool {
        blake3::hash(payload).as_bytes() == &self.hash
    }
}

/// Bytes on disk of an entry with a payload of this length.
pub(crate) fn span(length: u32) -> u64 {
    (HEADER as u64 + u64::from(length)).next_multiple_of(ALIGN)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// The `N` bytes at `at`; the caller's layout constants keep it in range.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FileHeader {
        FileHeader {
            purpose: Purpose::Pack,
            id: [7; 16],
            generation: 3,
            base: 9,
            salt: [1; 16],
        }
    }

    #[test]
    fn a_file_header_reads_back_and_no_flipped_bit_passes() {
        let bytes = header().encode();
        assert_eq!(FileHeader::parse(&bytes), Parsed::Good(header()));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(FileHeader::parse(&bad), Parsed::Good(_)),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn an_entry_belongs_to_its_file_and_its_place() {
        let key = header().key();
        let entry = Entry::of(Class::Entry(Kind::Note(200)), 1 << 40, b"hello");
        let bytes = entry.encode(&key, 8192);
        assert_eq!(
            Entry::parse(&bytes, &key, 8192),
            Parsed::Good(entry.clone())
        );
        assert_eq!(Entry::parse(&bytes, &key, 8200), Parsed::Bad);
        let other = FileHeader {
            generation: 4,
            ..header()
        }
        .key();
        assert_eq!(Entry::parse(&bytes, &other, 8192), Parsed::Bad);
        assert!(entry.holds(b"hello") && !entry.holds(b"hellO"));
        assert_eq!(entry.span(), 72);
    }

    #[test]
    fn a_later_version_is_named_and_not_taken_for_damage() {
        let mut bytes = header().encode();
        bytes[8] = 9;
        assert_eq!(FileHeader::parse(&bytes), Parsed::Newer(9));
        let key = header().key();
        let mut entry = Entry::of(Class::Journal, 0, b"").encode(&key, 0);
        entry[5] = 77;
        let check = key.check(0, &entry[..56]);
        entry[56..].copy_from_slice(&check);
        assert_eq!(Entry::parse(&entry, &key, 0), Parsed::Newer(2));
    }
}

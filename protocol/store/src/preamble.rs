//! The start of every file: header and head, written twice in blocks of their own, so that one
//! bad sector does not take a whole segment with it.

use std::io;

use crate::disk::File;
use crate::format::{
    BLOCK, Class, Entry, FILE_HEADER, FileHeader, HEADER, Parsed, Purpose, VERSION,
};
use crate::limits::MAX_HEAD;

/// What a file starts with.
pub(crate) struct Preamble {
    pub(crate) header: FileHeader,
    pub(crate) head: Vec<u8>,
    /// One of the two blocks was bad and was written again.
    pub(crate) repaired: bool,
}

/// Why a preamble does not read.
pub(crate) enum Unreadable {
    Io(io::Error),
    Newer { found: u32, known: u32 },
    Damaged,
}

/// Both blocks, as they stand at the start of a file.
pub(crate) fn encode(header: &FileHeader, head: &[u8]) -> Vec<u8> {
    let mut bytes = block(header, head, 0);
    bytes.extend(block(header, head, BLOCK));
    bytes
}

/// Reads both blocks and mends one from the other.
pub(crate) fn read(
    file: &dyn File,
    purpose: Purpose,
    id: [u8; 16],
) -> Result<Preamble, Unreadable> {
    let blocks = [0, BLOCK].map(|at| read_block(file, at));
    let (header, head, bad) = match blocks {
        [Parsed::Good((header, head)), Parsed::Good(_)] => (header, head, None),
        [Parsed::Good((header, head)), _] => (header, head, Some(BLOCK)),
        [_, Parsed::Good((header, head))] => (header, head, Some(0)),
        [Parsed::Newer(found), _] | [_, Parsed::Newer(found)] => {
            return Err(Unreadable::Newer {
                found,
                known: VERSION,
            });
        }
        [Parsed::Bad, Parsed::Bad] => {
            // Tell a dead disk from a dead file.
            let mut byte = [0];
            file.read_at(0, &mut byte).map_err(Unreadable::Io)?;
            return Err(Unreadable::Damaged);
        }
    };
    if (header.purpose, header.id) != (purpose, id) {
        return Err(Unreadable::Damaged);
    }
    if let Some(at) = bad {
        let mend = file
            .write_at(at, &block(&header, &head, at))
            .and_then(|()| file.sync());
        mend.map_err(Unreadable::Io)?;
    }
    Ok(Preamble {
        header,
        head,
        repaired: bad.is_some(),
    })
}

fn block(header: &FileHeader, head: &[u8], at: u64) -> Vec<u8> {
    let entry = Entry::of(Class::Head, 0, head);
    let mut bytes = header.encode().to_vec();
    bytes.extend(entry.encode(&header.key(), at + FILE_HEADER as u64));
    bytes.extend(head);
    bytes.resize(BLOCK as usize, 0);
    bytes
}

fn read_block(file: &dyn File, at: u64) -> Parsed<(FileHeader, Vec<u8>)> {
    let mut bytes = [0; BLOCK as usize];
    if file.read_at(at, &mut bytes).is_err() {
        return Parsed::Bad;
    }
    let header = match FileHeader::parse(&crate::format::array_at(&bytes, 0)) {
        Parsed::Good(header) => header,
        Parsed::Newer(version) => return Parsed::Newer(version),
        Parsed::Bad => return Parsed::Bad,
    };
    let (head_at, payload_at) = (FILE_HEADER, FILE_HEADER + HEADER);
    let place = at + head_at as u64;
    let entry = match Entry::parse(&bytes[head_at..payload_at], &header.key(), place) {
        Parsed::Good(entry) if entry.class == Class::Head => entry,
        _ => return Parsed::Bad,
    };
    let length = entry.length as usize;
    if length > MAX_HEAD || !entry.holds(&bytes[payload_at..payload_at + length]) {
        return Parsed::Bad;
    }
    Parsed::Good((header, bytes[payload_at..payload_at + length].to_vec()))
}

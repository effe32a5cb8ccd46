//! Bounds on everything that a peer's bytes can make us hold.

/// Largest PDU read, in bytes without its 6-byte header. Above what we announce, because a device that
/// overshoots still carries a patient's image.
pub const PDU_READ: usize = 1 << 20;
/// The maximum PDU length that we announce (PS3.8 D.1), bytes.
pub const PDU_ANNOUNCED: u32 = 131_072;
/// Largest PDU that we write, whatever the peer would take, bytes.
pub const PDU_WRITTEN: u32 = 131_072;
/// Smallest maximum PDU length of a peer that we work with, bytes.
pub const PDU_FLOOR: u32 = 64;
/// Presentation contexts in one association: their ids are odd, 1 to 255 (PS3.8 9.3.2.2).
pub const CONTEXTS: usize = 128;
/// Largest command set, bytes.
pub const COMMAND: usize = 16 << 10;
/// Largest C-FIND identifier, bytes.
pub const IDENTIFIER: usize = 64 << 10;
/// Largest data set of a storage commitment, bytes.
pub const COMMITMENT: usize = 4 << 20;
/// Instances that one storage commitment may name.
pub const REFERENCES: usize = 20_000;
/// All identifiers that one C-FIND may return, bytes.
pub const MATCHES: usize = 8 << 20;
/// Responses that one C-FIND may return.
pub const MATCH_COUNT: usize = 100_000;
/// Largest file meta group, preamble included, bytes.
pub const META: usize = 1 << 20;
/// How much is read from the socket at a time, bytes.
pub(crate) const READ_STEP: usize = 64 << 10;

const _: () = assert!(PDU_ANNOUNCED as usize <= PDU_READ);
const _: () = assert!(IDENTIFIER <= MATCHES);
const _: () = assert!(PDU_FLOOR > 12 && PDU_FLOOR < PDU_WRITTEN);

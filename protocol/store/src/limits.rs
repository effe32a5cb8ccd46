//! Bounds of everything the store holds or believes (ARCHITECTURE I8).

/// Longest payload of an entry, in a pack or a journal, in bytes.
pub const MAX_PAYLOAD: usize = karez_protocol::limits::ENTRY_MAX;

/// Longest head of a segment, in bytes: a preamble block holds it beside its headers.
pub const MAX_HEAD: usize = 2048;

/// Highest number of an entry: one less than all, so that a range's end fits too.
pub const MAX_NUMBER: u64 = u64::MAX - 1;

/// Bytes that may be written and not yet synced; the append that would pass it commits first.
pub const MAX_UNCOMMITTED: u64 = 8 * 1024 * 1024;

/// Proofs that may wait for [`crate::Store::commit`] to hand them out.
pub const MAX_UNCOLLECTED: usize = 1 << 18;

/// Open file handles.
pub const HANDLES: usize = 64;

/// Files that may be dirty at once: their handles stay open.
pub(crate) const MAX_DIRTY: usize = HANDLES - 8;

/// Bytes of a pack that an index file may lag behind.
pub(crate) const INDEX_LAG: u64 = 8 * 1024 * 1024;

/// Longest index file that is believed, in bytes.
pub(crate) const MAX_INDEX: u64 = 64 * 1024 * 1024;

/// What a crash can tear at most: the uncommitted bytes and the entry that went over.
pub(crate) const MAX_TORN: u64 = MAX_UNCOMMITTED + 2 * MAX_PAYLOAD as u64;

/// Longest name of a journal or a blob.
pub(crate) const MAX_NAME: usize = 64;

const _: () = assert!(
    MAX_TORN < u32::MAX as u64,
    "the distance to the durable mark is a u32"
);
const _: () = assert!(karez_protocol::limits::HEAD_MAX <= MAX_HEAD);
const _: () = assert!(MAX_HEAD + 192 <= crate::format::BLOCK as usize);
const _: () = assert!(MAX_DIRTY < HANDLES);

//! Every bound of the protocol in one place (ARCHITECTURE I8), with the relations between them.

use std::time::Duration;

/// Plain bytes of one chunk.
pub const CHUNK_PLAIN_MAX: usize = 32 * 1024;
/// What ChaCha20-Poly1305 adds to what it seals (RFC 8439).
pub const SEAL_OVERHEAD: usize = 16;
/// Sealed bytes of one chunk.
pub const CHUNK_SEALED_MAX: usize = CHUNK_PLAIN_MAX + SEAL_OVERHEAD;
/// A record as it is stored and sent: clear random bytes, then the sealed body.
pub const RECORD_SEALED_MAX: usize = 16 * 1024;
/// A head that packs into no more than this stands in its record; a larger one is chunked.
pub const HEAD_INLINE_MAX: usize = 8 * 1024;
/// Packed bytes of one part.
pub const PART_PACKED_MAX: usize = 4 * 1024 * 1024;
/// Raw bytes of one part.
pub const PART_RAW_MAX: usize = 32 * 1024 * 1024;
/// Chunks of one part.
pub const PART_CHUNKS_MAX: usize = PART_PACKED_MAX.div_ceil(CHUNK_PLAIN_MAX);
/// Parts that one record describes.
pub const RECORD_PARTS_MAX: usize = 64;
/// References of one part to earlier ones.
pub const PART_REFS_MAX: usize = 16;
/// How far back, in instances, a reference may reach.
pub const REF_REACH: usize = 16;
/// Records of one segment.
pub const SEGMENT_RECORDS_MAX: u64 = 1 << 20;
/// Chunks of one segment: 2 TiB of packed bytes.
pub const SEGMENT_CHUNKS_MAX: u64 = 1 << 26;
/// A signed segment head.
pub const HEAD_MAX: usize = 512;
/// A frame, without its length prefix.
pub const FRAME_MAX: usize = 64 * 1024;
/// Runs in one have-set frame, so that it fits one datagram.
pub const HAVE_RUNS_MAX: usize = 64;
/// Segments named by one `Ask` frame.
pub const ASK_SEGMENTS_MAX: usize = 48;
/// Segments and runs that one receipt, revision or `Gone` names.
pub const NAMED_SEGMENTS_MAX: usize = 64;
/// Runs per segment in a signed statement.
pub const NAMED_RUNS_MAX: usize = 256;
/// Bytes of a reason, an agent name, a clinic name.
pub const TEXT_MAX: usize = 200;
/// Records that one clinic may have at the hub without all their chunks, so that the table of
/// expected chunk ids is bounded: 4,096 records of 16 KiB.
pub const OPEN_RECORDS_MAX: usize = 4096;
/// Runs of records of one segment that a clinic may declare lost at source.
pub const GONE_RUNS_MAX: usize = 1024;
/// Studies whose class is remembered at a hub though nothing of them is there.
pub const STRANGE_CLASSES_MAX: usize = 4096;
/// Records that a source announces ahead of its chunks, per study.
pub const RECORDS_AHEAD: usize = 256;
/// Segments that a sink keeps open per clinic.
pub const OPEN_SEGMENTS_MAX: usize = 65_536;
/// Payload bytes of one stored entry.
pub const ENTRY_MAX: usize = 64 * 1024;
/// How often a sink says what it holds while data flows.
pub const HAVE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a source waits for word about chunks that an earlier connection may have delivered.
pub const DOUBT_WAIT: Duration = Duration::from_secs(4);
/// A waiting study rises by one class after this long, never above URGENT.
pub const AGEING_STEP: Duration = Duration::from_secs(24 * 3600);
/// How long records that describe nothing but repeats wait for others of their kind, so that they
/// share packets, answers and receipts; never those of a STAT study.
pub const LINGER: Duration = Duration::from_secs(1);
/// With so many, they wait no longer.
pub const LINGER_RECORDS: usize = 16;
/// How often a source asks again for word about what it still owes.
pub const ASK_INTERVAL: Duration = Duration::from_secs(60);
/// The longest pause between two such questions once all has arrived and only the archive is waited
/// for: behind a NAT that has forgotten us each costs 4 kB. The pause grows by a fifth each time.
pub const ASK_INTERVAL_MAX: Duration = Duration::from_secs(1800);

const _: () = assert!(RECORD_SEALED_MAX + 128 < FRAME_MAX);
const _: () = assert!(CHUNK_SEALED_MAX + 128 < FRAME_MAX);
const _: () = assert!(FRAME_MAX <= ENTRY_MAX);
const _: () = assert!(HEAD_INLINE_MAX + PART_CHUNKS_MAX * 32 + 512 < RECORD_SEALED_MAX);
const _: () = assert!(RECORDS_AHEAD < OPEN_RECORDS_MAX);

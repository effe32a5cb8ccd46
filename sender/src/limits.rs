//! Bounds of the sender's own queues and tables (ARCHITECTURE I8).

use std::time::Duration;

/// Commands that may wait for the engine.
pub(crate) const COMMANDS: usize = 64;
/// Frames taken from the connection before the engine commits.
pub(crate) const FRAMES_PER_TURN: usize = 256;
/// Frames given to the connection before the engine looks at its other work.
pub(crate) const TRANSMITS_PER_TURN: usize = 64;
/// Studies and sources whose accepted instances wait to be counted in the audit log.
pub(crate) const AUDIT_COUNTS: usize = 256;
/// Heads of the hub's audit chain that are shown, the newest.
pub(crate) const AUDIT_WITNESSES: usize = 100_000;
/// Bytes that one step of the scrub reads at most.
pub(crate) const SCRUB_STEP: u64 = 1 << 20;
/// How long after a start the scrub begins.
pub(crate) const SCRUB_FIRST: Duration = Duration::from_secs(600);
/// Bytes that one step of `verify` reads.
pub(crate) const VERIFY_STEP: u64 = 8 << 20;
/// Jobs that pack and seal at once, on a machine with as many cores: each holds up to 45 MiB.
pub(crate) const PACKERS: usize = 4;
/// Instances of one study that are packed one after the other, each on top of the one before:
/// another core takes only what lies beyond a whole group of them.
pub(crate) const GROUP: usize = karez_imaging::CHAIN_MAX;
/// Sealed bytes after which a packing job gives what it has.
pub(crate) const STEP_BYTES: usize = 1024 * 1024;
/// Segments whose key is held at once; the one that was idle longest is closed for another.
pub(crate) const OPEN_SEGMENTS: usize = 32;
/// Idle ones of these that keep what the next instance can build on.
pub(crate) const WARM_SEGMENTS: usize = 4;
/// Records after which a segment is closed for another.
pub(crate) const SEGMENT_RECORDS: u64 = 1 << 18;
/// Times that an instance is packed again after its job was lost, before it is parked.
pub(crate) const PACK_TRIES: u32 = 3;
/// Tags of one generation; two generations are kept.
pub(crate) const TAGS: usize = 1 << 17;
/// Tags in one journal entry.
pub(crate) const TAGS_PER_ENTRY: usize = 2048;
/// Bytes of an instance's beginning that are looked at while it comes in.
pub(crate) const PEEK: usize = 512 * 1024;
/// Plain bytes that an intake gathers before it seals and writes them.
pub(crate) const INTAKE_BATCH: usize = 8 * karez_protocol::seal::BLOCK_PLAIN;
/// Longest instance, by the counter of its encrypted blocks (it stops short of the block number
/// that seals the fingerprint): 256 TiB.
pub(crate) const BLOCKS_MAX: u32 = u32::MAX - 1;
/// How long the engine waits before it tries a failing disk again.
pub(crate) const DISK_RETRY: Duration = Duration::from_secs(2);
/// How often the engine looks at space and totals.
pub(crate) const TICK: Duration = Duration::from_secs(15);
/// IP bytes sent after which the costs are written down, at most every two seconds: what a kill
/// loses of them.
pub(crate) const COSTS_STEP: u64 = 256 * 1024;
/// Entries that a journal may have beyond the live ones before it is written anew.
pub(crate) const JOURNAL_SLACK: usize = 1024;
/// Segments evicted in one turn.
pub(crate) const EVICT_PER_TURN: usize = 16;
/// Chunks sent whose arrival is awaited for the accounts; beyond it the oldest are not counted.
pub(crate) const SENT_TRACKED: usize = 1 << 18;
/// Bytes of the file that says which hub this clinic belongs to.
pub(crate) const HUB_FILE: usize = 8 * 1024;
/// Wait between two attempts to enrol.
pub(crate) const JOIN_RETRY: Duration = Duration::from_secs(15);
/// Wait after the hub has refused an invitation.
pub(crate) const JOIN_REFUSED: Duration = Duration::from_secs(300);
/// How long an enrolment may take once the connection stands.
pub(crate) const JOIN_ANSWER: Duration = Duration::from_secs(20);
/// Wait before the port for scanners is opened again.
pub(crate) const LISTEN_RETRY: Duration = Duration::from_secs(5);
/// Most associations that can be configured.
pub(crate) const ASSOCIATIONS_MAX: u32 = 256;
/// Connections beyond the configured ones that are still told to come later.
pub(crate) const ASSOCIATIONS_TURNED_AWAY: usize = 8;
/// Bytes of a data set's beginning that are looked at before any of it is kept.
pub(crate) const SCANNER_PEEK: usize = 64 * 1024;
/// Scanners shown: of more, those that sent nothing are forgotten first.
pub(crate) const SCANNERS_SEEN: usize = 256;
/// Scanners that can be allowed by command.
pub(crate) const SCANNERS_ALLOWED: usize = 1024;
/// Bytes of the file of allowed scanners.
pub(crate) const SCANNERS_FILE: usize = 64 * 1024;
/// Files of a watched folder that are looked at.
pub(crate) const WATCHED_FILES: usize = 1 << 20;
/// Folders one in another below a watched one.
pub(crate) const WATCHED_DEPTH: usize = 32;
/// Files remembered as taken; beyond it no more are.
pub(crate) const MARKS: usize = 1 << 20;
/// Files remembered beyond those that are there, before the others are forgotten.
pub(crate) const MARKS_SLACK: usize = 1 << 16;
/// Marks in one journal entry.
pub(crate) const MARKS_PER_ENTRY: usize = 2048;
/// Bytes of a watched file that are read at a time.
pub(crate) const WATCH_READ: usize = INTAKE_BATCH;
/// How many times the quiet time a file waits that ends too early.
pub(crate) const CUT_PATIENCE: u32 = 12;
/// Wait before a file that could not be taken, or put away, is tried again.
pub(crate) const WATCH_RETRY: Duration = Duration::from_secs(30);
/// How long a stopping sender waits for a watched folder that does not answer.
pub(crate) const WATCH_STOP: Duration = Duration::from_secs(2);

/// Requests for storage commitment that wait at once.
pub(crate) const COMMITMENTS: usize = 2048;
/// Images that these may name together: some 25 MB.
pub(crate) const COMMITMENT_REFERENCES: usize = 200_000;
/// References in one journal entry, at most 150 bytes each.
pub(crate) const COMMITMENT_PIECE: usize = 400;
/// Names remembered of images that were released and removed.
pub(crate) const PAST_NAMES: usize = 1 << 18;
/// Names in one journal entry.
pub(crate) const PAST_PER_ENTRY: usize = 2048;
/// Wait before a scanner that could not be told is tried again; doubled each time.
pub(crate) const REPORT_PAUSE: Duration = Duration::from_secs(10);
/// The longest such wait.
pub(crate) const REPORT_PAUSE_MAX: Duration = Duration::from_secs(3600);

const _: () = assert!(COMMITMENT_PIECE * 150 < karez_protocol::limits::ENTRY_MAX - 512);
const _: () = assert!(PAST_PER_ENTRY * 16 < karez_protocol::limits::ENTRY_MAX);
const _: () = assert!(SCANNERS_ALLOWED * 40 < SCANNERS_FILE);
const _: () = assert!(MARKS_SLACK < MARKS && WATCHED_FILES <= MARKS);
const _: () = assert!(TAGS_PER_ENTRY * 16 < karez_protocol::limits::FRAME_MAX);
/// A connection without an acknowledgement for so long is shown as not connected.
pub(crate) const SILENT: Duration = Duration::from_secs(30);
/// Studies whose names are opened for one look at the page: a millisecond each ten.
pub(crate) const NAMES_SHOWN: usize = 2000;

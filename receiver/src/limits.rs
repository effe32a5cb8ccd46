//! Every bound of this crate (ARCHITECTURE I8).

use std::time::Duration;

/// Messages that may wait for the engine.
pub(crate) const INBOX: usize = 64;
/// Messages that the engine takes before it does something else.
pub(crate) const MESSAGES_A_TURN: usize = 64;
/// Frames that the engine takes from all connections before it syncs: at most 4 MiB.
pub(crate) const FRAMES_A_TURN: usize = 64;
/// How long a receipt waits for others of its study.
pub(crate) const RECEIPT_WAIT: Duration = Duration::from_secs(2);
/// How long after a receipt the next one of its segment waits at least, so that instances that
/// come one by one share receipts.
pub(crate) const RECEIPT_REST: Duration = Duration::from_secs(1);
/// Instances that are worth a receipt at once.
pub(crate) const RECEIPT_INSTANCES: u64 = 64;
/// Runs of records that one receipt names.
pub(crate) const RECEIPT_RUNS: usize = 200;
/// How often a full disk is looked at again.
pub(crate) const FULL_CHECK: Duration = Duration::from_secs(2);
/// The longest pause after a disk that said full again at once.
pub(crate) const FULL_CHECK_MAX: Duration = Duration::from_secs(60);
/// How often the room on the disk is measured while it fills.
pub(crate) const SPACE_CHECK: Duration = Duration::from_secs(1);
/// How often it is looked for stored studies whose time here is over.
pub(crate) const EVICT_CHECK: Duration = Duration::from_secs(600);
/// How often while room is wanted.
pub(crate) const EVICT_SOON: Duration = Duration::from_secs(10);
/// Segments that are removed before something else is done.
pub(crate) const EVICT_A_TURN: usize = 4;
/// `store.evict_below` is at most this share of the disk: a tenth.
pub(crate) const EVICT_SHARE: u64 = 10;
/// The reserve is at most this share of the disk: a twentieth.
pub(crate) const RESERVE_SHARE: u64 = 20;
/// The first pause after a target did not take an object, and the longest: so short that it has
/// the newest STAT study within ten seconds of coming back.
pub(crate) const TARGET_PAUSE: (Duration, Duration) =
    (Duration::from_secs(2), Duration::from_secs(8));
/// The longest pause of one that had to be sent an object to say that it takes none.
pub(crate) const FULL_PAUSE: Duration = Duration::from_secs(300);
/// An instance up to this long is kept in memory between proof and hand-off.
pub(crate) const SMALL_INSTANCE: u64 = 8 << 20;
/// The second worker takes instances up to this long, so that a huge one never delays all others.
pub(crate) const EXPRESS_INSTANCE: u64 = 64 << 20;
/// Links that are followed from one repeated part to the next.
pub(crate) const LINK_DEPTH: usize = 64;
/// Bytes that are read back at once.
pub(crate) const READ_BACK: usize = 4 << 20;
/// How long an enrolling clinic may take to ask.
pub(crate) const JOIN_WAIT: Duration = Duration::from_secs(30);
/// How long a closing end waits for its last words to arrive.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);
/// A connection that acknowledges nothing for so long after another process of its clinic came
/// is closed.
pub(crate) const STALE: Duration = Duration::from_secs(20);
/// How long a connection has to acknowledge something after another process of its clinic came.
pub(crate) const DOUBT: Duration = Duration::from_secs(3);
/// How long after their last words twins are shown.
pub(crate) const TWIN_SHOWN: Duration = Duration::from_secs(24 * 3600);
/// A connection without an acknowledgement for so long is shown as not connected.
pub(crate) const SILENT: Duration = Duration::from_secs(30);
/// How often an instance that lacks parts of another one is tried again.
pub(crate) const LACK_RETRY: Duration = Duration::from_secs(60);
/// How long a starting daemon waits for another process to let the directory go.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Bytes that the journal of classes may have beyond what is needed, and of one entry in it.
pub(crate) const CLASSES_SLACK: u64 = 4 << 20;
pub(crate) const CLASS_ENTRY: u64 = 256;
/// Bytes that one step of the scrub reads at most.
pub(crate) const SCRUB_STEP: u64 = 1 << 20;
/// How long after a start the scrub begins.
pub(crate) const SCRUB_FIRST: Duration = Duration::from_secs(600);
/// How long after it was found rot is shown.
pub(crate) const ROT_SHOWN: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes that one step of `verify` reads.
pub(crate) const VERIFY_STEP: u64 = 8 << 20;
/// First bytes of an instance in which its UIDs are looked for.
pub(crate) const FIRST_BYTES: usize = 1 << 20;
/// Associations with one PACS at once: one for each worker.
pub(crate) const PACS_ASSOCIATIONS: usize = 2;
/// An association without work is closed (Orthanc aborts at 30 s).
pub(crate) const PACS_IDLE: Duration = Duration::from_secs(10);
/// An association is not used for longer, so that a changed configuration of the PACS shows.
pub(crate) const PACS_LIFE: Duration = Duration::from_secs(300);
/// How long a PACS may take to answer.
pub(crate) const PACS_SILENCE: Duration = Duration::from_secs(300);
/// How long it counts what a PACS said it has of a series.
pub(crate) const PACS_LISTING: Duration = Duration::from_secs(15);
/// Series of which that is kept.
pub(crate) const PACS_LISTINGS: usize = 16;
/// How long after it was stored a target is asked whether it keeps an instance.
pub(crate) const CONFIRM_AFTER: Duration = Duration::from_secs(10);
/// The first pause before it is asked again, and the longest.
pub(crate) const CONFIRM_AGAIN: (Duration, Duration) =
    (Duration::from_secs(600), Duration::from_secs(6 * 3600));
/// Lines of such questions, so that one slow target does not delay all others.
pub(crate) const CONFIRMERS: usize = 2;
/// Instances about which a target is asked at once.
pub(crate) const CONFIRM_BATCH: usize = 100;
/// Requests for storage commitment whose reports may still come.
pub(crate) const REPORTS_EXPECTED: usize = 4096;
/// Associations for reports at once.
pub(crate) const REPORT_ASSOCIATIONS: usize = 8;
/// How often a port that cannot be had is tried again.
pub(crate) const REPORT_PORT_RETRY: Duration = Duration::from_secs(10);
/// Pieces of an instance between a worker and its STOW-RS request, each as it was rebuilt.
pub(crate) const WEB_PIECES: usize = 2;
/// Bytes of the longest answer of a DICOMweb service that is not an instance.
pub(crate) const WEB_ANSWER: usize = 1 << 20;
/// Bytes of the head of one part in a multipart answer.
pub(crate) const WEB_PART_HEAD: usize = 16 << 10;
/// Versions of one UID that are looked at.
pub(crate) const WEB_VERSIONS: usize = 8;
/// Bytes of the file with the value of the `Authorization` header.
pub(crate) const WEB_SECRET: usize = 16 << 10;
/// Bytes between a worker and the association that it feeds.
pub(crate) const PACS_PIPE: usize = 256 << 10;
/// How long a PACS may still be storing what it was given before its association was cut, or
/// taking it back: only then is it asked whether it has that. DCMTK's dcmqrscp, which serves each
/// association by a process of its own, enters an instance in its index and deletes it a moment
/// later when it cannot send its answer.
pub(crate) const SETTLING: Duration = Duration::from_secs(10);
/// After how long an instance is looked at again whose beginning the disk did not give.
pub(crate) const UNREAD: Duration = Duration::from_secs(30);
/// How often an instance is refused or breaks an association before it may be parked.
pub(crate) const TROUBLE_ROUNDS: u32 = 3;
/// The first pause of an instance that a target did not take while others go on, and the longest.
pub(crate) const TROUBLE_PAUSE: (Duration, Duration) =
    (Duration::from_secs(5), Duration::from_secs(300));
/// After how long an instance is tried again that was parked because the target took only others.
pub(crate) const PARKED_DAY: Duration = Duration::from_secs(24 * 3600);
/// Instances in a row that break the association before the target counts as down.
pub(crate) const BROKEN_IN_A_ROW: u32 = 3;
/// Bytes of a clinic's or a target's name.
pub(crate) const NAME_MAX: usize = 64;

const _: () = assert!(SMALL_INSTANCE < EXPRESS_INSTANCE);
const _: () = assert!(RECEIPT_RUNS <= karez_protocol::limits::NAMED_RUNS_MAX);
const _: () = assert!(NAME_MAX <= karez_protocol::limits::TEXT_MAX);

//! Every bound of this crate (ARCHITECTURE I8).

use std::time::Duration;

/// Bytes of the longest JSON request or progress event on the control socket.
pub const CONTROL_JSON: usize = 64 * 1024;
/// Bytes of the longest JSON answer: a status that lists some fifty thousand studies.
pub const CONTROL_REPLY: usize = 16 * 1024 * 1024;
/// Bytes of one piece of a streamed body.
pub const CONTROL_BODY: usize = 64 * 1024;
/// Command lines that may talk to one daemon at once.
pub const CONTROL_CONNECTIONS: usize = 32;
/// How long a connection may wait between two requests.
pub const CONTROL_IDLE: Duration = Duration::from_secs(60);
/// How long a daemon waits for a client that does not take its answer.
pub const CONTROL_WRITE: Duration = Duration::from_secs(30);
/// Bytes of the longest configuration file.
pub const CONFIG_FILE: usize = 1024 * 1024;
/// Bytes of the longest file of certificates: a system's bundle of authorities has a quarter of it.
pub const PEM_FILE: usize = 1024 * 1024;
/// Jobs that may wait for the work threads, for each thread.
pub const WORK_QUEUED_PER_THREAD: usize = 2;
/// How long one TCP connection attempt may take.
pub const STREAM_CONNECT: Duration = Duration::from_secs(20);
/// How often the machine is looked at for a resume from sleep and, without netlink, for a link.
pub const LINK_POLL: Duration = Duration::from_secs(2);
/// Interfaces and addresses remembered by the link watch.
pub const LINK_INTERFACES: usize = 1024;
/// The longest sleep between two looks at the suspend-aware clock.
pub const CLOCK_SLICE: Duration = Duration::from_secs(10);

const _: () = assert!(CONTROL_BODY <= CONTROL_REPLY && CONTROL_JSON <= CONTROL_REPLY);
const _: () = assert!(CONTROL_REPLY <= u32::MAX as usize);
const _: () = assert!(CONTROL_WRITE.as_secs() < CONTROL_IDLE.as_secs());
/// Frames that a connection may have brought and the engine not yet taken.
pub const BRIDGE_IN: usize = 16;
/// Frames of one class between engine and connection: little, so that what is urgent passes.
pub const BRIDGE_BULK: usize = 2;
/// Control frames between engine and connection.
pub const BRIDGE_CONTROL: usize = 256;
/// Browsers that may be connected to a page at once.
pub const PAGE_CONNECTIONS: usize = 64;
/// Bytes of the longest form.
pub const PAGE_FORM: usize = 8 * 1024;
/// Bytes of the longest request line with headers.
pub const PAGE_HEADERS: usize = 16 * 1024;
/// How long a browser may take over a request's headers, or stay idle.
pub const PAGE_IDLE: Duration = Duration::from_secs(30);
/// How old what is shown may be; how often the live page is told.
pub const PAGE_FRESH: Duration = Duration::from_secs(2);
/// Studies on one page: with them it stays below 100 kB.
pub const PAGE_STUDIES: usize = 40;
/// Parked items and alarms on one page.
pub const PAGE_NEEDS: usize = 20;
/// Clinics on one page.
pub const PAGE_CLINICS: usize = 60;
/// People who are logged in at once; the longest idle one makes room.
pub const PAGE_SESSIONS: usize = 64;
/// Users of one page.
pub const PAGE_USERS: usize = 100;
/// Bytes of the file of users.
pub const USERS_FILE: usize = 64 * 1024;
/// Failed logins of one name within [`LOGIN_WINDOW`]; of all names eight times as many.
pub const LOGIN_FAILURES: u32 = 5;
/// How long failed logins count.
pub const LOGIN_WINDOW: Duration = Duration::from_secs(5 * 60);
/// Names whose failed logins are remembered.
pub const LOGIN_NAMES: usize = 1024;
/// Folders within folders of a data directory.
pub const BACKUP_DEPTH: usize = 4;
/// Files of a data directory.
pub const BACKUP_FILES: usize = 1_000_000;
/// Bytes of a backup's list of files: about 150 for each.
pub const BACKUP_MANIFEST: usize = 256 * 1024 * 1024;
/// Things of one kind that are told as alarms at once.
pub const ALARMS: usize = 50;
/// Bytes of a line that a webhook or a mail relay answers.
pub const ALARM_ANSWER: usize = 1024;
/// Bytes of one journal of the audit log, before the next begins.
pub const AUDIT_FILE_BYTES: u64 = 4 << 20;
/// Journals of the audit log that are kept: some 400,000 lines in 64 MiB.
pub const AUDIT_FILES: usize = 16;
/// Audit lines that may wait for a disk that takes nothing; of more only the number is kept.
pub const AUDIT_PENDING: usize = 4096;
/// Anchors of the audit log before their journal is written anew.
pub const AUDIT_ANCHORS: usize = 256;
/// Audit lines in one connection to a syslog server: what may come twice.
pub const SYSLOG_BATCH: usize = 100;
/// How often is looked for lines that the syslog server lacks.
pub const SYSLOG_LOOK: Duration = Duration::from_secs(10);
/// How long a syslog server that takes nothing is left alone, at most.
pub const SYSLOG_REST: Duration = Duration::from_secs(600);
/// How long a syslog server may take to read a batch and to close.
pub const SYSLOG_ANSWER: Duration = Duration::from_secs(60);
/// Audit lines in one answer.
pub const AUDIT_PAGE: usize = 5000;

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

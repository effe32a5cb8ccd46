//! The control socket `DIR/control.sock`: how the command line speaks to a running daemon.
//!
//! One request at a time on a connection, each answered by any number of events and then one reply
//! or failure. A request may bring a body (a file for `send`). Every frame is
//! `length u32 LE | kind u8 | payload`, where `length` counts the payload:
//!
//! | kind | from | payload |
//! |---|---|---|
//! | 1 request | client | JSON `{"version", "command", "arguments", "body"}` |
//! | 2 body | client | a piece of the body |
//! | 3 body end | client | empty |
//! | 4 event | daemon | JSON |
//! | 5 reply | daemon | JSON |
//! | 6 failure | daemon | JSON of [`Failure`](crate::exit::Failure) |

mod client;
mod frame;
mod server;
mod socket;
mod verify;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::client::{Client, ConnectError};
pub use self::server::{Access, Body, BodyError, Call, Caller, Events, Gone, Handler, Server};
pub use self::verify::verify;

/// The name of the socket in the data directory.
pub const SOCKET: &str = "control.sock";

/// What both ends must have in common.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Request {
    version: u32,
    command: String,
    #[serde(default)]
    arguments: Value,
    #[serde(default)]
    body: bool,
}

#[cfg(test)]
mod tests;

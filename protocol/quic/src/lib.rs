//! QUIC for Karez: opaque frames in prioritised lanes between two pinned keys.
//!
//! The only crate that knows quinn and rustls. A daemon builds a [`Server`] or a [`Client`] from a
//! [`Net`] (sockets, time, randomness: real or simulated), implements [`Session`] over its store,
//! and lets [`drive`] or [`Redial`] run it. What a frame means is not known here.
//!
//! | file | owns |
//! |---|---|
//! | `net`, `identity`, `config`, `tls` | what a connection is made from |
//! | `server`, `live`, `client` | how connections begin, and who may have one |
//! | `connection`, `outbox`, `inbox` | frames over lanes |
//! | `steer`, `steered`, `socket` | how fast packets leave |
//! | `session`, `drive` | a daemon's state machine over a connection |
//! | `copies` | what is sent twice |
//! | `kick`, `probe`, `pulse`, `seek`, `redial` | life after an outage |

mod client;
mod config;
mod connection;
mod copies;
mod drive;
mod end;
mod identity;
mod inbox;
mod kick;
mod lane;
mod live;
#[cfg(test)]
mod loopback;
pub mod net;
mod outbox;
mod probe;
mod pulse;
mod redial;
mod seek;
mod server;
mod session;
mod socket;
mod steer;
mod steered;
mod target;
mod tls;

pub use client::{Client, DialError};
pub use config::{Congestion, IP_MTU_MIN, LinkConfig, Manners};
pub use connection::{Connection, LinkHandle, LinkStats};
pub use drive::drive;
pub use end::{Close, End, code};
pub use identity::Identity;
pub use karez_protocol::link::{LinkMemory, Remembered, probe::Tag};
pub use karez_protocol::session::Lane;
pub use lane::{LANES, Room};
pub use live::CONNECTIONS_PER_PEER;
pub use net::Net;
pub use redial::{LinkState, Redial, RedialPolicy, Resolve};
pub use server::{Admission, Admit, Server, SetupError};
pub use session::{Session, SessionEnd, Wake};
pub use tls::Alpn;

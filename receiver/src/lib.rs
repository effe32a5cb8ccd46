//! The hub's daemon as a library: it takes studies in, rebuilds them byte for byte, and hands
//! them off.
//!
//! [`Receiver::start`] needs a world ([`karez_host::Env`]), a data directory and [`Settings`],
//! and nothing else: many can run in one process, in real or in virtual time.
//!
//! | module | owns |
//! |---|---|
//! | `admit` | who may connect, and enrolment |
//! | `downlink` | one task per connection |
//! | `engine` | the one actor that has the store, a `Sink` per clinic, the ledger, the receipts |
//! | `rebuild` | an instance from its sealed chunks, piece by piece |
//! | `handoff` | targets, and the workers that bring instances there |
//! | `registry` | the journals and what they say |
//! | `page` | what the dashboard shows and does |
//! | `status` | what people and scripts are shown |
//! | `command` | the program's commands |

mod admit;
pub mod command;
mod daemon;
mod downlink;
mod engine;
mod handoff;
pub mod keys;
mod limits;
mod page;
mod rebuild;
mod registry;
mod settings;
mod status;

pub use command::Command;
pub use daemon::{Handle, Receiver, Verifying, Work, offline};
pub use handoff::{
    Ability, Address, AddressError, Delivery, Identity, Item, Look, NoIdentity, Patient, Peer,
    PeerError, Seen, Service, ServiceError, Target, TargetError,
};
pub use settings::{ClinicRule, CongestionChoice, Settings};

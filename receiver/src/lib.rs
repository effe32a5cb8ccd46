//! The hub's daemon as a library: it takes studies in, rebuilds them byte for byte, and hands
//! them off.
//!
//! [`Receiver::start`] needs a world ([`karez_host::Env`]), a data directory and [`Settings`],
//! and nothing else: many can run in one process, in real or in virtual time.
//!
//! ```
//! use std::sync::Arc;
//!
//! use karez_host::{Env, RealEnv};
//! use karez_receiver::{Command, Receiver, Settings, keys};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let dir = scratch.path();
//! let world = Arc::new(RealEnv::new()?);
//! keys::store(&*world.disk(), dir, &keys::draw(&*world))?;
//! let mut settings = Settings::default();
//! settings.hub.listen = "127.0.0.1:0".parse()?;
//! let hub = Receiver::start(world, dir, settings).await?;
//! let invite = Command::Invite {
//!     name: "duki".to_owned(),
//!     addresses: vec!["hub.example.org:4433".to_owned()],
//!     replace: false,
//! };
//! let answer = hub.handle().command(invite).await?;
//! assert!(answer["invitation"].as_str().is_some_and(|line| line.starts_with("karez1-")));
//! hub.stop().await;
//! # Ok(())
//! # }
//! ```
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

//! The clinic's daemon as a library: it accepts instances, seals them to the hub and sends them
//! until the hub's receipt releases them.
//!
//! [`Sender::start`] needs a world ([`karez_host::Env`]), a data directory and [`Settings`], and
//! nothing else: many can run in one process. [`Handle`] is how commands reach it.
//!
//! ```
//! use std::sync::Arc;
//!
//! use karez_host::RealEnv;
//! use karez_sender::{Given, Sender, Settings, Work};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let dir = scratch.path();
//! let mut settings = Settings::default();
//! settings.spool.keep_free = "0 B".parse()?;
//! // `Work::All` would also pack, seal and send.
//! let world = Arc::new(RealEnv::new()?);
//! let sender = Sender::start(world, dir, settings, Work::Accept)?;
//! let mut intake = sender.handle().intake(Given::default())?;
//! intake.write(b"the bytes of an instance, in pieces of any size").await?;
//! // When this returns, it is durable, and stays here until the hub has signed for it.
//! let ticket = intake.finish().await?;
//! assert_eq!(sender.handle().status().await?.studies[0].study, ticket.study);
//! sender.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `ingest` | the way in: encrypted from the first byte, accepted once durable |
//! | `outbox` | packing and sealing, one open segment per study |
//! | `engine` | the one actor that has the store, the core's `Source` and all durable state |
//! | `uplink` | enrolment and the connection to the hub, for ever |
//! | `scanner` | C-STORE, C-ECHO and storage commitment for scanners |
//! | `page` | what the clinic's page shows and does |
//! | `watch` | folders into which other programs put files |
//! | `status` | what people and scripts are shown |

mod control;
mod daemon;
mod engine;
mod hub;
mod ingest;
mod keys;
mod limits;
mod outbox;
mod page;
mod scanner;
mod settings;
mod status;
mod uplink;
mod watch;

pub use control::Commands;
pub use daemon::{Handle, Sender, Verifying, Work};
pub use engine::{Progress, Ticket};
pub use hub::HubInfo;
pub use ingest::{Given, Intake};
pub use keys::Keys;
pub use outbox::SealedSize;
pub use page::ClinicPages;
pub use scanner::{CommitOn, Dicom};
pub use settings::{CongestionChoice, LevelChoice, ReleaseOn, Rule, Settings, Share};
pub use status::{
    BudgetStatus, HubStatus, Parked, PortStatus, ScannerStatus, Spent, SpoolStatus, Status,
    StudyStatus, Totals, WatchStatus,
};
pub use uplink::{Reach, enrol, reach};
pub use watch::Watch;

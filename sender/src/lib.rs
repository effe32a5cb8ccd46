//! The clinic's daemon as a library: it accepts instances, seals them to the hub and sends them
//! until the hub's receipt releases them.
//!
//! [`Sender::start`] needs a world ([`karez_host::Env`]), a data directory and [`Settings`], and
//! nothing else: many can run in one process. [`Handle`] is how commands reach it.
//!
//! | module | owns |
//! |---|---|
//! | `ingest` | the way in: encrypted from the first byte, accepted once durable |
//! | `outbox` | packing and sealing, one open segment per study |
//! | `engine` | the one actor that has the store, the core's `Source` and all durable state |
//! | `uplink` | enrolment and the connection to the hub, for ever |
//! | `status` | what people and scripts are shown |

mod control;
mod daemon;
mod engine;
mod hub;
mod ingest;
mod keys;
mod limits;
mod outbox;
mod settings;
mod status;
mod uplink;

pub use control::Commands;
pub use daemon::{Handle, Sender, Work};
pub use engine::{Progress, Ticket};
pub use hub::HubInfo;
pub use ingest::{Given, Intake};
pub use keys::Keys;
pub use settings::{CongestionChoice, LevelChoice, ReleaseOn, Rule, Settings};
pub use status::{HubStatus, Parked, SpoolStatus, Status, StudyStatus, Totals};
pub use uplink::{Reach, enrol, reach};

//! A world in memory: machines with a disk, a clock and sockets, joined by [`crate::link`]s. The
//! shipped daemons run on it, in virtual time (tokio's paused clock) or in real time.

mod air;
mod cold;
mod inbox;
mod life;
mod machine;
mod meter;
mod stream;

pub use air::{Air, SiteId, Tamper};
pub use cold::ColdFile;
pub use machine::{Machine, MachineEnv};
pub use meter::Meter;

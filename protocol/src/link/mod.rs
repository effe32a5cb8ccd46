//! The link engine, without I/O and clocks: how fast to send over a thin, lossy, long link.

mod delay;
mod loss;
mod pacer;
mod round;
mod thin;

pub use pacer::{PACED_BELOW, Pacer};
pub use thin::{Remembered, Thin};

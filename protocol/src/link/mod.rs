//! The link engine, without I/O and clocks: how fast to send over a thin, lossy, long link.

mod clocked;
mod delay;
mod loss;
mod memory;
mod pacer;
pub mod probe;
mod round;
mod steady;
mod thin;
mod unrest;

pub use memory::LinkMemory;
pub use pacer::{PACED_BELOW, Pacer};
pub use thin::{Remembered, Thin};

#[cfg(test)]
mod tests;

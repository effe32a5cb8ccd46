//! Frames and their bytes. This module alone calls bincode; the others only derive its traits.

mod codec;
mod frame;

pub use codec::{WireError, decode, encode};
pub use frame::{Frame, HEAD_OF_FRAME, Hello, Join, Joined, NEWEST_VERSION, Refusal};

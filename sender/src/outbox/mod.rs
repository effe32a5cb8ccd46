//! Packing and sealing: from accepted instances to records and chunks.

mod sealer;
mod size;
mod tags;

pub(crate) use sealer::{Output, Piece, Run, SealedRecord, Sealer, StepError, StepTools};
pub use size::SealedSize;
pub(crate) use tags::Tags;

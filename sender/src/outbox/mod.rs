//! Packing and sealing: from accepted instances to records and chunks.

mod sealer;
mod tags;

pub(crate) use sealer::{Output, Piece, Run, SealedRecord, Sealer, StepError, StepTools};
pub(crate) use tags::Tags;

//! The two state machines of one transfer direction, without I/O: [`Source`] sends what its
//! store holds, [`Sink`] takes it in and says what it has. Both are fed frames, times and the
//! store's words, and are asked for frames, events and timers.

mod ledger;
mod sink;
mod source;

pub use ledger::SegmentLedger;
pub use sink::{EVICTED_NOTE, Evicted, LINK_NOTE, Link, PartPlace, Sink, SinkError, SinkEvent};
pub use source::{RecordInfo, Source, SourceError, SourceEvent, Transmit, Why};

use crate::priority::Class;

/// Which stream of a connection carries a frame: control before all, then the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Small frames that steer.
    Control,
    /// Records and chunks of one class.
    Class(Class),
}

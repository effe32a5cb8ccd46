//! The spool reads itself, at a bounded rate: rot is found while the scanner still has the image.

use std::time::Duration;

use karez_host::Failure;
use karez_protocol::units::Moment;
use karez_store::Cursor;
use tokio::sync::oneshot;

use super::Engine;
use crate::limits::{SCRUB_FIRST, SCRUB_STEP, VERIFY_STEP};

/// One step of `verify`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proved {
    pub(crate) bytes: u64,
    pub(crate) bad: u64,
    pub(crate) next: Option<Cursor>,
}

/// How far it is.
#[derive(Default)]
pub(super) struct Scrub {
    cursor: Option<Cursor>,
    due: Moment,
    /// Entries that were bad, since the start.
    pub(super) bad: u64,
}

impl Engine {
    /// When the next step is due.
    pub(super) fn scrub_at(&self) -> Option<Moment> {
        let first = Moment::default().after(SCRUB_FIRST);
        let reads = self.shared.packs && self.shared.settings.spool.scrub.0 > 0;
        reads.then_some(self.scrub.due.max(first))
    }

    /// The next step, when it is due.
    pub(super) fn scrub(&mut self) {
        let (now, rate) = (self.now(), self.shared.settings.spool.scrub.0);
        if self.scrub_at().is_none_or(|at| at > now) {
            return;
        }
        let step = self.prove(self.scrub.cursor, SCRUB_STEP.min(rate));
        let rest = Duration::from_millis(step.bytes.saturating_mul(1000) / rate.max(1));
        let pause = self.shared.settings.spool.scrub_pause.duration();
        self.scrub.cursor = step.next;
        self.scrub.due = now.after(match step.next {
            Some(_) => rest.max(Duration::from_millis(10)),
            None => pause,
        });
    }

    pub(super) fn verify(
        &mut self,
        cursor: Option<Cursor>,
        reply: oneshot::Sender<Result<Proved, Failure>>,
    ) {
        let step = self.prove(cursor, VERIFY_STEP);
        // Whoever asked may be gone.
        let _ = reply.send(Ok(step));
    }

    /// Proves some entries. What rotted before it was released is lost here, by name; what cannot
    /// be read now may be read later.
    fn prove(&mut self, cursor: Option<Cursor>, most: u64) -> Proved {
        let walked = self.store.verify_next(cursor, most);
        let (bytes, bad, next) = (walked.bytes, walked.bad(), walked.next);
        for (segment, kind, number) in walked.rotten {
            if !self.source.released(segment) {
                self.lost(segment, kind, number);
            }
        }
        self.scrub.bad += bad;
        Proved { bytes, bad, next }
    }
}

//! The store reads itself, at a bounded rate: rot is found before what rotted is needed.

use std::time::Duration;

use karez_store::Cursor;
use tokio::time::Instant;
use tracing::info;

use super::Engine;
use crate::limits::{SCRUB_FIRST, SCRUB_STEP};

/// How far it is.
pub(crate) struct Scrub {
    cursor: Option<Cursor>,
    due: Instant,
    /// Bytes read in this pass.
    pub(crate) bytes: u64,
    /// Bad entries found in this pass.
    pub(crate) bad: u64,
    /// When the last pass ended.
    pub(crate) ended_at: Option<Instant>,
}

impl Scrub {
    /// Not before the start has calmed down.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            cursor: None,
            due: now + SCRUB_FIRST,
            bytes: 0,
            bad: 0,
            ended_at: None,
        }
    }
}

impl Engine {
    /// When the next step is due.
    pub(super) fn scrub_due_at(&self) -> Option<Instant> {
        (self.settings.store.scrub.0 > 0).then_some(self.scrub.due)
    }

    /// The next step, when it is due.
    pub(super) fn scrub(&mut self) {
        let (now, rate) = (self.now(), self.settings.store.scrub.0);
        if rate == 0 || self.scrub.due > now {
            return;
        }
        if self.scrub.cursor.is_none() {
            (self.scrub.bytes, self.scrub.bad) = (0, 0);
        }
        let step = self.verify(self.scrub.cursor, SCRUB_STEP.min(rate));
        self.scrub.bytes += step.bytes;
        self.scrub.bad += step.bad;
        self.scrub.cursor = step.next;
        let rest = Duration::from_millis(step.bytes.saturating_mul(1000) / rate);
        self.scrub.due = now + rest.max(Duration::from_millis(10));
        if step.next.is_none() {
            let (bytes, bad) = (self.scrub.bytes, self.scrub.bad);
            info!(bytes, bad, "everything that is stored was read again");
            self.scrub.ended_at = Some(now);
            self.scrub.due = now + self.settings.store.scrub_pause.duration();
        }
    }
}

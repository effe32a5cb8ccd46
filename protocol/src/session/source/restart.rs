//! What a source is told after a restart, and what it can be asked about its records.

use super::{RecordInfo, Source, SourceError};
use crate::id::{SegmentId, StudyId};
use crate::manifest::{Receipt, ReceiptKind};
use crate::priority::Class;
use crate::resume::RunSet;
use crate::seal::Signed;
use crate::units::Moment;

impl Source {
    /// Makes a study known as an earlier process left it: its class, how often that was changed,
    /// whether it was withdrawn.
    pub fn resume_study(
        &mut self,
        now: Moment,
        study: StudyId,
        (class, counter): (Class, u64),
        withdrawn: bool,
    ) {
        self.open_study(now, study, class);
        if let Some(owner) = self.studies.get_mut(&study) {
            owner.class = class;
            owner.counter = owner.counter.max(counter);
            owner.withdrawn |= withdrawn;
            owner.steer_sent = false;
            self.plan = None;
        }
    }

    /// Takes a receipt that an earlier process checked and made durable. Its root was checked
    /// then; segments that are no longer here are passed over, since a receipt may name several
    /// of which some were evicted.
    ///
    /// # Errors
    /// When the receiver did not sign it for us.
    pub fn replay_receipt(&mut self, signed: &Signed) -> Result<Receipt, SourceError> {
        let receipt = Receipt::read(&self.receiver, &self.me, signed)?;
        self.apply_receipt(&receipt);
        Ok(receipt)
    }

    /// Takes back the records of a segment from number `end` on: their instance was not packed to
    /// its end and is packed again in another segment.
    pub fn cut_segment(&mut self, segment: SegmentId, end: u64) {
        let Some(owner) = self.segments.get_mut(&segment) else {
            return;
        };
        let keep = usize::try_from(end).unwrap_or(usize::MAX);
        let gone = owner.records.split_off(keep.min(owner.records.len()));
        if let Some(first) = gone.first() {
            owner.record_ledger.cut_off(end);
            owner.chunk_ledger.cut_off(first.chunks.start);
            owner.bytes -= gone.iter().map(|r| r.bytes).sum::<u64>();
            self.plan = None;
        }
    }

    /// The records of a segment that a receipt of exactly this kind has named.
    #[must_use]
    pub fn named_by(&self, segment: SegmentId, kind: ReceiptKind) -> RunSet {
        let named = self.segments.get(&segment);
        named
            .and_then(|s| s.attested.get(&kind).cloned())
            .unwrap_or_default()
    }

    /// How often a study's class was changed.
    #[must_use]
    pub fn class_counter(&self, study: StudyId) -> u64 {
        self.studies.get(&study).map_or(0, |s| s.counter)
    }

    /// The records of a segment, by number.
    #[must_use]
    pub fn records(&self, segment: SegmentId) -> &[RecordInfo] {
        self.segments.get(&segment).map_or(&[], |s| &s.records)
    }

    /// The chunks of a segment that the receiver is known to have.
    #[must_use]
    pub fn acked_chunks(&self, segment: SegmentId) -> Option<&RunSet> {
        self.segments.get(&segment).map(|s| s.chunk_ledger.acked())
    }
}

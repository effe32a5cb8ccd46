//! What a source does with the receiver's words.

use super::{Segment, Source, SourceError, SourceEvent};
use crate::id::{Epoch, SegmentId};
use crate::limits::ASK_INTERVAL;
use crate::manifest::{NamedRecords, Receipt, ReceiptKind, RootHasher};
use crate::resume::{Have, RunSet};
use crate::seal::Signed;
use crate::wire::Frame;

impl Source {
    /// Takes a frame from the receiver.
    ///
    /// # Errors
    /// [`SourceError`]; nothing has changed then.
    pub fn handle_frame(&mut self, frame: Frame) -> Result<(), SourceError> {
        match frame {
            Frame::Have(have) => self.hear_have(&have),
            Frame::Want {
                segment,
                records,
                chunks,
            } => self.hear_want(segment, &records, &chunks),
            Frame::Receipt(signed) => self.hear_receipt(signed),
            Frame::Busy(reason) => {
                self.hear_busy(reason);
                Ok(())
            }
            Frame::Ask(segments) => {
                self.hear_ask(&segments);
                Ok(())
            }
            Frame::Refused(refusal) => {
                self.events.push_back(SourceEvent::Refused(refusal.text));
                Ok(())
            }
            _ => Err(SourceError::Unexpected),
        }
    }

    /// The receiver's present memory, from its `Hello`: what another one held is in doubt.
    pub fn hear_epoch(&mut self, epoch: Epoch) {
        for segment in self.segments.values_mut() {
            if segment.meet(epoch) {
                segment.heard = false;
                segment.asked = false;
                self.asked_at = None;
            }
        }
        self.plan = None;
    }

    fn hear_have(&mut self, have: &Have) -> Result<(), SourceError> {
        let bad = || SourceError::BadHave(self.receiver);
        let records = have.records.runs().ok_or_else(bad)?;
        let chunks = have.chunks.runs().ok_or_else(bad)?;
        let owner = self
            .segments
            .get_mut(&have.segment)
            .ok_or(SourceError::UnknownSegment(have.segment))?;
        let was_there = owner.arrived();
        owner.meet(have.epoch);
        owner.heard = true;
        owner.head_sent |= !records.is_empty();
        owner.record_ledger.heard(&have.records.range(), &records);
        owner.chunk_ledger.heard(&have.chunks.range(), &chunks);
        owner.answer_repeats(&records);
        #[cfg(feature = "mutants")]
        if crate::mutant::is_on(crate::mutant::Mutant::ReleaseByHave) {
            owner.released.union(&records);
        }
        owner.spare_released();
        let (study, there) = (owner.study, owner.arrived());
        if there && !was_there {
            self.tell_arrival(study);
        }
        self.plan = None;
        Ok(())
    }

    fn tell_arrival(&mut self, study: crate::id::StudyId) {
        let all = self.studies.get(&study).is_some_and(|s| {
            s.segments
                .iter()
                .filter_map(|id| self.segments.get(id))
                .all(Segment::arrived)
        });
        if all {
            self.events.push_back(SourceEvent::Arrived(study));
        }
    }

    /// The receiver stops taking, or goes on: then nobody knows what it dropped meanwhile.
    fn hear_busy(&mut self, reason: String) {
        self.busy = !reason.is_empty();
        if !self.busy {
            for segment in self.segments.values_mut() {
                segment.cut();
            }
            self.asked_at = None;
        }
        self.plan = None;
        self.events.push_back(SourceEvent::Busy(reason));
    }

    /// The receiver asks what is left of segments that it has in part.
    fn hear_ask(&mut self, segments: &[SegmentId]) {
        let gone = segments.iter().filter(|id| !self.segments.contains_key(id));
        self.events.extend(gone.map(|id| SourceEvent::Gone(*id)));
    }

    fn hear_want(
        &mut self,
        segment: SegmentId,
        records: &NamedRecords,
        chunks: &NamedRecords,
    ) -> Result<(), SourceError> {
        let owner = self
            .segments
            .get_mut(&segment)
            .ok_or(SourceError::UnknownSegment(segment))?;
        owner.demand(&records.set(), &chunks.set());
        for run in records.set().iter() {
            owner.record_ledger.want(run);
        }
        for run in chunks.set().iter() {
            owner.chunk_ledger.want(run);
        }
        owner.spare_released();
        self.plan = None;
        Ok(())
    }

    fn hear_receipt(&mut self, signed: Signed) -> Result<(), SourceError> {
        let receipt = Receipt::read(&self.receiver, &self.me, &signed)?;
        self.check_root(&receipt)?;
        if self.adds_something(&receipt) {
            self.events.push_back(SourceEvent::Receipt(signed));
        }
        Ok(())
    }

    /// Takes a receipt that is durable here: it releases what it names, and counts as word that
    /// the receiver has it.
    ///
    /// # Errors
    /// [`SourceError`]; nothing has changed then.
    pub fn accept_receipt(&mut self, signed: &Signed) -> Result<(), SourceError> {
        let receipt = Receipt::read(&self.receiver, &self.me, signed)?;
        self.check_root(&receipt)?;
        self.apply_receipt(&receipt);
        Ok(())
    }

    pub(super) fn apply_receipt(&mut self, receipt: &Receipt) {
        if receipt.kind == ReceiptKind::Parked {
            let (study, reason) = (receipt.study, receipt.reason.clone());
            self.events.push_back(SourceEvent::Parked { study, reason });
        }
        for named in &receipt.records {
            self.attest(named.segment, receipt.kind, &named.set());
        }
        self.plan = None;
    }

    fn attest(&mut self, id: SegmentId, kind: ReceiptKind, named: &RunSet) {
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        let known = segment.attested.entry(kind).or_default();
        if !named.iter().all(|run| known.covers(&run)) {
            self.ask_pause = ASK_INTERVAL;
        }
        known.union(named);
        if kind >= ReceiptKind::Verified {
            segment.ack_instances(named);
        }
        if kind < self.release_on {
            return;
        }
        let mut fresh = named.clone();
        for run in segment.released.iter() {
            fresh.remove(run);
        }
        segment.released.union(named);
        if !fresh.is_empty() {
            self.events.push_back(SourceEvent::Released {
                segment: id,
                records: fresh,
                kind,
            });
        }
    }

    fn adds_something(&self, receipt: &Receipt) -> bool {
        receipt.records.iter().any(|named| {
            self.segments.get(&named.segment).is_some_and(|segment| {
                let known = segment.attested.get(&receipt.kind);
                named
                    .set()
                    .iter()
                    .any(|run| !known.is_some_and(|k| k.covers(&run)))
            })
        })
    }

    /// The receipt's root against our own records (PROTOCOL 2: "the sender recomputes the
    /// root"). A receipt about records that are evicted or lost here is not ours to judge.
    fn check_root(&self, receipt: &Receipt) -> Result<(), SourceError> {
        #[cfg(feature = "mutants")]
        if crate::mutant::is_on(crate::mutant::Mutant::RootUnchecked) {
            return Ok(());
        }
        let mut root = RootHasher::default();
        for named in &receipt.records {
            let segment = self
                .segments
                .get(&named.segment)
                .ok_or(SourceError::UnknownSegment(named.segment))?;
            if segment.study != receipt.study {
                return Err(SourceError::Root);
            }
            root.segment(named.segment);
            for number in named.set().iter().flatten() {
                let info = usize::try_from(number)
                    .ok()
                    .and_then(|n| segment.records.get(n));
                root.record(number, &info.ok_or(SourceError::Root)?.hash);
            }
        }
        if root.finish() == receipt.root {
            Ok(())
        } else {
            Err(SourceError::Root)
        }
    }
}

impl Segment {
    /// A receiver of another epoch may have lost what the earlier one had.
    fn meet(&mut self, epoch: Epoch) -> bool {
        #[cfg(feature = "mutants")]
        if crate::mutant::is_on(crate::mutant::Mutant::EpochIgnored) {
            return false;
        }
        let other = self
            .epoch
            .replace(epoch)
            .is_some_and(|known| known != epoch);
        if other {
            self.record_ledger.forget();
            self.chunk_ledger.forget();
            self.spare_released();
        }
        other
    }

    /// What a receipt has released is not sent again, whatever a restored hub lacks: it may be
    /// evicted here, and the hub's own signature says that it is stored. What the receiver
    /// demands is the exception.
    fn spare_released(&mut self) {
        let mut spared = self.released.clone();
        for run in self.demanded.iter() {
            spared.remove(run);
        }
        self.ack_instances(&spared);
    }

    /// The receiver wants these by name. A released record among them is needed to unpack
    /// another one, and with it its chunks.
    fn demand(&mut self, records: &RunSet, chunks: &RunSet) {
        for run in records.iter() {
            for number in self.released.within(&run).iter().flatten() {
                self.demanded.add(number);
                let info = usize::try_from(number)
                    .ok()
                    .and_then(|n| self.records.get(n));
                if let Some(info) = info {
                    self.chunk_ledger.want(info.chunks.clone());
                }
            }
        }
        for run in chunks.iter() {
            let first = self.records.partition_point(|r| r.chunks.end <= run.start);
            let end = self.records.partition_point(|r| r.chunks.start < run.end);
            for number in first as u64..end as u64 {
                if self.released.contains(number) {
                    self.demanded.add(number);
                }
            }
        }
    }

    fn answer_repeats(&mut self, records: &RunSet) {
        if !self.chunk_ledger.has_waiting() {
            return;
        }
        for number in records.iter().flatten() {
            let Some(info) = usize::try_from(number)
                .ok()
                .and_then(|n| self.records.get(n))
            else {
                break;
            };
            for repeat in &info.repeats {
                self.chunk_ledger.answered(repeat);
            }
        }
    }

    fn ack_instances(&mut self, named: &RunSet) {
        for run in named.iter() {
            for number in run.start..run.end.min(self.end()) {
                let Some(info) = self.records.get(number as usize) else {
                    break;
                };
                self.chunk_ledger.ack(info.chunks.clone());
                self.record_ledger.ack(number..number + 1);
            }
        }
    }
}

//! The sending state machine of one direction: what is owed to one receiver.
//!
//! It starts at once with what it believes missing and corrects itself one round trip later;
//! only a receipt releases (I1). It forgets nothing by itself and gives up never.

mod events;
mod hear;
mod restart;
mod send;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use crate::id::{Epoch, PeerId, SegmentId, StudyId};
use crate::limits::ASK_INTERVAL;
use crate::manifest::ReceiptKind;
use crate::priority::Class;
use crate::resume::RunSet;
use crate::seal::Signed;
use crate::session::SegmentLedger;
use crate::units::Moment;
use crate::wire::Frame;

pub use events::{SourceError, SourceEvent, Transmit, Why};

/// What a source must know of a record, besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// The serials of its chunks.
    pub chunks: Range<u64>,
    /// Sealed bytes of the record and its chunks.
    pub bytes: u64,
    /// BLAKE3 of the record's bytes.
    pub hash: [u8; 32],
    /// Whether an instance begins here.
    pub starts: bool,
    /// Chunks of parts that were sent before under the same tag: they wait for the receiver's
    /// answer to the record.
    pub repeats: Vec<Range<u64>>,
}

impl RecordInfo {
    /// Whether it describes nothing but parts that were sent before: a few hundred bytes, which
    /// several of its kind share a packet, an answer and a receipt with.
    fn is_light(&self) -> bool {
        let repeats = self.repeats.iter().map(|r| r.end.saturating_sub(r.start));
        !self.chunks.is_empty() && repeats.sum::<u64>() == self.chunks.end - self.chunks.start
    }
}

/// What one sender owes to one receiver.
pub struct Source {
    me: PeerId,
    receiver: PeerId,
    release_on: ReceiptKind,
    studies: BTreeMap<StudyId, Study>,
    segments: BTreeMap<SegmentId, Segment>,
    arrivals: u64,
    control: VecDeque<Frame>,
    events: VecDeque<SourceEvent>,
    connected_at: Option<Moment>,
    busy: bool,
    asked_at: Option<Moment>,
    /// The pause before the next question, longer with each since one of us had news.
    ask_pause: Duration,
    ask_from: Option<SegmentId>,
    /// Studies with something to send, in order; rebuilt when anything changes it.
    plan: Option<Vec<(StudyId, Class)>>,
    planned_at: Moment,
}

struct Study {
    class: Class,
    counter: u64,
    since: Moment,
    order: u64,
    segments: Vec<SegmentId>,
    revision: Option<Signed>,
    steer_sent: bool,
    withdrawn: bool,
}

struct Segment {
    study: StudyId,
    records: Vec<RecordInfo>,
    record_ledger: SegmentLedger,
    chunk_ledger: SegmentLedger,
    /// Records of instances that a receipt has released.
    released: RunSet,
    /// Released records that the receiver asked for all the same: something builds on them.
    demanded: RunSet,
    /// Per kind of receipt, the records it has named.
    attested: BTreeMap<ReceiptKind, RunSet>,
    head_sent: bool,
    heard: bool,
    asked: bool,
    /// When the first of the records to be sent came, if they may wait for others.
    lingers_since: Option<Moment>,
    epoch: Option<Epoch>,
    bytes: u64,
}

impl Source {
    /// A source of `me`'s studies for `receiver`, releasing on receipts of `release_on` or
    /// higher.
    #[must_use]
    pub const fn new(me: PeerId, receiver: PeerId, release_on: ReceiptKind) -> Self {
        Self {
            me,
            receiver,
            release_on,
            studies: BTreeMap::new(),
            segments: BTreeMap::new(),
            arrivals: 0,
            control: VecDeque::new(),
            events: VecDeque::new(),
            connected_at: None,
            busy: false,
            asked_at: None,
            ask_pause: ASK_INTERVAL,
            ask_from: None,
            plan: None,
            planned_at: Moment(Duration::ZERO),
        }
    }

    /// Makes a study known, or changes nothing if it is.
    pub fn open_study(&mut self, now: Moment, study: StudyId, class: Class) {
        let order = self.arrivals;
        self.arrivals += 1;
        self.studies.entry(study).or_insert_with(|| Study {
            class,
            counter: 0,
            since: now,
            order,
            segments: Vec::new(),
            revision: None,
            steer_sent: false,
            withdrawn: false,
        });
    }

    /// Adds a segment whose head is durable in the store.
    pub fn open_segment(&mut self, study: StudyId, segment: SegmentId) {
        let Some(owner) = self.studies.get_mut(&study) else {
            return;
        };
        owner.segments.push(segment);
        self.segments.entry(segment).or_insert_with(|| Segment {
            study,
            records: Vec::new(),
            record_ledger: SegmentLedger::default(),
            chunk_ledger: SegmentLedger::default(),
            released: RunSet::new(),
            demanded: RunSet::new(),
            attested: BTreeMap::new(),
            head_sent: false,
            heard: false,
            asked: false,
            lingers_since: None,
            epoch: None,
            bytes: 0,
        });
        self.plan = None;
    }

    /// Adds the segment's next record, durable in the store with all its chunks.
    ///
    /// # Errors
    /// When its chunks do not follow on those of the record before.
    pub fn add_record(
        &mut self,
        now: Moment,
        segment: SegmentId,
        info: RecordInfo,
    ) -> Result<(), SourceError> {
        let owner = self
            .segments
            .get_mut(&segment)
            .ok_or(SourceError::UnknownSegment(segment))?;
        if info.chunks.start != owner.chunk_ledger.end() || info.chunks.end < info.chunks.start {
            return Err(SourceError::Gap(segment));
        }
        if !owner.record_ledger.has_todo() || !info.is_light() {
            owner.lingers_since = info.is_light().then_some(now);
        }
        owner.record_ledger.extend(1, false);
        let mut at = info.chunks.start;
        for repeat in &info.repeats {
            owner
                .chunk_ledger
                .extend(repeat.start.saturating_sub(at), false);
            owner.chunk_ledger.extend(repeat.end - repeat.start, true);
            at = repeat.end;
        }
        owner
            .chunk_ledger
            .extend(info.chunks.end.saturating_sub(at), false);
        owner.bytes += info.bytes;
        owner.records.push(info);
        self.ask_pause = ASK_INTERVAL;
        self.plan = None;
        Ok(())
    }

    /// After a restart: what an earlier process may have sent is in doubt until the receiver
    /// speaks of it.
    pub fn doubt_all(&mut self) {
        for segment in self.segments.values_mut() {
            segment.record_ledger.doubt_all();
            segment.chunk_ledger.doubt_all();
        }
        self.plan = None;
    }

    /// Sets a study's class.
    ///
    /// # Errors
    /// When there is no such study.
    pub fn prioritise(&mut self, study: StudyId, class: Class) -> Result<(), SourceError> {
        let owner = self
            .studies
            .get_mut(&study)
            .ok_or(SourceError::UnknownStudy(study))?;
        owner.class = class;
        owner.counter += 1;
        owner.steer_sent = false;
        self.plan = None;
        Ok(())
    }

    /// Stops sending a study; what is already there stays there.
    ///
    /// # Errors
    /// When there is no such study.
    pub fn withdraw(&mut self, study: StudyId) -> Result<(), SourceError> {
        let owner = self
            .studies
            .get_mut(&study)
            .ok_or(SourceError::UnknownStudy(study))?;
        owner.withdrawn = true;
        self.plan = None;
        Ok(())
    }

    /// The study's newest revision, to be told to the receiver.
    pub fn set_revision(&mut self, study: StudyId, revision: Signed) {
        if let Some(owner) = self.studies.get_mut(&study) {
            owner.revision = Some(revision);
            owner.steer_sent = false;
            self.plan = None;
        }
    }

    /// Says at the next opportunity what was lost at source.
    pub fn tell_gone(&mut self, gone: Signed) {
        self.control.push_back(Frame::Gone(gone));
    }

    /// Forgets a segment whose every instance was released and whose pack was evicted.
    pub fn close_segment(&mut self, segment: SegmentId) {
        let Some(gone) = self.segments.remove(&segment) else {
            return;
        };
        if let Some(study) = self.studies.get_mut(&gone.study) {
            study.segments.retain(|s| *s != segment);
            if study.segments.is_empty() {
                self.studies.remove(&gone.study);
            }
        }
        self.plan = None;
    }

    /// A connection to the receiver stands.
    pub fn connected(&mut self, now: Moment) {
        self.connected_at = Some(now);
        self.asked_at = None;
        self.busy = false;
        for study in self.studies.values_mut() {
            let here = |id| self.segments.get(id).is_none_or(Segment::all_released);
            study.steer_sent &= study.segments.iter().all(here);
        }
        self.plan = None;
    }

    /// The connection is gone; what it had taken is in doubt.
    pub fn disconnected(&mut self) {
        self.connected_at = None;
        self.control.clear();
        #[cfg(feature = "mutants")]
        if crate::mutant::is_on(crate::mutant::Mutant::DoubtNothing) {
            return;
        }
        for segment in self.segments.values_mut() {
            segment.cut();
        }
        self.plan = None;
    }

    /// What has happened since it was last asked.
    pub fn poll_event(&mut self) -> Option<SourceEvent> {
        self.events.pop_front()
    }

    /// Bytes of a study that the receiver is known to have, and all its bytes.
    #[must_use]
    pub fn progress(&self, study: StudyId) -> (u64, u64) {
        let segments = self.studies.get(&study).map_or(&[][..], |s| &s.segments);
        segments
            .iter()
            .filter_map(|id| self.segments.get(id))
            .fold((0, 0), |(got, all), s| {
                (got + s.arrived_bytes(), all + s.bytes)
            })
    }

    /// Whether anything is owed that the receiver is not known to have.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.segments.values().any(|s| !s.arrived())
    }

    /// The class of a study, as set.
    #[must_use]
    pub fn class(&self, study: StudyId) -> Option<Class> {
        self.studies.get(&study).map(|s| s.class)
    }

    /// The records of a segment that a receipt of `kind` or higher has named.
    #[must_use]
    pub fn attested(&self, segment: SegmentId, kind: ReceiptKind) -> RunSet {
        let mut all = RunSet::new();
        if let Some(segment) = self.segments.get(&segment) {
            for (_, set) in segment.attested.range(kind..) {
                all.union(set);
            }
        }
        all
    }

    /// Whether a receipt has released every record of a segment.
    #[must_use]
    pub fn released(&self, segment: SegmentId) -> bool {
        self.segments
            .get(&segment)
            .is_some_and(Segment::all_released)
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.records.len() as u64
    }

    fn all_released(&self) -> bool {
        self.released.covers(&(0..self.end()))
    }

    /// Nobody knows what of the sent arrived.
    fn cut(&mut self) {
        self.head_sent = false;
        self.heard = false;
        self.asked = false;
        self.record_ledger.cut();
        self.chunk_ledger.cut();
    }

    fn arrived(&self) -> bool {
        self.record_ledger.all_acked() && self.chunk_ledger.all_acked()
    }

    fn arrived_bytes(&self) -> u64 {
        let total = self.chunk_ledger.end();
        if total == 0 || self.arrived() {
            return if self.arrived() { self.bytes } else { 0 };
        }
        let share = u128::from(self.chunk_ledger.acked().count()) * u128::from(self.bytes);
        u64::try_from(share / u128::from(total)).unwrap_or(self.bytes)
    }
}

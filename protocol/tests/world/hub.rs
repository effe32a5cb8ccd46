//! The hub of the test world: a `Sink`, a store that syncs when told, receipts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use karez_protocol::id::{Epoch, HubKeyId, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::{
    NamedRecords, Proof, Receipt, ReceiptKind, RecordBytes, RootHasher,
};
use karez_protocol::resume::{Stored, What};
use karez_protocol::seal::{ChunkPlace, HubKeys, HubPublic, HubSeed, Identity, Signed};
use karez_protocol::session::{LINK_NOTE, Link, Sink, SinkEvent};
use karez_protocol::units::Moment;
use karez_protocol::wire::{Frame, decode};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::clinic::Store as ClinicStore;

type Durable = BTreeMap<(SegmentId, What), Vec<u8>>;

pub(super) struct Hub {
    identity: Identity,
    keys: Arc<HubKeys>,
    clinic: PeerId,
    sink: Option<Sink>,
    durable: Durable,
    unsynced: Vec<(SegmentId, What, Vec<u8>)>,
    receipts: Vec<(Receipt, Signed)>,
    told: BTreeSet<(SegmentId, u64)>,
    full: bool,
    pub arrived_twice: usize,
}

impl Hub {
    pub(super) fn new(_rng: &mut ChaCha8Rng) -> Self {
        let seed = HubSeed::new([7; 32]);
        Self {
            identity: seed.identity(),
            keys: Arc::new(seed.keys(HubKeyId(0))),
            clinic: PeerId([0; 32]),
            sink: None,
            durable: BTreeMap::new(),
            unsynced: Vec::new(),
            receipts: Vec::new(),
            told: BTreeSet::new(),
            full: false,
            arrived_twice: 0,
        }
    }

    pub(super) fn peer(&self) -> PeerId {
        self.identity.peer()
    }

    pub(super) fn public(&self) -> HubPublic {
        self.keys.newest()
    }

    pub(super) fn enrol(&mut self, clinic: PeerId, rng: &mut ChaCha8Rng) {
        self.clinic = clinic;
        self.sink = Some(Sink::new(
            self.peer(),
            clinic,
            self.keys.clone(),
            epoch(rng),
        ));
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.sink.as_ref().unwrap().epoch()
    }

    pub(super) fn take(&mut self, now: Moment, frame: Frame) {
        if let Frame::Chunk {
            segment, serial, ..
        } = &frame
            && self.durable.contains_key(&(*segment, What::Chunk(*serial)))
        {
            self.arrived_twice += 1;
        }
        let sink = self.sink.as_mut().unwrap();
        // A flipped chunk is refused; all else must be taken.
        let taken = sink.handle_frame(now, frame);
        assert!(
            taken.is_ok()
                || matches!(
                    taken,
                    Err(karez_protocol::session::SinkError::WrongChunk { .. })
                ),
            "{taken:?}"
        );
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(event) = self.sink.as_mut().unwrap().poll_event() {
            match event {
                SinkEvent::Persist {
                    segment,
                    what,
                    bytes,
                } => {
                    if self.full {
                        self.sink.as_mut().unwrap().not_stored(segment, what);
                    } else {
                        self.unsynced.push((segment, what, bytes));
                    }
                }
                SinkEvent::Instance {
                    study,
                    segment,
                    first,
                    end,
                } => {
                    self.attest(study, segment, first..end);
                }
                _ => {}
            }
        }
    }

    fn attest(&mut self, study: StudyId, segment: SegmentId, records: std::ops::Range<u64>) {
        self.told.insert((segment, records.start));
        let known = |r: &(Receipt, Signed)| {
            r.0.records
                .iter()
                .any(|n| n.segment == segment && n.set().covers(&records))
        };
        if self.receipts.iter().any(known) {
            return;
        }
        let mut root = RootHasher::default();
        root.segment(segment);
        for number in records.clone() {
            let bytes = self.durable[&(segment, What::Record(number))].clone();
            root.record(number, blake3::hash(&bytes).as_bytes());
        }
        let receipt = Receipt {
            kind: ReceiptKind::Stored,
            proof: Proof::Status,
            hub_key: HubKeyId(0),
            clinic: self.clinic,
            study,
            records: vec![NamedRecords::of(segment, &[records].into_iter().collect())],
            root: root.finish(),
            reason: String::new(),
            audit: [0; 32],
        };
        let signed = receipt.sign(&self.identity);
        self.sink.as_mut().unwrap().add_receipt(&receipt, &signed);
        self.receipts.push((receipt, signed));
    }

    pub(super) fn sync(&mut self, now: Moment) {
        for (segment, what, bytes) in std::mem::take(&mut self.unsynced) {
            self.durable.insert((segment, what), bytes);
            self.sink
                .as_mut()
                .unwrap()
                .stored(now, Stored::attest(segment, what));
        }
        self.collect();
        if !self.unsynced.is_empty() {
            self.sync(now);
        }
    }

    pub(super) fn kill(&mut self, now: Moment, rng: &mut ChaCha8Rng) {
        self.unsynced.clear();
        self.full = false;
        let mut sink = Sink::new(self.peer(), self.clinic, self.keys.clone(), epoch(rng));
        let heads: Vec<SegmentId> = self
            .durable
            .iter()
            .filter(|((_, what), _)| *what == What::Head)
            .map(|(_, bytes)| sink.restore_head(bytes).unwrap())
            .collect();
        for ((segment, what), bytes) in &self.durable {
            let token = Stored::attest(*segment, *what);
            match what {
                What::Record(_) => sink.restore_record(token, bytes.clone()).unwrap(),
                What::Chunk(_) => sink.restore_chunk(token),
                What::Note(..) => sink.restore_link(token, bytes),
                What::Head => {}
            }
        }
        for (receipt, signed) in &self.receipts {
            sink.keep_receipt(receipt, signed);
        }
        for segment in heads {
            sink.restored(now, segment);
        }
        self.sink = Some(sink);
        self.collect();
    }

    pub(super) fn rot(&mut self, pick: u8, rng: &mut ChaCha8Rng) {
        let chunks: Vec<_> = self
            .durable
            .keys()
            .filter(|(segment, what)| {
                // What was handed off is no longer needed; what others link to is kept.
                matches!(what, What::Chunk(_))
                    && !self
                        .receipts
                        .iter()
                        .any(|(r, _)| r.records.iter().any(|n| n.segment == *segment))
            })
            .copied()
            .collect();
        if chunks.is_empty() {
            return;
        }
        let (segment, what) = chunks[usize::from(pick) % chunks.len()];
        let linked = self.durable.iter().any(|((_, w), bytes)| {
            matches!(w, What::Note(LINK_NOTE, _))
                && decode::<Link>(bytes).is_ok_and(|link| link.is.segment == segment)
        });
        if let What::Chunk(serial) = what
            && !linked
        {
            self.durable.remove(&(segment, what));
            self.sink
                .as_mut()
                .unwrap()
                .lose_chunk(epoch(rng), segment, serial);
        }
    }

    pub(super) fn full(&mut self, full: bool) {
        self.full = full;
        let sink = self.sink.as_mut().unwrap();
        if full {
            sink.set_full("disk full");
        } else {
            sink.set_free();
        }
    }

    pub(super) fn frames(&mut self) -> Vec<Frame> {
        let sink = self.sink.as_mut().unwrap();
        std::iter::from_fn(|| sink.poll_transmit()).collect()
    }

    pub(super) fn timeout(&mut self, now: Moment) {
        self.sink.as_mut().unwrap().handle_timeout(now);
    }

    pub(super) fn disconnected(&mut self) {
        self.sink.as_mut().unwrap().disconnected();
    }

    pub(super) fn instances_told(&self) -> usize {
        self.told.len()
    }

    /// What the hub holds is what the clinic sealed, and its have-set claims no more than that.
    pub(super) fn check(&self, clinic: &ClinicStore) {
        for ((segment, what), bytes) in &self.durable {
            match what {
                What::Chunk(n) => assert_eq!(bytes, &clinic.chunks[&(*segment, *n)]),
                What::Record(n) => assert_eq!(bytes, &clinic.records[&(*segment, *n)].1),
                _ => {}
            }
        }
        let sink = self.sink.as_ref().unwrap();
        for (segment, _) in sink.segments() {
            for n in sink.have(segment).unwrap().records().iter().flatten() {
                assert!(
                    self.durable.contains_key(&(segment, What::Record(n))),
                    "claimed, not durable"
                );
            }
            let links: u64 = self.links(segment).iter().map(|link| link.count).sum();
            let claimed = sink.have(segment).unwrap().chunks().iter().flatten();
            let missing = claimed
                .filter(|n| !self.durable.contains_key(&(segment, What::Chunk(*n))))
                .count();
            assert!(
                missing as u64 <= links,
                "claimed chunks that are neither here nor linked"
            );
        }
    }

    /// Every part can be opened: from its chunks, or from those it is linked to.
    pub(super) fn check_rebuilt(&self, clinic: &ClinicStore) {
        for ((segment, number), content) in &clinic.contents {
            for part in 0..self.body(*segment, *number).0.parts.len() as u32 {
                let expected = content.wrapping_add(part as u8);
                let raw = self.raw(*segment, *number, part);
                assert!(raw.len() == 40_000 && raw.iter().all(|b| *b == expected));
            }
        }
    }

    fn body(
        &self,
        segment: SegmentId,
        number: u64,
    ) -> (karez_protocol::manifest::RecordBody, RecordBytes) {
        let bytes = self.durable[&(segment, What::Record(number))].clone();
        let record = RecordBytes::from_bytes(bytes).unwrap();
        let key = self.sink.as_ref().unwrap().key(segment).unwrap();
        (record.open(key, number).unwrap(), record)
    }

    fn raw(&self, segment: SegmentId, number: u64, part: u32) -> Vec<u8> {
        let links = self.links(segment);
        let link = links.iter().find(|l| l.record == number && l.part == part);
        if let Some(link) = link {
            return self.raw(link.is.segment, link.is.record, link.is.part);
        }
        let (body, record) = self.body(segment, number);
        let key = self.sink.as_ref().unwrap().key(segment).unwrap();
        let (described, serials) = body.parts_with_serials().nth(part as usize).unwrap();
        let mut raw = Vec::new();
        for (index, serial) in serials.enumerate() {
            let sealed = &self.durable[&(segment, What::Chunk(serial))];
            let place = ChunkPlace {
                record: record.place(number),
                part: part as u16,
                index: index as u32,
            };
            raw.extend(key.open_chunk(place, sealed).unwrap());
        }
        assert_eq!(raw.len() as u64, described.packed_len);
        raw
    }

    fn links(&self, segment: SegmentId) -> Vec<Link> {
        let notes = (segment, What::Note(0, 0))..=(segment, What::Note(u8::MAX, u64::MAX));
        self.durable
            .range(notes)
            .map(|(_, bytes)| decode(bytes).unwrap())
            .collect()
    }
}

fn epoch(rng: &mut ChaCha8Rng) -> Epoch {
    Epoch(rng.next_u64().to_le_bytes())
}

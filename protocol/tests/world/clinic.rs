//! The clinic of the test world: packs small instances and sends them through a `Source`.

use std::collections::BTreeMap;

use karez_protocol::id::{ChunkId, Fingerprint, PartTag, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::{
    Head, InstanceStart, Origin, PackedHead, PartRecord, ReceiptKind, RecordBody, RecordBytes,
    SegmentHead,
};
use karez_protocol::priority::Class;
use karez_protocol::seal::{
    ChunkPlace, ClinicKeys, HubPublic, Identity, RecordPlace, SegmentKey, Signed,
};
use karez_protocol::session::{Lane, RecordInfo, Source, SourceEvent, Transmit};
use karez_protocol::units::Moment;
use karez_protocol::wire::Frame;

/// What the clinic's disk holds.
#[derive(Default)]
pub(super) struct Store {
    pub heads: BTreeMap<SegmentId, (StudyId, Signed)>,
    pub records: BTreeMap<(SegmentId, u64), (RecordInfo, Vec<u8>)>,
    pub chunks: BTreeMap<(SegmentId, u64), Vec<u8>>,
    /// What each record's parts were made of.
    pub contents: BTreeMap<(SegmentId, u64), u8>,
    receipts: Vec<Signed>,
}

pub(super) struct Clinic {
    identity: Identity,
    hub: PeerId,
    public: HubPublic,
    pub source: Source,
    pub store: Store,
    /// Open segments of this process: never written to the store.
    open: BTreeMap<StudyId, (SegmentId, SegmentKey)>,
    tags_sent: std::collections::BTreeSet<[u8; 16]>,
    pub chunks_sent: usize,
    instances: usize,
    /// Class and counter of each study, as a journal keeps them.
    classes: BTreeMap<StudyId, (Class, u64)>,
}

impl Clinic {
    pub(super) fn new(hub: PeerId, public: HubPublic) -> Self {
        let identity = Identity::from_secret(&[42; 32]);
        Self {
            source: Source::new(identity.peer(), hub, ReceiptKind::Stored),
            identity,
            hub,
            public,
            store: Store::default(),
            open: BTreeMap::new(),
            tags_sent: std::collections::BTreeSet::new(),
            chunks_sent: 0,
            instances: 0,
            classes: BTreeMap::new(),
        }
    }

    pub(super) fn peer(&self) -> PeerId {
        self.identity.peer()
    }

    pub(super) fn offers_what(&mut self, other: &Self) {
        self.tags_sent.extend(&other.tags_sent);
    }

    pub(super) fn instances(&self) -> usize {
        self.instances
    }

    /// Packs one instance of `parts` parts of one to two chunks each.
    pub(super) fn accept(&mut self, now: Moment, parts: u8, content: u8, random: [u8; 32]) {
        let study = StudyId([content % 3; 16]);
        self.instances += 1;
        self.source.open_study(now, study, Class::Routine);
        if !self.open.contains_key(&study) {
            self.open_segment(study, random);
        }
        let (segment, key) = &self.open[&study];
        let segment = *segment;
        let number = self.records_of(segment);
        let first = self
            .store
            .chunks
            .range((segment, 0)..=(segment, u64::MAX))
            .count() as u64;
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&random[..8]);
        let place = RecordPlace {
            number,
            random: nonce,
        };
        let mut packed = Packed {
            next: first,
            ..Packed::default()
        };
        for part in 0..parts {
            let raw = vec![content.wrapping_add(part); 40_000];
            let tag = ClinicKeys::of(&self.identity).tag(&raw);
            let repeat = !self.tags_sent.insert(tag.0);
            let tag = if repeat { tag.offered() } else { tag };
            packed.seal(key, place, part, &raw, tag, repeat);
        }
        for (serial, sealed) in packed.chunks {
            self.store.chunks.insert((segment, serial), sealed);
        }
        let body = RecordBody {
            first_chunk: first,
            start: Some(start(content)),
            parts: packed.parts,
            last: true,
        };
        let record = RecordBytes::seal(key, place, &body).unwrap();
        let info = RecordInfo {
            chunks: first..packed.next,
            bytes: packed.bytes + record.as_bytes().len() as u64,
            hash: record.hash(),
            starts: true,
            repeats: packed.repeats,
        };
        let bytes = record.as_bytes().to_vec();
        self.store
            .records
            .insert((segment, number), (info.clone(), bytes));
        self.store.contents.insert((segment, number), content);
        self.source.add_record(now, segment, info).unwrap();
    }

    fn open_segment(&mut self, study: StudyId, random: [u8; 32]) {
        let mut id = [0; 16];
        id.copy_from_slice(&random[16..]);
        let segment = SegmentId(id);
        let (key, signed) = SegmentHead::open_new(
            &self.identity,
            self.hub,
            &self.public,
            study,
            segment,
            random,
        )
        .unwrap();
        self.store.heads.insert(segment, (study, signed));
        self.open.insert(study, (segment, key));
        self.source.open_segment(study, segment);
    }

    fn records_of(&self, segment: SegmentId) -> u64 {
        self.store
            .records
            .range((segment, 0)..=(segment, u64::MAX))
            .count() as u64
    }

    pub(super) fn restart(&mut self, now: Moment) {
        self.open.clear();
        self.source = Source::new(self.identity.peer(), self.hub, ReceiptKind::Stored);
        for (segment, (study, _)) in &self.store.heads {
            let class = self.classes.get(study).copied().unwrap_or_default();
            self.source.resume_study(now, *study, class, false);
            self.source.open_segment(*study, *segment);
        }
        for ((segment, _), (info, _)) in &self.store.records {
            self.source.add_record(now, *segment, info.clone()).unwrap();
        }
        self.source.doubt_all();
        for receipt in &self.store.receipts {
            self.source.replay_receipt(receipt).unwrap();
        }
        while self.source.poll_event().is_some() {}
    }

    pub(super) fn prioritise(&mut self, pick: u8) {
        let class = Class::ALL[usize::from(pick % 4)];
        let study = StudyId([pick % 3; 16]);
        if self.source.prioritise(study, class).is_ok() {
            let counter = self.source.class_counter(study);
            self.classes.insert(study, (class, counter));
        }
    }

    pub(super) fn next(&mut self, now: Moment) -> Option<(Lane, Frame)> {
        let transmit = self.source.poll_transmit(now)?;
        let lane = transmit.lane();
        let frame = match transmit {
            Transmit::Frame(frame) => frame,
            Transmit::Head(_, segment) => Frame::Head(self.store.heads[&segment].1.clone()),
            Transmit::Record(_, segment, number) => {
                let bytes = self.store.records[&(segment, number)].1.clone();
                Frame::Record {
                    segment,
                    number,
                    bytes,
                }
            }
            Transmit::Chunk(_, segment, serial) => {
                self.chunks_sent += 1;
                let sealed = self.store.chunks[&(segment, serial)].clone();
                Frame::Chunk {
                    segment,
                    serial,
                    sealed,
                }
            }
        };
        let bytes = frame.to_bytes();
        assert_eq!(Frame::from_bytes(&bytes).as_ref(), Ok(&frame));
        Some((lane, frame))
    }

    pub(super) fn hear(&mut self, frame: Frame) {
        self.source.handle_frame(frame).unwrap();
        while let Some(event) = self.source.poll_event() {
            match event {
                SourceEvent::Receipt(signed) => {
                    self.store.receipts.push(signed.clone());
                    self.source.accept_receipt(&signed).unwrap();
                }
                SourceEvent::Gone(segment) => panic!("{segment} was never lost"),
                _ => {}
            }
        }
    }

    pub(super) fn all_released(&self) -> bool {
        self.store
            .heads
            .keys()
            .all(|segment| self.source.released(*segment))
    }

    pub(super) fn describe(&self) -> String {
        let open = self
            .store
            .heads
            .keys()
            .filter(|s| !self.source.released(**s));
        format!(
            "{} segments not released; timer {:?}",
            open.count(),
            self.source.poll_timeout()
        )
    }
}

/// The parts of one record, sealed.
#[derive(Default)]
struct Packed {
    next: u64,
    parts: Vec<PartRecord>,
    repeats: Vec<std::ops::Range<u64>>,
    chunks: Vec<(u64, Vec<u8>)>,
    bytes: u64,
}

impl Packed {
    fn seal(
        &mut self,
        key: &SegmentKey,
        record: RecordPlace,
        part: u8,
        raw: &[u8],
        tag: PartTag,
        repeat: bool,
    ) {
        let start = self.next;
        let mut chunks = Vec::new();
        for (index, plain) in (0..).zip(raw.chunks(32 * 1024)) {
            let place = ChunkPlace {
                record,
                part: u16::from(part),
                index,
            };
            let sealed = key.seal_chunk(place, plain).unwrap();
            chunks.push(ChunkId(*blake3::hash(&sealed).as_bytes()));
            self.bytes += sealed.len() as u64;
            self.chunks.push((self.next, sealed));
            self.next += 1;
        }
        if repeat {
            self.repeats.push(start..self.next);
        }
        let len = raw.len() as u64;
        let refs = Vec::new();
        self.parts.push(PartRecord {
            codec: 0,
            raw_len: len,
            packed_len: len,
            tag,
            refs,
            chunks,
        });
    }
}

fn start(content: u8) -> InstanceStart {
    InstanceStart {
        fingerprint: Fingerprint([content; 32]),
        length: 0,
        prefix: 0,
        origin: Origin::File,
        head: Head::Inline(PackedHead {
            codec: 0,
            raw_len: 4,
            refs: Vec::new(),
            packed: b"head".to_vec(),
        }),
    }
}

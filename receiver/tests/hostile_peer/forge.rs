//! Segments, records and chunks of a clinic that says whatever it likes.

use karez_protocol::id::{ChunkId, Fingerprint, HubKeyId, PartTag, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::{
    Head, InstanceStart, Origin, PackedHead, PartRecord, RecordBody, RecordBytes, SegmentHead,
};
use karez_protocol::seal::{ChunkPlace, HubSeed, RecordPlace, SegmentKey, Signed};
use karez_protocol::wire::{Frame, encode};

use crate::rude::Rude;
use crate::support::SEED;

/// A segment of the rude clinic's.
pub struct Forged {
    pub segment: SegmentId,
    pub key: SegmentKey,
    pub head: Signed,
}

pub fn segment(rude: &Rude, name: u8) -> Forged {
    segment_for(rude, rude.hub, SegmentId([name; 16]))
}

pub fn segment_for(rude: &Rude, hub: PeerId, segment: SegmentId) -> Forged {
    let public = HubSeed::new(SEED).keys(HubKeyId(0)).newest();
    let study = StudyId([200; 16]);
    let random = [segment.0[0]; 32];
    let opened = SegmentHead::open_new(&rude.identity, hub, &public, study, segment, random);
    let (key, head) = opened.unwrap();
    Forged { segment, key, head }
}

/// An instance whose head stands in its record.
pub fn start(length: u64) -> InstanceStart {
    InstanceStart {
        fingerprint: Fingerprint([5; 32]),
        length,
        prefix: 0,
        origin: Origin::File,
        head: Head::Inline(PackedHead {
            codec: 0,
            raw_len: 0,
            refs: Vec::new(),
            packed: Vec::new(),
        }),
    }
}

pub fn part(codec: u8, raw_len: u64, packed_len: u64, chunks: Vec<ChunkId>) -> PartRecord {
    PartRecord {
        codec,
        raw_len,
        packed_len,
        tag: PartTag([0; 16]),
        refs: Vec::new(),
        chunks,
    }
}

pub fn body(first_chunk: u64, parts: Vec<PartRecord>, last: bool) -> RecordBody {
    RecordBody {
        first_chunk,
        start: Some(start(1000)),
        parts,
        last,
    }
}

impl Forged {
    pub fn place(&self, number: u64) -> RecordPlace {
        RecordPlace {
            number,
            random: [1; 8],
        }
    }

    /// A record as a sender would seal it.
    pub fn record(&self, number: u64, body: &RecordBody) -> Frame {
        let bytes = RecordBytes::seal(&self.key, self.place(number), body).unwrap();
        self.frame(number, bytes.as_bytes().to_vec())
    }

    /// A record that breaks the rules that sealing checks.
    pub fn lawless(&self, number: u64, body: &RecordBody) -> Frame {
        let place = self.place(number);
        let sealed = self.key.seal_record(place, &encode(body)).unwrap();
        self.frame(number, [&place.random[..], &sealed].concat())
    }

    pub fn frame(&self, number: u64, bytes: Vec<u8>) -> Frame {
        Frame::Record {
            segment: self.segment,
            number,
            bytes,
        }
    }

    /// The sealed chunks of a part's packed bytes.
    pub fn chunks(&self, number: u64, part: u16, packed: &[u8]) -> Vec<Vec<u8>> {
        let seal = |(index, plain): (u32, &[u8])| {
            let place = ChunkPlace {
                record: self.place(number),
                part,
                index,
            };
            self.key.seal_chunk(place, plain).unwrap()
        };
        (0..).zip(packed.chunks(32 * 1024)).map(seal).collect()
    }

    pub fn chunk(&self, serial: u64, sealed: Vec<u8>) -> Frame {
        Frame::Chunk {
            segment: self.segment,
            serial,
            sealed,
        }
    }
}

pub fn ids(sealed: &[Vec<u8>]) -> Vec<ChunkId> {
    let id = |bytes: &Vec<u8>| ChunkId(*blake3::hash(bytes).as_bytes());
    sealed.iter().map(id).collect()
}

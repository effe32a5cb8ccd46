//! The hub's rebuilding: from records and chunks to the bytes that came in.

use std::collections::BTreeSet;

use karez_imaging::{CodecId, PackedPart, PartRef as ImagingRef, Unpacker};
use karez_protocol::id::{PeerId, SegmentId};
use karez_protocol::manifest::{Head, PartRef, RecordBody, RecordBytes};
use karez_protocol::resume::What;
use karez_protocol::seal::{ChunkPlace, RecordPlace};
use karez_protocol::session::{LINK_NOTE, Link, Sink};
use karez_protocol::wire::decode;
use karez_store::Kind;

use super::hub::State;

impl State {
    /// A new memory, from what is durable.
    pub fn restore(&mut self) {
        let (now, me, keys, epoch) = (
            self.now(),
            self.identity.peer(),
            self.keys.clone(),
            self.epoch(),
        );
        for (clinic, store) in &mut self.stores {
            let mut sink = Sink::new(me, *clinic, keys.clone(), epoch);
            let segments: Vec<SegmentId> = store.segments().collect();
            for id in &segments {
                sink.restore_head(store.head(*id).unwrap()).unwrap();
                for token in store.held(*id, Kind::Record).collect::<Vec<_>>() {
                    let What::Record(n) = token.what() else {
                        continue;
                    };
                    sink.restore_record(token, store.read(*id, Kind::Record, n).unwrap())
                        .unwrap();
                }
                for token in store.held(*id, Kind::Chunk) {
                    sink.restore_chunk(token);
                }
                for token in store.held(*id, Kind::Note(LINK_NOTE)).collect::<Vec<_>>() {
                    let What::Note(_, n) = token.what() else {
                        continue;
                    };
                    let note = store.read(*id, Kind::Note(LINK_NOTE), n).unwrap();
                    sink.restore_link(token, &note);
                }
            }
            for (_, receipt, signed) in self.receipts.iter().filter(|(of, ..)| of == clinic) {
                sink.keep_receipt(receipt, signed);
            }
            for id in segments {
                sink.restored(now, id);
            }
            sink.ask_for_open();
            self.sinks.insert(*clinic, sink);
        }
        for clinic in self.sinks.keys().copied().collect::<Vec<_>>() {
            self.collect(clinic);
        }
    }

    pub fn rebuild(
        &mut self,
        clinic: PeerId,
        segment: SegmentId,
        records: std::ops::Range<u64>,
    ) -> Vec<u8> {
        let bodies: Vec<(RecordPlace, RecordBody)> = records
            .clone()
            .map(|n| self.body(clinic, segment, n))
            .collect();
        let start = bodies[0].1.start.clone().unwrap();
        assert!(bodies.last().unwrap().1.last);
        assert_eq!(bodies.iter().filter(|(_, b)| b.last).count(), 1);
        let count: usize = bodies.iter().map(|(_, b)| b.parts.len()).sum();
        let inline = matches!(start.head, Head::Inline(_));
        let parts = count + usize::from(inline);
        let mut unpacker = Unpacker::new();
        let mut raw = Vec::new();
        for part in 0..parts as u32 {
            raw.push(self.raw(
                clinic,
                segment,
                &mut unpacker,
                PartRef {
                    record: records.start,
                    part,
                },
            ));
        }
        let head = raw.remove(0);
        let (prefix, suffix) = head.split_at(start.prefix as usize);
        let whole = [prefix, &raw.concat(), suffix].concat();
        assert_eq!(whole.len() as u64, start.length);
        assert_eq!(
            blake3::hash(&whole).as_bytes(),
            &start.fingerprint.0,
            "rebuilt to other bytes"
        );
        self.origins.push(start.origin);
        whole
    }

    /// The codecs of all parts of its only clinic.
    pub fn codecs(&mut self) -> BTreeSet<u8> {
        let clinic = *self.sinks.keys().next().unwrap();
        let segments: Vec<_> = self.sinks[&clinic].segments().map(|(id, _)| id).collect();
        let mut codecs = BTreeSet::new();
        for id in segments {
            let records = self.sinks[&clinic].have(id).unwrap().records().clone();
            for number in records.iter().flatten() {
                let body = self.body(clinic, id, number).1;
                codecs.extend(body.parts.iter().map(|part| part.codec));
            }
        }
        codecs
    }

    fn body(
        &mut self,
        clinic: PeerId,
        segment: SegmentId,
        number: u64,
    ) -> (RecordPlace, RecordBody) {
        let bytes = self
            .stores
            .get_mut(&clinic)
            .unwrap()
            .read(segment, Kind::Record, number)
            .unwrap();
        let record = RecordBytes::from_bytes(bytes).unwrap();
        let key = self.sinks[&clinic].key(segment).unwrap();
        (record.place(number), record.open(key, number).unwrap())
    }

    /// The raw bytes of a part of an instance, named by the instance's first record.
    fn raw(
        &mut self,
        clinic: PeerId,
        segment: SegmentId,
        unpacker: &mut Unpacker,
        at: PartRef,
    ) -> Vec<u8> {
        let (packed, linked) = self.packed(clinic, segment, at);
        if let Some(link) = linked {
            let (first, part) = self.instance_part(clinic, link);
            return self.raw(
                clinic,
                link.is.segment,
                &mut Unpacker::new(),
                PartRef {
                    record: first,
                    part,
                },
            );
        }
        let at = ImagingRef {
            record: at.record,
            part: at.part,
        };
        let packed = packed.unwrap();
        let fetch = &mut |r: ImagingRef| -> Result<PackedPart, ()> {
            let at = PartRef {
                record: r.record,
                part: r.part,
            };
            let (packed, linked) = self.packed(clinic, segment, at);
            assert!(linked.is_none(), "a part that others build on was linked");
            Ok(packed.unwrap())
        };
        unpacker.unpack(at, &packed, fetch).unwrap()
    }

    /// Where in its instance a linked part stands.
    fn instance_part(&mut self, clinic: PeerId, link: Link) -> (u64, u32) {
        let mut part = link.is.part;
        let mut number = link.is.record;
        loop {
            let (_, body) = self.body(clinic, link.is.segment, number);
            if let Some(start) = body.start {
                let inline = matches!(start.head, Head::Inline(_));
                return (number, part + u32::from(inline));
            }
            number -= 1;
            part += self.body(clinic, link.is.segment, number).1.parts.len() as u32;
        }
    }

    fn packed(
        &mut self,
        clinic: PeerId,
        segment: SegmentId,
        at: PartRef,
    ) -> (Option<PackedPart>, Option<Link>) {
        let mut number = at.record;
        let (mut place, mut body) = self.body(clinic, segment, number);
        let mut index = at.part as usize;
        if let Some(Head::Inline(head)) = body.start.as_ref().map(|s| &s.head) {
            if index == 0 {
                let packed = PackedPart {
                    codec: CodecId(head.codec),
                    raw_len: head.raw_len,
                    packed: head.packed.clone(),
                    refs: head.refs.iter().map(imaging).collect(),
                };
                return (Some(packed), None);
            }
            index -= 1;
        }
        while index >= body.parts.len() {
            index -= body.parts.len();
            number += 1;
            (place, body) = self.body(clinic, segment, number);
        }
        let (part, serials) = body.parts_with_serials().nth(index).unwrap();
        let mut link = None;
        let store = self.stores.get_mut(&clinic).unwrap();
        store
            .notes(segment, &mut |tag, _, bytes| {
                let read = decode::<Link>(bytes).unwrap();
                if tag == LINK_NOTE && read.record == number && read.part as usize == index {
                    link = Some(read);
                }
            })
            .unwrap();
        if link.is_some() {
            return (None, link);
        }
        let key = self.sinks[&clinic].key(segment).unwrap();
        let mut packed = Vec::new();
        for (i, serial) in serials.enumerate() {
            let sealed = store.read(segment, Kind::Chunk, serial).unwrap();
            let place = ChunkPlace {
                record: place,
                part: index as u16,
                index: i as u32,
            };
            packed.extend(key.open_chunk(place, &sealed).unwrap());
        }
        let part = PackedPart {
            codec: CodecId(part.codec),
            raw_len: part.raw_len,
            packed,
            refs: part.refs.iter().map(imaging).collect(),
        };
        (Some(part), None)
    }
}

fn imaging(r: &PartRef) -> ImagingRef {
    ImagingRef {
        record: r.record,
        part: r.part,
    }
}

//! The worked examples in `vectors/`, made anew from their inputs and compared. To write them
//! after a deliberate change of format: `KAREZ_WRITE_VECTORS=1 cargo test --test vectors`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::path::Path;

use karez_protocol::id::{
    ChunkId, Epoch, Fingerprint, HubKeyId, PartTag, PeerId, ProcessId, SegmentId, StudyId, hex,
};
use karez_protocol::manifest::{
    Gone, Head, InstanceStart, NamedRecords, Origin, PackedHead, PartRecord, PartRef, Proof,
    Receipt, ReceiptKind, RecordBody, RecordBytes, Revision, RootHasher, SegmentHead,
};
use karez_protocol::priority::Class;
use karez_protocol::resume::{HaveSet, Stored, What};
use karez_protocol::seal::{
    ChunkPlace, ClinicKeys, HubSeed, Identity, IngestKey, RecordPlace, SegmentKey, SegmentNames,
};
use karez_protocol::wire::{Frame, Hello, Join, Joined, Refusal};

const STUDY: StudyId = StudyId([0x11; 16]);
const SEGMENT: SegmentId = SegmentId([0x22; 16]);

fn clinic() -> Identity {
    Identity::from_secret(&[0x33; 32])
}

fn hub() -> HubSeed {
    HubSeed::new([0x44; 32])
}

fn segment() -> (SegmentKey, Frame) {
    let (key, head) = SegmentHead::open_new(
        &clinic(),
        hub().identity().peer(),
        &hub().keys(HubKeyId(0)).newest(),
        STUDY,
        SEGMENT,
        [0x55; 32],
    )
    .unwrap();
    (key, Frame::Head(head))
}

fn record_body() -> RecordBody {
    RecordBody {
        first_chunk: 7,
        start: Some(InstanceStart {
            fingerprint: Fingerprint([0x66; 32]),
            length: 70_000,
            prefix: 300,
            origin: Origin::Dimse { meta: 200 },
            head: Head::Inline(PackedHead {
                codec: 1,
                raw_len: 310,
                refs: vec![PartRef { record: 2, part: 0 }],
                packed: b"packed head".to_vec(),
            }),
        }),
        parts: vec![PartRecord {
            codec: 0,
            raw_len: 69_690,
            packed_len: 40_000,
            tag: PartTag([0x77; 16]),
            refs: vec![],
            chunks: vec![ChunkId([0x88; 32]), ChunkId([0x99; 32])],
        }],
        last: true,
    }
}

fn sealing() -> Vec<(&'static str, Vec<u8>)> {
    let (key, head) = segment();
    let place = RecordPlace {
        number: 3,
        random: [0xaa; 8],
    };
    let record = RecordBytes::seal(&key, place, &record_body()).unwrap();
    let chunk = key
        .seal_chunk(
            ChunkPlace {
                record: place,
                part: 1,
                index: 2,
            },
            b"chunk",
        )
        .unwrap();
    let keys = ClinicKeys::of(&clinic());
    let (file, header) = IngestKey::new([0xbb; 32]).new_file([0xcc; 48]).unwrap();
    let mut root = RootHasher::default();
    root.segment(SEGMENT);
    root.record(3, &record.hash());
    vec![
        ("hub identity", hub().identity().peer().0.to_vec()),
        ("hub key 0", hub().keys(HubKeyId(0)).newest().key.to_vec()),
        ("hub key 1", hub().keys(HubKeyId(1)).newest().key.to_vec()),
        ("recovery sheet", hub().sheet().join(" ").into_bytes()),
        ("clinic identity", clinic().peer().0.to_vec()),
        ("study id of 1.2.840.1", keys.study(b"1.2.840.1").0.to_vec()),
        ("tag of abc", keys.tag(b"abc").0.to_vec()),
        ("segment key", key.expose_for_search().to_vec()),
        ("head frame", head.to_bytes()),
        ("record 3", record.as_bytes().to_vec()),
        ("chunk 2 of part 1 of record 3", chunk),
        ("root over record 3", root.finish().0.to_vec()),
        ("ingest file header", header.to_vec()),
        (
            "ingest last block 0 of abc",
            file.seal_block(0, true, b"abc").unwrap(),
        ),
    ]
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let all = [live_frames(), sealed_frames(), signed_frames()].concat();
    all.into_iter()
        .map(|(name, frame)| (name, frame.to_bytes()))
        .collect()
}

fn hello() -> Hello {
    Hello {
        oldest: 1,
        newest: 1,
        process: ProcessId([1; 8]),
        epoch: Epoch([2; 8]),
        hub_key: HubKeyId(0),
        agent: "karez-sender 0.1.0".into(),
    }
}

fn named() -> NamedRecords {
    NamedRecords {
        segment: SEGMENT,
        runs: vec![(0, 3), (5, 260)],
    }
}

fn live_frames() -> Vec<(&'static str, Frame)> {
    let mut set = HaveSet::default();
    for n in [0, 1, 2, 5, 6, 300] {
        set.grow(Stored::attest(SEGMENT, What::Chunk(n)));
        set.grow(Stored::attest(SEGMENT, What::Record(n / 100)));
    }
    let priority = Frame::Priority {
        study: STUDY,
        class: Class::Stat,
        counter: 1,
    };
    let want = Frame::Want {
        segment: SEGMENT,
        records: named(),
        chunks: named(),
    };
    vec![
        ("hello", Frame::Hello(hello())),
        ("priority", priority),
        ("ask", Frame::Ask(vec![SEGMENT])),
        (
            "have",
            Frame::Have(set.say(Epoch([2; 8]), SEGMENT).remove(0)),
        ),
        ("want", want),
        ("busy", Frame::Busy("disk full".into())),
    ]
}

fn sealed_frames() -> Vec<(&'static str, Frame)> {
    let record = Frame::Record {
        segment: SEGMENT,
        number: 3,
        bytes: vec![9; 30],
    };
    let chunk = Frame::Chunk {
        segment: SEGMENT,
        serial: 300,
        sealed: vec![8; 300],
    };
    vec![("record", record), ("chunk", chunk)]
}

fn signed_frames() -> Vec<(&'static str, Frame)> {
    let root = RootHasher::default().finish();
    let revision = Revision {
        study: STUDY,
        segments: vec![(SEGMENT, 265)],
        root,
    };
    let receipt = Receipt {
        kind: ReceiptKind::Stored,
        proof: Proof::ReadBack,
        hub_key: HubKeyId(0),
        clinic: clinic().peer(),
        study: STUDY,
        records: vec![named()],
        root,
        reason: String::new(),
        audit: [0; 32],
    };
    let gone = Gone { records: named() };
    let keys = hub().keys(HubKeyId(0)).newest().sign(&hub().identity());
    let agent = "karez-sender 0.1.0".into();
    let join = Join {
        token: [4; 16],
        agent,
    };
    let joined = Joined {
        name: "duki".into(),
        keys: keys.clone(),
    };
    let refusal = Refusal {
        code: Refusal::REVOKED,
        text: "revoked".into(),
    };
    vec![
        ("revision", Frame::Revision(revision.sign(&clinic()))),
        ("gone", Frame::Gone(gone.sign(&clinic()))),
        ("receipt", Frame::Receipt(receipt.sign(&hub().identity()))),
        ("keys", Frame::Keys(keys)),
        ("join", Frame::Join(join)),
        ("joined", Frame::Joined(joined)),
        ("refused", Frame::Refused(refusal)),
        ("reads", Frame::Reads((0..9).collect())),
    ]
}

fn compare(file: &str, intro: &str, vectors: &[(&str, Vec<u8>)]) {
    let mut text = format!("# {intro}\n");
    for (name, bytes) in vectors {
        writeln!(text, "{name}: {}", hex(bytes)).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(file);
    if std::env::var_os("KAREZ_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    for (ours, theirs) in text.lines().zip(kept.lines()) {
        assert_eq!(ours, theirs, "the format has changed: {file}");
    }
    assert_eq!(text.lines().count(), kept.lines().count(), "{file}");
}

#[test]
fn sealing_gives_the_bytes_of_the_vectors() {
    let intro = "Keys, names and seals: SPEC.md 1, 3, 4, 8. Inputs: tests/vectors.rs";
    compare("sealing.txt", intro, &sealing());
}

#[test]
fn frames_have_the_bytes_of_the_vectors() {
    let intro = "One frame of each kind: SPEC.md 2.2. Inputs: tests/vectors.rs";
    compare("frames.txt", intro, &frames());
}

#[test]
fn a_hub_opens_the_vectors() {
    let names = SegmentNames {
        sender: clinic().peer(),
        receiver: PeerId(hub().identity().peer().0),
        study: STUDY,
        segment: SEGMENT,
    };
    let (_, Frame::Head(signed)) = segment() else {
        unreachable!()
    };
    let head = SegmentHead::read(&signed).unwrap();
    assert_eq!(head.names(), names);
    let key = head.key(&hub().keys(HubKeyId(0))).unwrap();
    let place = RecordPlace {
        number: 3,
        random: [0xaa; 8],
    };
    let record = RecordBytes::seal(&key, place, &record_body()).unwrap();
    assert_eq!(record.open(&key, 3).unwrap(), record_body());
}

//! Every frame, record and statement reads back from its bytes, and from no other bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use karez_protocol::id::{
    ChunkId, Epoch, Fingerprint, HubKeyId, PartTag, PeerId, ProcessId, Root, SegmentId, StudyId,
};
use karez_protocol::manifest::{
    Gone, Head, InstanceStart, NamedRecords, Origin, PackedHead, PartRecord, PartRef, Proof,
    Receipt, ReceiptKind, RecordBody, RecordBytes, Revision, SegmentHead,
};
use karez_protocol::priority::Class;
use karez_protocol::resume::{HaveSet, Stored, What};
use karez_protocol::seal::{HubSeed, Identity, RecordPlace, SegmentKey, SegmentNames, Signed};
use karez_protocol::wire::{Frame, Hello, Join, Joined, Refusal, WireError};
use proptest::prelude::*;

fn signed() -> impl Strategy<Value = Signed> {
    (
        prop::collection::vec(any::<u8>(), 0..300),
        any::<[u8; 32]>(),
        any::<[u8; 32]>(),
    )
        .prop_map(|(body, a, b)| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&a);
            signature[32..].copy_from_slice(&b);
            Signed { body, signature }
        })
}

fn segment() -> impl Strategy<Value = SegmentId> {
    any::<[u8; 16]>().prop_map(SegmentId)
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(Class::ALL.to_vec())
}

fn named() -> impl Strategy<Value = NamedRecords> {
    (
        segment(),
        prop::collection::vec((any::<u64>(), any::<u64>()), 0..8),
    )
        .prop_map(|(segment, runs)| NamedRecords { segment, runs })
}

fn hello() -> impl Strategy<Value = Hello> {
    (any::<(u8, u8, [u8; 8], [u8; 8], u32)>(), ".{0,40}").prop_map(|(n, agent)| Hello {
        oldest: n.0,
        newest: n.1,
        process: ProcessId(n.2),
        epoch: Epoch(n.3),
        hub_key: HubKeyId(n.4),
        agent,
    })
}

fn have() -> impl Strategy<Value = Frame> {
    (
        segment(),
        prop::collection::vec(0_u64..2000, 0..90),
        any::<[u8; 8]>(),
    )
        .prop_map(|(segment, numbers, epoch)| {
            let mut set = HaveSet::default();
            for n in numbers {
                set.grow(Stored::attest(segment, What::Chunk(n)));
                set.grow(Stored::attest(segment, What::Record(n / 2)));
            }
            Frame::Have(set.say(Epoch(epoch), segment).remove(0))
        })
}

fn frame() -> impl Strategy<Value = Frame> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..400);
    prop_oneof![
        hello().prop_map(Frame::Hello),
        signed().prop_map(Frame::Head),
        (segment(), any::<u64>(), bytes()).prop_map(|(segment, number, bytes)| Frame::Record {
            segment,
            number,
            bytes
        }),
        (segment(), any::<u64>(), bytes()).prop_map(|(segment, serial, sealed)| Frame::Chunk {
            segment,
            serial,
            sealed
        }),
        signed().prop_map(Frame::Revision),
        signed().prop_map(Frame::Gone),
        (any::<[u8; 16]>(), class(), any::<u64>()).prop_map(|(study, class, counter)| {
            Frame::Priority {
                study: StudyId(study),
                class,
                counter,
            }
        }),
        prop::collection::vec(segment(), 0..48).prop_map(Frame::Ask),
        have(),
        (segment(), named(), named()).prop_map(|(segment, records, chunks)| Frame::Want {
            segment,
            records,
            chunks
        }),
        signed().prop_map(Frame::Receipt),
        ".{0,80}".prop_map(Frame::Busy),
        signed().prop_map(Frame::Keys),
        (any::<[u8; 16]>(), ".{0,40}")
            .prop_map(|(token, agent)| Frame::Join(Join { token, agent })),
        (".{0,40}", signed()).prop_map(|(name, keys)| Frame::Joined(Joined { name, keys })),
        (any::<u16>(), ".{0,80}").prop_map(|(code, text)| Frame::Refused(Refusal { code, text })),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Frame::Reads),
    ]
}

fn part() -> impl Strategy<Value = PartRecord> {
    (
        any::<(u8, [u8; 16])>(),
        0_u64..200_000,
        0_u64..200_000,
        refs(),
    )
        .prop_map(|((codec, tag), raw_len, packed_len, refs)| {
            let count = packed_len.div_ceil(32 * 1024) as u8;
            let chunks = (0..count).map(|n| ChunkId([n; 32])).collect();
            PartRecord {
                codec,
                raw_len,
                packed_len,
                tag: PartTag(tag),
                refs,
                chunks,
            }
        })
}

fn refs() -> impl Strategy<Value = Vec<PartRef>> {
    prop::collection::vec(
        any::<(u64, u32)>().prop_map(|(record, part)| PartRef { record, part }),
        0..4,
    )
}

fn start() -> impl Strategy<Value = InstanceStart> {
    let head = (
        any::<(u8, u32)>(),
        refs(),
        prop::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(|((codec, raw), refs, packed)| {
            Head::Inline(PackedHead {
                codec,
                raw_len: u64::from(raw >> 8),
                refs,
                packed,
            })
        });
    let origin = prop_oneof![
        Just(Origin::File),
        any::<u32>().prop_map(|meta| Origin::Dimse { meta }),
    ];
    (any::<([u8; 32], u64, u64)>(), origin, head).prop_map(
        |((print, length, prefix), origin, head)| InstanceStart {
            fingerprint: Fingerprint(print),
            length,
            prefix,
            origin,
            head,
        },
    )
}

fn body() -> impl Strategy<Value = RecordBody> {
    (
        0_u64..1000,
        prop::option::of(start()),
        prop::collection::vec(part(), 0..5),
        any::<bool>(),
    )
        .prop_map(|(first_chunk, start, parts, last)| RecordBody {
            first_chunk,
            start,
            parts,
            last,
        })
}

fn key() -> SegmentKey {
    let names = SegmentNames {
        sender: PeerId([1; 32]),
        receiver: PeerId([2; 32]),
        study: StudyId([3; 16]),
        segment: SegmentId([4; 16]),
    };
    let hub = HubSeed::new([5; 32]).keys(HubKeyId(0));
    SegmentKey::open_new(&names, &hub.newest(), [6; 32])
        .unwrap()
        .0
}

proptest! {
    #[test]
    fn a_frame_reads_back_from_its_bytes(frame in frame()) {
        let bytes = frame.to_bytes();
        prop_assert_eq!(Frame::from_bytes(&bytes), Ok(frame));
    }

    #[test]
    fn a_cut_or_lengthened_frame_is_refused(frame in frame(), cut: prop::sample::Index) {
        let mut bytes = frame.to_bytes();
        let cut = cut.index(bytes.len());
        prop_assert!(Frame::from_bytes(&bytes[..cut]).is_err());
        bytes.push(0);
        prop_assert!(Frame::from_bytes(&bytes).is_err());
    }

    #[test]
    fn bytes_of_a_stranger_never_panic_and_only_canonical_ones_pass(mut bytes: Vec<u8>) {
        bytes.insert(0, 1);
        if let Ok(frame) = Frame::from_bytes(&bytes) {
            prop_assert_eq!(frame.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_record_opens_to_what_was_sealed(body in body(), number: u64, random: [u8; 8]) {
        let key = key();
        let record = RecordBytes::seal(&key, RecordPlace { number, random }, &body).unwrap();
        let again = RecordBytes::from_bytes(record.as_bytes().to_vec()).unwrap();
        prop_assert_eq!(again.open(&key, number), Ok(body));
        prop_assert!(again.open(&key, number.wrapping_add(1)).is_err());
    }

    #[test]
    fn statements_hold_for_their_signer_alone(
        study: [u8; 16], root: [u8; 32], records in prop::collection::vec(named(), 0..5),
        reason in ".{0,50}",
    ) {
        let hub = HubSeed::new([5; 32]).identity();
        let clinic = Identity::from_secret(&[8; 32]);
        let receipt = Receipt {
            kind: ReceiptKind::Stored, proof: Proof::ReadBack, hub_key: HubKeyId(0),
            clinic: clinic.peer(), study: StudyId(study), records: records.clone(),
            root: Root(root), reason, audit: [0; 32],
        };
        let signed = receipt.sign(&hub);
        prop_assert_eq!(Receipt::read(&hub.peer(), &clinic.peer(), &signed), Ok(receipt));
        prop_assert!(Receipt::read(&clinic.peer(), &clinic.peer(), &signed).is_err());
        prop_assert!(Receipt::read(&hub.peer(), &hub.peer(), &signed).is_err(), "another clinic's");
        let segments = records.iter().map(|n| (n.segment, 3)).collect();
        let revision = Revision { study: StudyId(study), segments, root: Root(root) };
        prop_assert_eq!(Revision::read(&clinic.peer(), &revision.sign(&clinic)), Ok(revision));
        for records in records {
            let gone = Gone { records };
            prop_assert!(Revision::read(&clinic.peer(), &gone.sign(&clinic)).is_err());
            prop_assert_eq!(Gone::read(&clinic.peer(), &gone.sign(&clinic)), Ok(gone));
        }
    }
}

#[test]
fn a_frame_of_another_version_says_which() {
    let mut bytes = Frame::Busy("full".into()).to_bytes();
    bytes[0] = 9;
    assert_eq!(Frame::from_bytes(&bytes), Err(WireError::Version(9)));
    let text = Frame::from_bytes(&bytes).unwrap_err().to_string();
    assert!(
        text.contains("version 9") && text.contains("update"),
        "{text}"
    );
}

#[test]
fn a_frame_of_a_later_variant_is_known_as_such() {
    for bytes in [&[1, 17][..], &[1, 200, 1, 2, 3]] {
        let error = Frame::from_bytes(bytes).unwrap_err();
        assert_eq!(error, WireError::Unknown(bytes[1]));
    }
    let last = Frame::Reads(vec![0, 1, 8]).to_bytes();
    assert_eq!(last[1], 16);
    assert!(Frame::from_bytes(&last).is_ok());
}

#[test]
fn a_head_of_a_newer_format_says_so() {
    let clinic = Identity::from_secret(&[8; 32]);
    let hub = HubSeed::new([5; 32]);
    let (_, mut signed) = SegmentHead::open_new(
        &clinic,
        hub.identity().peer(),
        &hub.keys(HubKeyId(0)).newest(),
        StudyId([1; 16]),
        SegmentId([2; 16]),
        [3; 32],
    )
    .unwrap();
    assert!(SegmentHead::read(&signed).is_ok());
    signed.body[0] = 2;
    let text = SegmentHead::read(&signed).unwrap_err().to_string();
    assert!(
        text.contains("format 2") && text.contains("update"),
        "{text}"
    );
}

#[test]
fn sides_without_a_common_version_part_with_both_ranges_named() {
    let hello = |oldest, newest| Hello {
        oldest,
        newest,
        process: ProcessId([0; 8]),
        epoch: Epoch([0; 8]),
        hub_key: HubKeyId(0),
        agent: String::new(),
    };
    assert_eq!(hello(1, 3).meet(&hello(2, 5)), Ok(3));
    let refusal = hello(1, 1).meet(&hello(2, 5)).unwrap_err();
    assert!(
        refusal.text.contains("1-1") && refusal.text.contains("2-5"),
        "{}",
        refusal.text
    );
}

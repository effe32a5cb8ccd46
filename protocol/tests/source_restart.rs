//! What a source owes after its process was restarted, and what it says once all has arrived.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use karez_protocol::id::{Epoch, HubKeyId, Root, SegmentId, StudyId};
use karez_protocol::manifest::{NamedRecords, Proof, Receipt, ReceiptKind, Revision, RootHasher};
use karez_protocol::priority::Class;
use karez_protocol::resume::HaveSet;
use karez_protocol::seal::{Identity, Signed};
use karez_protocol::session::{Lane, RecordInfo, Source, SourceError, SourceEvent, Transmit, Why};
use karez_protocol::units::Moment;
use karez_protocol::wire::Frame;

const STUDY: StudyId = StudyId([1; 16]);
const EVICTED: SegmentId = SegmentId([2; 16]);
const KEPT: SegmentId = SegmentId([3; 16]);

fn identities() -> (Identity, Identity) {
    (
        Identity::from_secret(&[1; 32]),
        Identity::from_secret(&[2; 32]),
    )
}

/// A source with one instance of one record in `KEPT`.
fn source() -> Source {
    let (clinic, hub) = identities();
    let mut source = Source::new(clinic.peer(), hub.peer(), ReceiptKind::Stored);
    source.resume_study(Moment::default(), STUDY, (Class::Urgent, 3), false);
    source.open_segment(STUDY, KEPT);
    let info = RecordInfo {
        chunks: 0..0,
        bytes: 100,
        hash: [9; 32],
        starts: true,
        repeats: Vec::new(),
    };
    source.add_record(Moment::default(), KEPT, info).unwrap();
    source
}

fn receipt() -> Signed {
    let (clinic, hub) = identities();
    let one = |segment| NamedRecords {
        segment,
        runs: vec![(0, 1)],
    };
    Receipt {
        kind: ReceiptKind::Stored,
        proof: Proof::Status,
        hub_key: HubKeyId(0),
        clinic: clinic.peer(),
        study: STUDY,
        records: vec![one(EVICTED), one(KEPT)],
        root: Root([0; 32]),
        reason: String::new(),
        audit: [0; 32],
    }
    .sign(&hub)
}

#[test]
fn a_receipt_of_an_earlier_process_still_releases_what_is_left_of_what_it_names() {
    let mut source = source();
    assert_eq!(
        source.accept_receipt(&receipt()),
        Err(SourceError::UnknownSegment(EVICTED))
    );
    assert_eq!(source.replay_receipt(&receipt()).unwrap().study, STUDY);
    assert!(source.released(KEPT));
    let released = std::iter::from_fn(|| source.poll_event());
    let of_kept = |e: SourceEvent| matches!(e, SourceEvent::Released { segment: KEPT, .. });
    assert_eq!(released.filter(|e| of_kept(e.clone())).count(), 1);
}

#[test]
fn a_revision_made_after_everything_was_released_is_still_told() {
    let (clinic, _) = identities();
    let mut source = source();
    source.replay_receipt(&receipt()).unwrap();
    let revision = Revision {
        study: STUDY,
        segments: vec![(KEPT, 1)],
        root: Root([0; 32]),
    };
    source.set_revision(STUDY, revision.sign(&clinic));
    source.connected(Moment::default());
    let mut told = Vec::new();
    while let Some(lane) = source.next_lane(Moment::default()) {
        let next = source.poll_transmit(Moment::default());
        told.extend(next.map(|t| (lane, t)));
    }
    let is = |wanted: fn(&Frame) -> bool| {
        told.iter()
            .any(|(_, t)| matches!(t, Transmit::Frame(f) if wanted(f)))
    };
    assert!(is(|f| matches!(f, Frame::Revision(_))), "{told:?}");
    assert!(is(|f| matches!(
        f,
        Frame::Priority {
            class: Class::Urgent,
            counter: 3,
            ..
        }
    )));
    assert_eq!(source.class_counter(STUDY), 3);
}

#[test]
fn the_lane_named_first_is_the_lane_of_what_comes() {
    let mut source = source();
    source.connected(Moment::default());
    let mut lanes = Vec::new();
    while let Some(lane) = source.next_lane(Moment::default()) {
        let Some(next) = source.poll_transmit(Moment::default()) else {
            break;
        };
        if !matches!(next, Transmit::Frame(_)) {
            assert_eq!(lane, next.lane());
            lanes.push(lane);
        }
    }
    assert_eq!(
        lanes,
        [Lane::Class(Class::Urgent); 2],
        "a head and a record"
    );
}

#[test]
fn records_taken_back_are_no_longer_owed_and_others_can_follow() {
    let mut source = source();
    let info = |chunks: std::ops::Range<u64>| RecordInfo {
        chunks,
        bytes: 1000,
        hash: [8; 32],
        starts: true,
        repeats: Vec::new(),
    };
    source
        .add_record(Moment::default(), KEPT, info(0..7))
        .unwrap();
    source.cut_segment(KEPT, 1);
    assert_eq!(source.progress(STUDY), (0, 100));
    assert_eq!(source.records(KEPT).len(), 1);
    source
        .add_record(Moment::default(), KEPT, info(0..2))
        .unwrap();
    assert_eq!(source.records(KEPT).len(), 2);
}

#[test]
fn what_a_receipt_released_is_sent_again_only_when_a_restored_hub_demands_it() {
    let mut source = source();
    let second = RecordInfo {
        chunks: 0..2,
        bytes: 100,
        hash: [8; 32],
        starts: true,
        repeats: Vec::new(),
    };
    source
        .add_record(Moment::default(), KEPT, second.clone())
        .unwrap();
    let third = RecordInfo {
        chunks: 2..3,
        ..second
    };
    source.add_record(Moment::default(), KEPT, third).unwrap();
    let (clinic, hub) = identities();
    let mut stored = Receipt::read(&hub.peer(), &clinic.peer(), &receipt()).unwrap();
    stored.records[1].runs = vec![(0, 2)];
    source.replay_receipt(&stored.sign(&hub)).unwrap();
    source.connected(Moment::default());
    let nothing = HaveSet::default().say(Epoch([1; 8]), KEPT).remove(0);
    source.handle_frame(Frame::Have(nothing.clone())).unwrap();
    let sent = |source: &mut Source| {
        let all = std::iter::from_fn(|| source.poll_transmit(Moment::default()));
        all.filter(|t| !matches!(t, Transmit::Frame(_) | Transmit::Head(..)))
            .collect::<Vec<_>>()
    };
    let lane = Lane::Class(Class::Urgent);
    let of_third = [
        Transmit::Record(lane, KEPT, 2),
        Transmit::Chunk(lane, KEPT, 2),
    ];
    assert_eq!(sent(&mut source), of_third);
    let want = Frame::Want {
        segment: KEPT,
        records: NamedRecords {
            segment: KEPT,
            runs: vec![(1, 1)],
        },
        chunks: NamedRecords {
            segment: KEPT,
            runs: Vec::new(),
        },
    };
    source.handle_frame(want).unwrap();
    source.handle_frame(Frame::Have(nothing)).unwrap();
    let of_second = [
        Transmit::Record(lane, KEPT, 1),
        Transmit::Chunk(lane, KEPT, 0),
        Transmit::Chunk(lane, KEPT, 1),
    ];
    assert_eq!(sent(&mut source), of_second);
}

#[test]
fn a_busy_hub_is_asked_now_and_then_so_that_its_restart_is_noticed() {
    let mut source = source();
    source.connected(Moment::default());
    while source.poll_transmit(Moment::default()).is_some() {}
    source.handle_frame(Frame::Busy("full".into())).unwrap();
    assert_eq!(source.poll_transmit(Moment::default()), None);
    let (at, _) = source.poll_timeout().unwrap();
    source.handle_timeout(at);
    let asked = Transmit::Frame(Frame::Ask(vec![KEPT]));
    assert_eq!(source.poll_transmit(at), Some(asked));
    assert_eq!(source.poll_transmit(at), None);
}

/// How often it asks in so long a time.
fn questions(source: &mut Source, now: &mut Moment, length: Duration) -> usize {
    let end = now.after(length);
    let mut asked = 0;
    loop {
        while source.poll_transmit(*now).is_some() {}
        match source.poll_timeout() {
            Some((at, why)) if at <= end => {
                *now = at;
                asked += usize::from(why == Why::Ask);
                source.handle_timeout(*now);
            }
            _ => {
                *now = end;
                return asked;
            }
        }
    }
}

#[test]
fn while_only_the_archive_is_waited_for_a_day_has_few_questions_and_news_brings_them_back() {
    let hour = Duration::from_secs(3600);
    let (clinic, hub) = identities();
    let mut source = source();
    let mut now = Moment::default();
    source.connected(now);
    assert_eq!(questions(&mut source, &mut now, hour), 60, "not there yet");
    let mut verified = Receipt::read(&hub.peer(), &clinic.peer(), &receipt()).unwrap();
    verified.kind = ReceiptKind::Verified;
    source.replay_receipt(&verified.sign(&hub)).unwrap();
    let first = questions(&mut source, &mut now, hour);
    let day = questions(&mut source, &mut now, 24 * hour);
    assert!((10..=16).contains(&first), "{first}");
    assert!((48..=60).contains(&day), "{day}");
    let info = RecordInfo {
        chunks: 0..0,
        bytes: 100,
        hash: [8; 32],
        starts: true,
        repeats: Vec::new(),
    };
    source.add_record(now, KEPT, info).unwrap();
    assert!(questions(&mut source, &mut now, hour) >= 59);
}

/// A receipt over what `source` has, as its hub gives it but for this.
fn right_but(change: impl FnOnce(&mut Receipt)) -> Result<(), SourceError> {
    let (clinic, hub) = identities();
    let mut root = RootHasher::default();
    root.segment(KEPT);
    root.record(0, &[9; 32]);
    let mut receipt = Receipt {
        kind: ReceiptKind::Stored,
        proof: Proof::Status,
        hub_key: HubKeyId(0),
        clinic: clinic.peer(),
        study: STUDY,
        records: vec![NamedRecords {
            segment: KEPT,
            runs: vec![(0, 1)],
        }],
        root: root.finish(),
        reason: String::new(),
        audit: [0; 32],
    };
    change(&mut receipt);
    let mut source = source();
    let taken = source.accept_receipt(&receipt.sign(&hub));
    assert_eq!(source.released(KEPT), taken.is_ok());
    taken
}

#[test]
fn a_receipt_over_other_records_releases_nothing() {
    assert_eq!(right_but(|_| ()), Ok(()));
    assert_eq!(
        right_but(|receipt| receipt.root.0[0] ^= 1),
        Err(SourceError::Root)
    );
}

#[test]
fn a_receipt_for_another_clinic_releases_nothing() {
    let other = Identity::from_secret(&[7; 32]).peer();
    assert!(right_but(|receipt| receipt.clinic = other).is_err());
}

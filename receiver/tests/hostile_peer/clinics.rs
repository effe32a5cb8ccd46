//! A clinic that has joined, and turned on its hub.

use std::path::Path;
use std::time::Duration;

use karez_protocol::id::{ChunkId, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::{Gone, NamedRecords, Proof, Receipt, ReceiptKind, Revision};
use karez_protocol::priority::Class;
use karez_protocol::resume::RunSet;
use karez_protocol::seal::Identity;
use karez_protocol::wire::{Frame, Refusal};
use karez_quic::{Alpn, Lane, code};
use karez_receiver::Command;
use karez_store::Disk;

use crate::forge::{body, part, segment, segment_for};
use crate::rude::{Rude, a_while, closed, hello, say, say_bytes};
use crate::support::{DIR, noise, until};
use crate::{Case, Stage};

pub const CASES: &[Case] = &[
    ("a version from before the first", |s| {
        Box::pin(downgrade(s))
    }),
    ("frames that are none", |s| Box::pin(no_frames(s))),
    ("a thousand greetings", |s| Box::pin(greetings(s))),
    ("six connections of one key", |s| {
        Box::pin(six_connections(s))
    }),
    ("two processes of one key", |s| Box::pin(twins(s))),
    ("frames that only a hub sends", |s| Box::pin(hub_frames(s))),
    ("a receipt of its own for itself and for another", |s| {
        Box::pin(own_receipts(s))
    }),
    ("heads of others, for others, of a newer format", |s| {
        Box::pin(foreign_heads(s))
    }),
    ("records and chunks of an honest clinic's segment", |s| {
        Box::pin(foreign_segment(s))
    }),
    ("numbers at the end of all numbers", |s| {
        Box::pin(last_numbers(s))
    }),
    ("have-set bomb: chunks scattered over a segment", |s| {
        Box::pin(scattered_chunks(s))
    }),
    ("more open records than may be, then scattered ones", |s| {
        Box::pin(open_records(s))
    }),
    ("lost at source: runs without end", |s| {
        Box::pin(gone_bomb(s))
    }),
    ("classes of twenty thousand studies", |s| {
        Box::pin(many_classes(s))
    }),
    ("two thousand segments", |s| Box::pin(many_segments(s))),
    ("questions about a hundred thousand segments", |s| {
        Box::pin(many_questions(s))
    }),
    ("statements with another's signature", |s| {
        Box::pin(false_statements(s))
    }),
    ("revoked in the middle of a transfer", |s| {
        Box::pin(revoked(s))
    }),
];

async fn downgrade(stage: &Stage) {
    let conn = stage.rude.dial(Alpn::Session).await;
    say(&conn, &hello(0, 0, 1)).await;
    closed(&conn).await;
}

async fn no_frames(stage: &Stage) {
    let whole = hello(1, 1, 1).to_bytes();
    for bytes in [
        Vec::new(),
        vec![0; 65_536],
        vec![255; 65_536],
        whole[..5].to_vec(),
        [&whole[..], b"x"].concat(),
        [&[9], &whole[1..]].concat(),
        noise(1, 40_000),
    ] {
        let conn = stage.rude.dial(Alpn::Session).await;
        say_bytes(&conn, Lane::Class(Class::Bulk), &bytes).await;
        assert_eq!(closed(&conn).await, code::BAD_FRAME);
    }
}

async fn greetings(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    for _ in 0..1000 {
        say(&conn, &hello(1, 1, 1)).await;
    }
    a_while().await;
}

async fn six_connections(stage: &Stage) {
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(stage.rude.greeted().await);
        a_while().await;
    }
    let mut replaced = 0;
    for conn in &open {
        let ended = tokio::time::timeout(Duration::from_secs(1), closed(conn)).await;
        replaced += usize::from(ended == Ok(code::REPLACED));
    }
    assert_eq!(replaced, 2, "at most four are served");
}

async fn twins(stage: &Stage) {
    let one = stage.rude.greeted().await;
    let two = stage.rude.dial(Alpn::Session).await;
    say(&two, &hello(1, 1, 2)).await;
    until("the alarm", async || {
        stage.hub.status().await["alarms"]
            .to_string()
            .contains("runs twice")
    })
    .await;
    drop(one);
}

async fn hub_frames(stage: &Stage) {
    let none = NamedRecords {
        segment: SegmentId([1; 16]),
        runs: vec![(0, u64::MAX); 200],
    };
    let signed = segment(&stage.rude, 1).head;
    let conn = stage.rude.greeted().await;
    for frame in [
        Frame::Want {
            segment: SegmentId([1; 16]),
            records: none.clone(),
            chunks: none,
        },
        Frame::Busy("the hub is mine".into()),
        Frame::Keys(signed.clone()),
        Frame::Receipt(signed),
        Frame::Refused(Refusal {
            code: 1,
            text: "go away".into(),
        }),
    ] {
        say(&conn, &frame).await;
    }
    until("named", async || {
        let alarms = stage.hub.status().await["alarms"].to_string();
        alarms.contains("only a hub sends")
    })
    .await;
}

async fn own_receipts(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    for clinic in [stage.rude.identity.peer(), PeerId([7; 32])] {
        let receipt = Receipt {
            kind: ReceiptKind::Committed,
            proof: Proof::ReadBack,
            hub_key: karez_protocol::id::HubKeyId(0),
            clinic,
            study: StudyId([1; 16]),
            records: Vec::new(),
            root: karez_protocol::id::Root([0; 32]),
            reason: String::new(),
            audit: [0; 32],
        };
        say(&conn, &Frame::Receipt(receipt.sign(&stage.rude.identity))).await;
    }
    a_while().await;
}

async fn foreign_heads(stage: &Stage) {
    let before = stage.segments();
    let conn = stage.rude.greeted().await;
    let other = Rude::new(&stage.net, 240, [41; 32]);
    let mut forged = segment(&stage.rude, 3).head;
    forged.signature[0] ^= 1;
    let mut newer = segment(&stage.rude, 4).head.body;
    newer[0] = 2;
    let newer = stage
        .rude
        .identity
        .sign(karez_protocol::seal::Purpose::Head, newer);
    for head in [
        segment(&other, 2).head,
        segment_for(&stage.rude, PeerId([1; 32]), SegmentId([2; 16])).head,
        forged,
        newer,
    ] {
        say(&conn, &Frame::Head(head)).await;
    }
    a_while().await;
    assert_eq!(stage.segments(), before, "none of them is kept");
}

async fn foreign_segment(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let segments = stage.segments();
    assert!(!segments.is_empty());
    for segment in segments {
        let record = noise(1, 500);
        say(
            &conn,
            &Frame::Record {
                segment,
                number: 0,
                bytes: record.clone(),
            },
        )
        .await;
        say(
            &conn,
            &Frame::Chunk {
                segment,
                serial: 0,
                sealed: record,
            },
        )
        .await;
    }
    a_while().await;
}

async fn last_numbers(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 10);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    for number in [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 20, 1 << 26] {
        say(&conn, &forged.record(number, &body(0, Vec::new(), true))).await;
        say(&conn, &forged.chunk(number, noise(1, 100))).await;
    }
    a_while().await;
}

async fn scattered_chunks(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 11);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    for n in 0..20_000 {
        say(&conn, &forged.chunk(n * 7 % (1 << 26), vec![1])).await;
    }
    a_while().await;
}

async fn open_records(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 12);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    for n in 0..4200 {
        let listed = part(0, 1000, 1000, vec![ChunkId([7; 32])]);
        say(&conn, &forged.record(n, &body(n, vec![listed], true))).await;
    }
    for n in 0..6000 {
        say(&conn, &forged.frame(10_000 + n * 3, noise(n, 100))).await;
    }
    a_while().await;
}

async fn gone_bomb(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 13);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    for n in 0..300_u64 {
        let runs = (0..250).map(|i| (n * 250 + i) * 3..(n * 250 + i) * 3 + 1);
        let set: RunSet = runs.collect();
        let gone = Gone {
            records: NamedRecords::of(forged.segment, &set),
        };
        say(&conn, &Frame::Gone(gone.sign(&stage.rude.identity))).await;
    }
    a_while().await;
}

async fn many_classes(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let journal = Path::new(DIR).join("journals/classes.journal");
    let length = || stage.hub.env.disk.len(&journal).unwrap().unwrap_or(0);
    for n in 0..60_000_u32 {
        let mut study = [0; 16];
        study[..4].copy_from_slice(&(n % 30_000).to_le_bytes());
        let priority = Frame::Priority {
            study: StudyId(study),
            class: Class::Stat,
            counter: 1 + u64::from(n),
        };
        say(&conn, &priority).await;
    }
    a_while().await;
    assert!(length() < 8 << 20, "{} bytes of journal", length());
}

async fn many_segments(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    for n in 0..2000_u16 {
        let mut name = [50; 16];
        name[..2].copy_from_slice(&n.to_le_bytes());
        let forged = segment_for(&stage.rude, stage.rude.hub, SegmentId(name));
        say(&conn, &Frame::Head(forged.head)).await;
    }
    a_while().await;
}

async fn many_questions(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    for n in 0..100_u64 {
        let name = |i: u64| {
            let mut name = [0; 16];
            name[..8].copy_from_slice(&(n * 1000 + i).to_le_bytes());
            SegmentId(name)
        };
        say(&conn, &Frame::Ask((0..1000).map(name).collect())).await;
    }
    a_while().await;
}

async fn false_statements(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let other = Identity::from_secret(&[42; 32]);
    let revision = Revision {
        study: StudyId([1; 16]),
        segments: Vec::new(),
        root: karez_protocol::id::Root([0; 32]),
    };
    let gone = Gone {
        records: NamedRecords {
            segment: SegmentId([1; 16]),
            runs: vec![(0, 1)],
        },
    };
    say(&conn, &Frame::Revision(revision.sign(&other))).await;
    say(&conn, &Frame::Gone(gone.sign(&other))).await;
    // A good signature for another purpose is none.
    say(&conn, &Frame::Gone(revision.sign(&stage.rude.identity))).await;
    until("named", async || {
        stage.hub.status().await["alarms"]
            .to_string()
            .contains("signature")
    })
    .await;
}

async fn revoked(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 27);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    let name = "rude".to_owned();
    stage.hub.ask(Command::Revoke { name }).await.unwrap();
    assert_eq!(
        closed(&conn).await,
        code::REVOKED,
        "a live connection is cut"
    );
    for _ in 0..10 {
        let again = stage.rude.dial(Alpn::Session).await;
        assert_eq!(closed(&again).await, code::REVOKED);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

//! A clinic that seals whatever it likes: records that lie, chunks that are none, bombs.

use karez_protocol::id::ChunkId;
use karez_protocol::manifest::PartRef;
use karez_protocol::wire::Frame;

use crate::forge::{Forged, body, ids, part, segment};
use crate::rude::{a_while, say};
use crate::support::{noise, until};
use crate::{Case, Stage};

pub const CASES: &[Case] = &[
    ("chunks that are not what their record lists", |s| {
        Box::pin(wrong_chunks(s))
    }),
    ("records that break the rules inside a good seal", |s| {
        Box::pin(lawless_records(s))
    }),
    ("records that contradict one another", |s| {
        Box::pin(contradictions(s))
    }),
    ("an instance that lies about its length", |s| {
        Box::pin(lying_length(s))
    }),
    ("a part that unpacks to a gigabyte", |s| {
        Box::pin(unpacking_bomb(s))
    }),
    ("a part that refers to itself", |s| Box::pin(circular(s))),
    ("an instance without end", |s| Box::pin(endless(s))),
    ("the same frames a hundred times", |s| Box::pin(replays(s))),
];

/// A record that lists good chunks, and its frame.
fn listed(forged: &Forged, number: u64, first: u64, packed: &[u8]) -> (Frame, Vec<Vec<u8>>) {
    let sealed = forged.chunks(number, 0, packed);
    let listed = part(0, packed.len() as u64, packed.len() as u64, ids(&sealed));
    (
        forged.record(number, &body(first, vec![listed], true)),
        sealed,
    )
}

async fn wrong_chunks(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 14);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    let (record, sealed) = listed(&forged, 0, 0, &noise(1, 100_000));
    say(&conn, &record).await;
    for _ in 0..20 {
        for serial in 0..sealed.len() as u64 {
            say(&conn, &forged.chunk(serial, noise(serial, 32_784))).await;
            say(&conn, &forged.chunk(serial, noise(serial, 60_000))).await;
        }
    }
    a_while().await;
}

async fn lawless_records(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 15);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    let long = part(0, 1 << 60, 1 << 60, Vec::new());
    let few = part(0, 100_000, 100_000, vec![ChunkId([1; 32])]);
    let empty = part(0, 10, 0, Vec::new());
    let bodies = [
        body(u64::MAX, vec![few.clone()], true),
        body(0, vec![long], true),
        body(0, vec![few], true),
        body(0, vec![empty; 65], true),
    ];
    for (number, body) in (0..).zip(&bodies) {
        say(&conn, &forged.lawless(number, body)).await;
    }
    say(&conn, &forged.frame(9, Vec::new())).await;
    say(&conn, &forged.frame(9, vec![0; 20_000])).await;
    until("named", async || {
        stage.hub.status().await["alarms"]
            .to_string()
            .contains("rude")
    })
    .await;
}

async fn contradictions(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 16);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    say(&conn, &listed(&forged, 0, 0, &noise(1, 100_000)).0).await;
    say(&conn, &listed(&forged, 1, 2, &noise(2, 100_000)).0).await;
    say(&conn, &listed(&forged, 0, 50, &noise(3, 100_000)).0).await;
    until("named", async || {
        stage.hub.status().await["alarms"]
            .to_string()
            .contains("contradicts")
    })
    .await;
}

/// Sends an instance of one part, and waits until the hub has parked it.
async fn parked(stage: &Stage, name: u8, codec: u8, raw: u64, packed: &[u8], refs: Vec<PartRef>) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, name);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    let sealed = forged.chunks(0, 0, packed);
    let mut listed = part(codec, raw, packed.len() as u64, ids(&sealed));
    listed.refs = refs;
    let mut body = body(0, vec![listed], true);
    if let Some(start) = &mut body.start {
        start.length = 1 << 50;
    }
    say(&conn, &forged.record(0, &body)).await;
    for (serial, sealed) in (0..).zip(sealed) {
        say(&conn, &forged.chunk(serial, sealed)).await;
    }
    let item = format!("{}-0", forged.segment.short());
    until("parked", async || {
        stage.hub.status().await["parked"]
            .to_string()
            .contains(&item)
    })
    .await;
}

async fn lying_length(stage: &Stage) {
    parked(stage, 20, 0, 50_000, &noise(1, 50_000), Vec::new()).await;
}

/// A zstd frame of 8,000 blocks that each repeat one byte 128 KiB times.
async fn unpacking_bomb(stage: &Stage) {
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    for n in 0..8_000_u32 {
        let header = u32::from(n == 7_999) | 1 << 1 | (128 * 1024) << 3;
        bomb.extend(&header.to_le_bytes()[..3]);
        bomb.push(0);
    }
    parked(stage, 21, 1, 1000, &bomb, Vec::new()).await;
    parked(stage, 22, 1, 32 << 20, &bomb, Vec::new()).await;
}

async fn circular(stage: &Stage) {
    let itself = PartRef { record: 0, part: 1 };
    parked(stage, 23, 1, 1000, &noise(1, 1000), vec![itself]).await;
    let later = PartRef {
        record: u64::MAX,
        part: u32::MAX,
    };
    parked(stage, 24, 1, 1000, &noise(1, 1000), vec![later; 16]).await;
}

async fn endless(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 25);
    say(&conn, &Frame::Head(forged.head.clone())).await;
    for n in 0..300 {
        let sealed = forged.chunks(n, 0, &noise(n, 32_768));
        let listed = part(0, 32_768, 32_768, ids(&sealed));
        let mut body = body(n, vec![listed], false);
        if n > 0 {
            body.start = None;
        }
        say(&conn, &forged.record(n, &body)).await;
        for sealed in sealed {
            say(&conn, &forged.chunk(n, sealed)).await;
        }
    }
    a_while().await;
}

async fn replays(stage: &Stage) {
    let conn = stage.rude.greeted().await;
    let forged = segment(&stage.rude, 26);
    let (record, sealed) = listed(&forged, 0, 0, &noise(1, 20_000));
    for _ in 0..100 {
        say(&conn, &Frame::Head(forged.head.clone())).await;
        say(&conn, &record).await;
        for (serial, sealed) in (0..).zip(&sealed) {
            say(&conn, &forged.chunk(serial, sealed.clone())).await;
        }
    }
    a_while().await;
    let status = stage.hub.status().await;
    let parked = status["parked"].to_string();
    let item = format!("{}-0", forged.segment.short());
    assert!(parked.matches(&item).count() <= 1, "once, if at all");
}

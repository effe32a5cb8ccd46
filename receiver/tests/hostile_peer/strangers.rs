//! Who has no key that the hub knows.

use std::net::SocketAddr;
use std::time::Duration;

use karez_protocol::id::{SegmentId, StudyId};
use karez_protocol::invitation::Invitation;
use karez_protocol::priority::Class;
use karez_protocol::wire::Frame;
use karez_quic::{Alpn, Lane, code};

use crate::rude::{Rude, a_while, closed, hello, say, say_bytes};
use crate::support::{Clinic, noise, until};
use crate::{Case, Stage};

pub const CASES: &[Case] = &[
    ("garbage datagrams of every length", |s| {
        Box::pin(garbage(s))
    }),
    ("garbage behind a QUIC header", |s| Box::pin(initials(s))),
    ("a version that nobody has: no amplification", |s| {
        Box::pin(versions(s))
    }),
    ("packets of connections that never were", |s| {
        Box::pin(orphans(s))
    }),
    ("forged questions are met with silence", |s| {
        Box::pin(forged_questions(s))
    }),
    ("a replayed handshake: no amplification", |s| {
        Box::pin(replayed_handshake(s))
    }),
    ("an honest clinic's packets, replayed and altered", |s| {
        Box::pin(stolen_packets(s))
    }),
    ("a flood of half-open handshakes", |s| {
        Box::pin(half_open(s))
    }),
    ("a session without having joined", |s| {
        Box::pin(uninvited(s))
    }),
    ("guessed tokens", |s| Box::pin(guessed_tokens(s))),
    ("a used token, by another key", |s| Box::pin(used_token(s))),
    ("an enrolment that says nothing", |s| {
        Box::pin(silent_join(s))
    }),
    ("an enrolment that speaks as a session", |s| {
        Box::pin(join_as_session(s))
    }),
    ("an enrolment with a name of 60 kB", |s| {
        Box::pin(long_agent(s))
    }),
    ("a hundred enrolments at once", |s| Box::pin(many_joins(s))),
];

const HUB: &str = "10.0.0.1:4433";

fn from(machine: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, machine], port))
}

/// Sends packets; what comes back for each byte sent.
async fn answered(stage: &Stage, machine: u8, packets: &[Vec<u8>]) -> f64 {
    let (net, to) = (&stage.net, HUB.parse().unwrap());
    let before = net.received_by(machine);
    let mut sent = 0;
    for (n, packet) in (0..).zip(packets) {
        net.send_raw(from(machine, 5_000 + n % 50), to, packet);
        sent += packet.len();
        if n % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    a_while().await;
    (net.received_by(machine) - before) as f64 / sent as f64
}

async fn garbage(stage: &Stage) {
    let packets: Vec<Vec<u8>> = (1..1500).map(|n| noise(n, n as usize)).collect();
    let share = answered(stage, 210, &packets).await;
    assert!(share < 1.0, "{share}");
}

async fn initials(stage: &Stage) {
    let packets: Vec<Vec<u8>> = (0..400)
        .map(|n| {
            let mut packet = noise(n, 1200);
            packet[..7].copy_from_slice(&[0xc0 | n as u8 & 0x3f, 0, 0, 0, 1, 8, n as u8]);
            packet
        })
        .collect();
    let share = answered(stage, 211, &packets).await;
    assert!(share <= 3.0, "RFC 9000 8.1: {share}");
}

async fn versions(stage: &Stage) {
    let packets: Vec<Vec<u8>> = (0..200)
        .map(|n| {
            let mut packet = noise(n, 1200);
            packet[..6].copy_from_slice(&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8]);
            packet
        })
        .collect();
    let share = answered(stage, 212, &packets).await;
    assert!(share < 0.1, "{share}");
}

async fn orphans(stage: &Stage) {
    let packets: Vec<Vec<u8>> = (0..1000)
        .map(|n| {
            let mut packet = noise(n, 40 + (n % 900) as usize);
            packet[0] = 0x40 | packet[0] & 0x3f;
            packet
        })
        .collect();
    let share = answered(stage, 213, &packets).await;
    assert!(
        share < 1.0,
        "resets are shorter than what asks for them: {share}"
    );
}

async fn forged_questions(stage: &Stage) {
    let packets: Vec<Vec<u8>> = (0..1000)
        .map(|n| {
            let mut packet = noise(n, 33);
            packet[0] = 0x0b;
            packet
        })
        .collect();
    let share = answered(stage, 214, &packets).await;
    assert!(share == 0.0, "{share}");
}

async fn replayed_handshake(stage: &Stage) {
    stage.net.spy_on(200);
    drop(stage.rude.greeted().await);
    let packets = stage.net.spied();
    assert!(packets.len() > 2);
    let again: Vec<Vec<u8>> = packets.iter().cycle().take(500).cloned().collect();
    let share = answered(stage, 215, &again).await;
    assert!(share <= 3.0, "RFC 9000 8.1: {share}");
}

/// Connection ids are in clear: whoever copies them gets neither the connection nor its end.
async fn stolen_packets(stage: &Stage) {
    stage.net.spy_on(3);
    stage.honest.send(&noise(90, 30_000), None).await.unwrap();
    a_while().await;
    let packets = stage.net.spied();
    assert!(packets.len() > 10, "the honest clinic spoke");
    let share = answered(stage, 216, &packets).await;
    assert!(share < 0.5, "{share}");
    let altered: Vec<Vec<u8>> = packets
        .iter()
        .map(|packet| {
            let mut packet = packet.clone();
            let last = packet.len() - 1;
            packet[last] ^= 1;
            packet
        })
        .collect();
    let share = answered(stage, 217, &altered).await;
    assert!(share < 0.5, "{share}");
    let connected = stage.honest.status().await.hub.connected;
    assert!(connected, "the honest connection lives");
    let handle = stage.honest.handle();
    until("the spied image", async || {
        handle
            .status()
            .await
            .unwrap()
            .studies
            .iter()
            .all(|s| s.receipt == "stored")
    })
    .await;
}

async fn half_open(stage: &Stage) {
    let mut dials = Vec::new();
    for n in 0..300_u16 {
        let mut secret = [70; 32];
        secret[..2].copy_from_slice(&n.to_le_bytes());
        let rude = Rude::new(&stage.net, 220 + (n % 8) as u8, secret);
        dials.push(tokio::spawn(
            async move { drop(rude.dial(Alpn::Session).await) },
        ));
        tokio::time::sleep(Duration::from_millis(5)).await;
        // Its first packet is on its way; nothing of it is heard any more.
        stage.net.block_ports_of(220 + (n % 8) as u8);
    }
    // Meanwhile somebody new joins: more than 64 are half open, so it proves its address first.
    let mut clinic = Clinic::alone(&stage.net, 40);
    clinic.start().unwrap();
    let line = stage.hub.invite("in-the-flood").await;
    clinic.handle().join(&line).await.unwrap();
    until("joined in the flood", async || {
        clinic.status().await.hub.connected
    })
    .await;
    for dial in dials {
        dial.abort();
    }
    clinic.stop().await;
}

async fn uninvited(stage: &Stage) {
    for n in 0..20 {
        let stranger = Rude::new(&stage.net, 230, [100 + n; 32]);
        let conn = stranger.dial(Alpn::Session).await;
        say(&conn, &hello(1, 1, 1)).await;
        assert_eq!(closed(&conn).await, code::UNKNOWN_KEY);
    }
}

async fn guessed_tokens(stage: &Stage) {
    let stranger = Rude::new(&stage.net, 231, [31; 32]);
    for n in 0..100 {
        let mut token = [0; 16];
        token.copy_from_slice(&noise(n, 16));
        let answer = stranger.present(token, "guess".into()).await;
        assert!(matches!(answer, Frame::Refused(_)), "{answer:?}");
    }
}

async fn used_token(stage: &Stage) {
    let line = stage.hub.invite("once").await;
    let token = Invitation::from_line(&line).unwrap().token;
    let first = Rude::new(&stage.net, 232, [32; 32]);
    let second = Rude::new(&stage.net, 233, [33; 32]);
    assert!(matches!(
        first.present(token, "a".into()).await,
        Frame::Joined(_)
    ));
    assert!(matches!(
        second.present(token, "b".into()).await,
        Frame::Refused(_)
    ));
    // A lost answer locks nobody out.
    assert!(matches!(
        first.present(token, "a".into()).await,
        Frame::Joined(_)
    ));
}

async fn silent_join(stage: &Stage) {
    let stranger = Rude::new(&stage.net, 234, [34; 32]);
    let conn = stranger.dial(Alpn::Join).await;
    closed(&conn).await;
}

async fn join_as_session(stage: &Stage) {
    let stranger = Rude::new(&stage.net, 235, [35; 32]);
    let frames = [
        hello(1, 1, 1),
        Frame::Ask(vec![SegmentId([1; 16])]),
        Frame::Priority {
            study: StudyId([1; 16]),
            class: Class::Stat,
            counter: 1,
        },
    ];
    for frame in frames {
        let conn = stranger.dial(Alpn::Join).await;
        say(&conn, &frame).await;
        closed(&conn).await;
    }
}

async fn long_agent(stage: &Stage) {
    let stranger = Rude::new(&stage.net, 236, [36; 32]);
    let conn = stranger.dial(Alpn::Join).await;
    let join = karez_protocol::wire::Join {
        token: [0; 16],
        agent: "x".repeat(60_000),
    };
    say_bytes(&conn, Lane::Control, &Frame::Join(join).to_bytes()).await;
    closed(&conn).await;
}

async fn many_joins(stage: &Stage) {
    let mut open = Vec::new();
    for n in 0..100 {
        let stranger = Rude::new(&stage.net, 237, [130 + n; 32]);
        open.push(stranger.dial(Alpn::Join).await);
    }
    let refused = open.pop().unwrap();
    assert_eq!(closed(&refused).await, code::BUSY, "64 at once are enough");
}

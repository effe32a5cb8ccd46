//! Peers that send what no sender sends: told so, in words that say what to do, and no other
//! clinic is disturbed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use karez_protocol::id::{Epoch, HubKeyId, PeerId, ProcessId, SegmentId, StudyId};
use karez_protocol::invitation::Invitation;
use karez_protocol::manifest::SegmentHead;
use karez_protocol::seal::{self, HubSeed};
use karez_protocol::wire::{Frame, Hello, Join};
use karez_quic::{Alpn, Client, Connection, End, Identity, Lane, LinkConfig, code};
use support::{Hub, SEED, World, all_stored, fast, noise, send_all, until};
use zeroize::Zeroizing;

const SECRET: [u8; 32] = [9; 32];

/// A peer made by hand, on a machine of its own.
struct Rude {
    client: Client,
    hub: PeerId,
}

impl Rude {
    fn new(net: &World) -> Self {
        let identity = Identity::from_seed(&Zeroizing::new(SECRET));
        Self {
            client: Client::new(net.machine(200), identity, LinkConfig::default()),
            hub: HubSeed::new(SEED).identity().peer(),
        }
    }

    async fn dial(&self, alpn: Alpn) -> Connection {
        let at = ["10.0.0.1:4433".parse().unwrap()];
        self.client.dial(&at, self.hub, alpn).await.unwrap()
    }

    /// Joins, then connects and greets.
    async fn greeted(&self, hub: &Hub) -> Connection {
        let line = hub.invite("rude").await;
        let token = Invitation::from_line(&line).unwrap().token;
        let conn = self.dial(Alpn::Join).await;
        let join = Frame::Join(Join {
            token,
            agent: "rude".into(),
        });
        say(&conn, &join.to_bytes()).await;
        let (_, answer) = conn.recv().await.unwrap();
        assert!(matches!(Frame::from_bytes(&answer), Ok(Frame::Joined(_))));
        let conn = self.dial(Alpn::Session).await;
        say(&conn, &hello(1, 1).to_bytes()).await;
        conn
    }
}

fn hello(oldest: u8, newest: u8) -> Frame {
    Frame::Hello(Hello {
        oldest,
        newest,
        process: ProcessId([1; 8]),
        epoch: Epoch([0; 8]),
        hub_key: HubKeyId(0),
        agent: "rude\u{1b}[2J".into(),
    })
}

async fn say(conn: &Connection, bytes: &[u8]) {
    let frame = Bytes::copy_from_slice(bytes);
    conn.send(Lane::Control, frame).await.unwrap();
}

/// What the hub says when it closes.
async fn last_words(conn: &Connection) -> (u32, String) {
    let end = tokio::time::timeout(Duration::from_secs(60), conn.closed()).await;
    match end {
        Ok(End::Closed(close)) => (close.code, close.reason),
        other => panic!("not closed with a reason: {other:?}"),
    }
}

async fn alarms(hub: &Hub) -> String {
    hub.status().await["alarms"].to_string()
}

#[tokio::test(start_paused = true)]
async fn frames_cut_flipped_or_of_another_version_are_refused_in_words() {
    let net = World::new(1, fast());
    let hub = Hub::new(&net, 1).await;
    let rude = Rude::new(&net);
    let whole = Frame::Ask(vec![SegmentId([3; 16])]).to_bytes();
    let mut flipped = whole.clone();
    flipped[2] ^= 0x80;
    let conn = rude.greeted(&hub).await;
    let cases = [
        (whole[..10].to_vec(), "malformed or cut short"),
        (flipped, "malformed or cut short"),
        ([&[9], &whole[1..]].concat(), "wire version 9"),
        ([&whole[..], &[0]].concat(), "canonical"),
        (Vec::new(), "malformed or cut short"),
    ];
    drop(conn);
    for (bytes, words) in cases {
        let conn = rude.dial(Alpn::Session).await;
        say(&conn, &bytes).await;
        let (code, reason) = last_words(&conn).await;
        assert_eq!(code, code::BAD_FRAME);
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clinic_of_another_wire_version_is_told_which_side_is_old() {
    let net = World::new(2, fast());
    let hub = Hub::new(&net, 2).await;
    let rude = Rude::new(&net);
    drop(rude.greeted(&hub).await);
    let conn = rude.dial(Alpn::Session).await;
    say(&conn, &hello(7, 9).to_bytes()).await;
    let (_, reason) = last_words(&conn).await;
    assert!(reason.contains("versions 1-2 and 7-9"), "{reason}");
    assert!(alarms(&hub).await.contains("versions 1-2 and 7-9"));
    let again = rude.dial(Alpn::Session).await;
    say(&again, &hello(1, 3).to_bytes()).await;
    until("the alarm ends", async || {
        !alarms(&hub).await.contains("versions")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn segments_of_others_are_not_taken_and_nobody_else_is_disturbed() {
    let net = World::new(3, fast());
    let hub = Hub::new(&net, 3).await;
    let clinic = hub.clinic(&net, "chagai", 3).await;
    let rude = Rude::new(&net);
    let conn = rude.greeted(&hub).await;
    let (rude_key, stranger) = (
        seal::Identity::from_secret(&SECRET),
        seal::Identity::from_secret(&[10; 32]),
    );
    let public = HubSeed::new(SEED).keys(HubKeyId(0)).newest();
    let head = |by: &seal::Identity, to: PeerId| {
        let (study, segment) = (StudyId([1; 16]), SegmentId([2; 16]));
        let opened = SegmentHead::open_new(by, to, &public, study, segment, [3; 32]);
        Frame::Head(opened.unwrap().1).to_bytes()
    };
    say(&conn, &head(&stranger, rude.hub)).await;
    until("named", async || alarms(&hub).await.contains("not its own")).await;
    say(&conn, &head(&rude_key, stranger.peer())).await;
    let mut forged = head(&rude_key, rude.hub);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    say(&conn, &forged).await;
    until("named", async || alarms(&hub).await.contains("signature")).await;
    say(&conn, &Frame::Busy("no hub".into()).to_bytes()).await;
    until("named", async || {
        alarms(&hub).await.contains("only a hub sends")
    })
    .await;
    assert_eq!(hub.status().await["studies"], serde_json::json!([]));
    send_all(&clinic, &[noise(1, 50_000)]).await;
    all_stored(&clinic, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_open_is_not_kept_and_says_so() {
    let net = World::new(4, fast());
    let hub = Hub::new(&net, 4).await;
    let rude = Rude::new(&net);
    let conn = rude.greeted(&hub).await;
    let me = seal::Identity::from_secret(&SECRET);
    let public = HubSeed::new(SEED).keys(HubKeyId(0)).newest();
    let segment = SegmentId([2; 16]);
    let study = StudyId([1; 16]);
    let opened = SegmentHead::open_new(&me, rude.hub, &public, study, segment, [3; 32]);
    say(&conn, &Frame::Head(opened.unwrap().1).to_bytes()).await;
    let record = Frame::Record {
        segment,
        number: 0,
        bytes: noise(1, 200),
    };
    say(&conn, &record.to_bytes()).await;
    until("named", async || {
        alarms(&hub).await.contains("a seal does not hold")
    })
    .await;
    let status = hub.status().await;
    assert_eq!(status["studies"][0]["instances"], 0, "{status:#}");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_told_to_join_and_a_false_invitation_is_refused() {
    let net = World::new(5, fast());
    let _hub = Hub::new(&net, 5).await;
    let rude = Rude::new(&net);
    let conn = rude.dial(Alpn::Session).await;
    let (code, reason) = last_words(&conn).await;
    assert_eq!(code, code::UNKNOWN_KEY);
    assert!(reason.contains("invitation"), "{reason}");
    let conn = rude.dial(Alpn::Join).await;
    let join = Frame::Join(Join {
        token: [0; 16],
        agent: "rude".into(),
    });
    say(&conn, &join.to_bytes()).await;
    let (_, answer) = conn.recv().await.unwrap();
    match Frame::from_bytes(&answer).unwrap() {
        Frame::Refused(refusal) => assert!(refusal.text.contains("not known here")),
        other => panic!("{other:?}"),
    }
}

//! Over real UDP on this machine.

mod support;

use std::time::Duration;

use bytes::Bytes;
use karez_protocol::Retry;
use karez_protocol::limits::FRAME_MAX;
use karez_protocol::priority::Class;
use karez_quic::{
    Alpn, Client, Close, DialError, End, LANES, Lane, LinkConfig, Server, Wake, code, drive,
};
use support::{Doors, LOCAL, Script, identity, noise, pair, udp, udp_at, until};
use tokio::time::timeout;

const BULK: Lane = Lane::Class(Class::Bulk);

#[tokio::test]
async fn frames_of_every_lane_arrive_whole_and_in_order_both_ways() {
    let (mut server, addr, client) = pair();
    let (up, down) = (Script::default(), Script::default());
    let sizes = [0, 1, 3, 1_371, 32_800, FRAME_MAX];
    for (i, lane) in LANES.into_iter().enumerate() {
        for n in 0..60 {
            let seed = (i * 100 + n) as u64;
            up.push(lane, noise(seed, sizes[n % sizes.len()]));
            down.push(lane, noise(seed + 7_777, sizes[(n + 3) % sizes.len()]));
        }
    }
    let wants = |script: &Script| script.queue.lock().unwrap().clone();
    let (up_all, down_all) = (wants(&up), wants(&down));
    let conn = client
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let hub = server.accept().await.unwrap();
    assert_eq!(hub.peer(), identity(2).peer());
    let (mut a, mut b) = (up.clone(), down.clone());
    let (wake_a, wake_b) = (Wake::new(), Wake::new());
    let done = until(Duration::from_secs(20), || {
        up.count() == 300 && down.count() == 300
    });
    tokio::select! {
        end = drive(&conn, &mut a, &wake_a) => panic!("{end}"),
        end = drive(&hub, &mut b, &wake_b) => panic!("{end}"),
        done = done => assert!(done, "{} {}", up.count(), down.count()),
    }
    for (i, lane) in LANES.into_iter().enumerate() {
        assert!(up_all[i] == down.got(lane), "{lane:?} up");
        assert!(down_all[i] == up.got(lane), "{lane:?} down");
    }
    let stats = conn.stats();
    let payload = up_all
        .iter()
        .flatten()
        .map(|frame| frame.len() as u64)
        .sum();
    assert!(stats.up_bytes > payload, "{stats:?}");
    assert!(stats.down_bytes > payload, "{stats:?}");
}

#[tokio::test]
async fn a_server_with_another_key_is_refused_and_named() {
    let (_server, addr, client) = pair();
    let dialled = client
        .dial(&[addr], identity(5).peer(), Alpn::Session)
        .await;
    let Err(error @ DialError::WrongKey { found, .. }) = &dialled.map(drop) else {
        panic!("the wrong key was accepted");
    };
    assert_eq!(*found, Some(identity(1).peer()));
    assert!(
        error.to_string().contains(&identity(1).peer().short()),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn an_unknown_key_is_told_so_but_may_join() {
    let (mut server, addr, _) = pair();
    let stranger = Client::new(udp(), identity(9), LinkConfig::default());
    let conn = stranger
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let Err(End::Closed(close)) = conn.recv().await else {
        panic!("an unknown key was let in");
    };
    assert_eq!(close.code, code::UNKNOWN_KEY);
    assert!(
        close.reason.contains("join with an invitation"),
        "{}",
        close.reason
    );
    assert_eq!(close.retry(), Retry::Never);

    let join = stranger
        .dial(&[addr], identity(1).peer(), Alpn::Join)
        .await
        .unwrap();
    join.send(Lane::Control, Bytes::from_static(b"token"))
        .await
        .unwrap();
    let hub = server.accept().await.unwrap();
    assert_eq!((hub.peer(), hub.alpn()), (identity(9).peer(), Alpn::Join));
    assert_eq!(
        hub.recv().await.unwrap(),
        (Lane::Control, Bytes::from_static(b"token"))
    );
    hub.send(Lane::Control, Bytes::from_static(b"welcome"))
        .await
        .unwrap();
    let finishing = tokio::spawn(async move { hub.finish(Duration::from_secs(5)).await });
    assert_eq!(join.recv().await.unwrap().1, "welcome");
    assert!(finishing.await.unwrap());
    let Err(End::Closed(close)) = join.recv().await else {
        panic!("the hub did not close");
    };
    assert_eq!(close.code, code::DONE);
}

#[tokio::test]
async fn a_revoked_key_is_cut_at_once_and_not_let_in_again() {
    let net = udp();
    let doors = Doors::knowing(&[&identity(2)]);
    let config = LinkConfig::default();
    let mut server = Server::bind(
        &net,
        LOCAL.parse().unwrap(),
        &identity(1),
        &config,
        doors.clone(),
    )
    .unwrap();
    let addr = server.local_addr().unwrap();
    let client = Client::new(net, identity(2), config);
    let conn = client
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let _hub = server.accept().await.unwrap();
    doors.revoked.lock().unwrap().push(identity(2).peer());
    let cut = Close::new(code::REVOKED, "revoked at the hub");
    assert_eq!(server.close_peer(&identity(2).peer(), &cut), 1);
    let end = timeout(Duration::from_secs(2), conn.recv()).await.unwrap();
    assert_eq!(end.unwrap_err(), End::Closed(cut));
    let again = client
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let Err(End::Closed(close)) = again.recv().await else {
        panic!("a revoked key was let in");
    };
    assert_eq!(close.code, code::REVOKED);
}

#[tokio::test]
async fn a_frame_above_64_kib_is_not_sent() {
    let (mut server, addr, client) = pair();
    let conn = client
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let _hub = server.accept().await.unwrap();
    let sent = conn.send(BULK, Bytes::from(vec![0; FRAME_MAX + 1])).await;
    assert_eq!(sent, Err(End::TooLong(FRAME_MAX + 1)));
    assert!(
        conn.send(BULK, Bytes::from(vec![0; FRAME_MAX]))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_clock_that_says_1901_or_1970_hinders_nobody() {
    for wall in [-2_177_452_800, -1, 0, i64::MAX] {
        let (mut server, addr, client) = support::pair_with(
            &udp_at(wall),
            LOCAL.parse().unwrap(),
            &LinkConfig::default(),
        );
        let conn = client
            .dial(&[addr], identity(1).peer(), Alpn::Session)
            .await
            .unwrap();
        conn.send(Lane::Control, noise(1, 10)).await.unwrap();
        let hub = server.accept().await.unwrap();
        assert_eq!(hub.recv().await.unwrap().1, noise(1, 10));
    }
}

#[tokio::test]
async fn a_second_task_on_a_driven_connection_is_told_so() {
    let (mut server, addr, client) = pair();
    let conn = client
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let _hub = server.accept().await.unwrap();
    let wake = Wake::new();
    let (mut first, mut second) = (Script::default(), Script::default());
    tokio::select! {
        biased;
        end = drive(&conn, &mut first, &wake) => panic!("{end}"),
        end = drive(&conn, &mut second, &wake) => assert_eq!(end, End::InUse),
    }
    assert!(conn.send(BULK, noise(1, 1)).await.is_ok());
}

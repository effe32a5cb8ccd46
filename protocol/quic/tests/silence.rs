//! What a dead link costs, who is answered on it, and what goes twice on a live one.

mod support;

use std::time::Duration;

use karez_quic::{
    Alpn, Client, LinkConfig, LinkMemory, LinkState, Redial, RedialPolicy, Wake, drive,
};
use support::net::{Link, World};
use support::world::{BULK, STAT, clinic, connect, hub, hub_addr, secs};
use support::{Script, identity, noise, until};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// IP bytes that machine `last` sent from packet `from` on, per minute of `hours`.
fn per_minute(world: &World, last: u8, from: usize, hours: u64) -> usize {
    let ip = std::net::IpAddr::from([10, 0, 0, last]);
    let trace = world.trace();
    let sent = trace.iter().skip(from).filter(|(_, a, ..)| a.ip() == ip);
    sent.map(|(_, _, size, _)| size + 28).sum::<usize>() / (hours as usize * 60)
}

#[tokio::test(start_paused = true)]
async fn a_dead_link_costs_less_than_250_bytes_a_minute_and_is_noticed_at_once() {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    clinic.send(BULK, 1, 16_000);
    assert!(until(secs(60), || received.count() == 1).await);
    world.set_down(true);
    clinic.send(BULK, 2, 60_000);
    sleep(secs(600)).await;
    let from = world.trace().len();
    sleep(secs(8 * 3_600)).await;
    let (up, down) = (
        per_minute(&world, 2, from, 8),
        per_minute(&world, 1, from, 8),
    );
    println!("a dead link: {up} B a minute up, {down} down");
    assert!(up + down <= 250 && up > 100, "{up} and {down}");
    world.set_down(false);
    assert!(until(secs(27), || received.count() == 2).await);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_hub_met_before_is_asked_and_not_dialled() {
    let world = World::new(3, Link::thin());
    let net = world.machine(2);
    let client = Client::new(net.clone(), identity(2), LinkConfig::default());
    let learnt = {
        let received = Script::default();
        let hub = hub(&world.machine(1), &received);
        let peer = identity(1).peer();
        let addresses = [hub_addr()];
        let conn = client.dial(&addresses, peer, Alpn::Session).await.unwrap();
        let (mut idle, wake) = (Script::default(), Wake::new());
        tokio::select! {
            end = drive(&conn, &mut idle, &wake) => panic!("{end}"),
            () = sleep(secs(5)) => {}
        }
        hub.abort();
        client.memory().to_bytes()
    };
    assert!(LinkMemory::from_bytes(&learnt).probe.is_some());
    let restarted = Client::new(net, identity(2), LinkConfig::default());
    restarted.set_memory(LinkMemory::from_bytes(&learnt));
    let (_link_up, events) = watch::channel(0);
    let (hub_key, addresses) = (identity(1).peer(), Box::new(vec![hub_addr()]));
    let mut redial = Redial::new(
        restarted,
        hub_key,
        addresses,
        RedialPolicy::default(),
        events,
    );
    let script = Script::default();
    script.push(BULK, noise(7, 9_000));
    tokio::spawn(async move { redial.run(&Wake::new(), |_| script.clone()).await });
    sleep(secs(600)).await;
    let from = world.trace().len();
    sleep(secs(8 * 3_600)).await;
    let up = per_minute(&world, 2, from, 8);
    println!("a hub that is away costs {up} B a minute");
    assert!((100..=250).contains(&up), "{up}");
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let back = Instant::now();
    assert!(until(secs(60), || received.count() == 1).await);
    println!("found after {:?}", back.elapsed());
    assert!(back.elapsed() < secs(29), "{:?}", back.elapsed());
}

/// What passes are questions: so it is no outage, and a person can mend it.
#[tokio::test(start_paused = true)]
async fn a_path_that_carries_no_handshake_is_named_dialled_rarely_and_used_once_it_is_mended() {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let first = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    clinic.send(BULK, 1, 16_000);
    assert!(until(secs(60), || received.count() == 1).await);
    world.narrow_to(1_172);
    first.abort();
    sleep(secs(15)).await;
    let _second = hub(&world.machine(1), &received);
    clinic.send(BULK, 2, 16_000);
    let named = || match &*clinic.state.borrow() {
        LinkState::Down { cause, .. } => cause.contains("the path's MTU is too small"),
        LinkState::Up { .. } => false,
    };
    assert!(until(secs(600), named).await, "{:?}", clinic.state.borrow());
    let from = world.trace().len();
    sleep(secs(4 * 3_600)).await;
    assert!(named(), "{:?}", clinic.state.borrow());
    let up = per_minute(&world, 2, from, 4);
    println!("a path too narrow costs {up} B a minute");
    assert!(up < 2_000, "{up}");
    world.narrow_to(usize::MAX);
    clinic.send(BULK, 2, 16_000);
    assert!(until(secs(900), || received.count() == 2).await);
}

#[tokio::test(start_paused = true)]
async fn strangers_are_not_answered() {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let stranger = world.machine(9);
    let socket = stranger.bind("10.0.0.9:1".parse().unwrap()).unwrap();
    for first in 0..=255_u8 {
        let question = [&[first][..], &noise(first.into(), 32)].concat();
        let transmit = karez_quic::net::Transmit {
            destination: hub_addr(),
            ecn: None,
            contents: &question,
            segment_size: None,
            src_ip: None,
        };
        socket.try_send(&transmit).unwrap();
    }
    sleep(secs(5)).await;
    assert_eq!(world.sent_by(1), 0);
}

#[tokio::test(start_paused = true)]
async fn every_packet_of_a_connection_has_quics_bit_and_no_question_nor_answer_has() {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    for n in 0..20 {
        clinic.send(BULK, n, 16_000);
    }
    assert!(until(secs(60), || received.count() == 20).await);
    // RFC 9000 section 17: 0x40; RFC 9287 would let it be anything.
    let sent = [world.first_bytes(1), world.first_bytes(2)].concat();
    assert!(sent.len() > 200, "{} packets", sent.len());
    let mut others: Vec<u8> = sent.into_iter().filter(|byte| byte & 0x40 == 0).collect();
    others.sort_unstable();
    // One question, while the two meet, and its answer.
    assert_eq!(others, [0x0b, 0x0c]);
    world.set_down(true);
    clinic.send(BULK, 20, 16_000);
    let before = world.first_bytes(2).len();
    sleep(secs(600)).await;
    let silent = world.first_bytes(2).split_off(before);
    assert!(silent.iter().any(|byte| byte & 0x40 == 0), "it asks");
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_goes_twice_and_is_given_once() {
    for loss in [0.0, 0.1] {
        let world = World::new(
            5,
            Link {
                loss,
                ..Link::thin()
            },
        );
        let (_server, conn, at_hub) = connect(&world, &LinkConfig::default()).await;
        let (up, down) = (Script::default(), Script::default());
        for n in 0..1_000 {
            up.push(BULK, noise(n, 32_800));
        }
        let wake = Wake::new();
        let (mut a, mut b) = (up.clone(), down.clone());
        let mut took = Vec::new();
        let stat = async {
            sleep(secs(20)).await;
            for n in 0..100 {
                // The same bytes again are another frame, not a copy.
                up.push(STAT, noise(n / 2, 900));
                wake.wake();
                let (sent, count) = (Instant::now(), took.len());
                assert!(until(secs(60), || down.got(STAT).len() > count).await);
                took.push(down.when(STAT, count).unwrap() - sent);
                sleep(secs(3)).await;
            }
        };
        let (quiet, expected) = (Wake::new(), (0..100).map(|n| noise(n / 2, 900)));
        tokio::select! {
            end = drive(&conn, &mut a, &wake) => panic!("{end}"),
            end = drive(&at_hub, &mut b, &quiet) => panic!("{end}"),
            () = stat => {}
        }
        assert_eq!(down.got(STAT), expected.collect::<Vec<_>>());
        took.sort();
        println!(
            "loss {loss}: STAT {:?} {:?} {:?}",
            took[50], took[94], took[99]
        );
        assert!(took[94] < Duration::from_millis(750), "{took:?}");
    }
}

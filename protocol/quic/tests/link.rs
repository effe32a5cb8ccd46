//! Over an in-memory link in virtual time: lanes, loss, limits, traces.

mod support;

use std::time::Duration;

use karez_quic::{Alpn, Client, Congestion, End, Lane, LinkConfig, Server, Wake, code, drive};
use support::net::{Link, World};
use support::world::{BULK, STAT, clinic, connect, hub, hub_addr, secs};
use support::{Doors, Script, identity, noise, pair_with, until};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_stat_frame_overtakes_queued_bulk_on_a_thin_link() {
    let world = World::new(1, Link::thin());
    let (_server, conn, at_hub) = connect(&world, &LinkConfig::default()).await;
    let (up, down) = (Script::default(), Script::default());
    for n in 0..2_000 {
        up.push(BULK, noise(n, 32_800));
    }
    let wake = Wake::new();
    let (mut a, mut b) = (up.clone(), down.clone());
    let stat = async {
        let mut took = Vec::new();
        for n in 0..20 {
            sleep(secs(7)).await;
            up.push(STAT, noise(n, 1_000));
            wake.wake();
            let sent = Instant::now();
            assert!(until(secs(60), || down.got(STAT).len() > n as usize).await);
            took.push(down.when(STAT, n as usize).unwrap() - sent);
        }
        took
    };
    let (quiet, began) = (Wake::new(), Instant::now());
    let mut took = tokio::select! {
        end = drive(&conn, &mut a, &wake) => panic!("{end}"),
        end = drive(&at_hub, &mut b, &quiet) => panic!("{end}"),
        took = stat => took,
    };
    took.sort();
    println!("STAT {took:?}; bulk {} B", down.bytes());
    // Half a round trip and the queue of two seconds that Cubic fills; the worst are those whose
    // only packet Cubic lost when it overflowed that queue. The backlog needs a quarter of an hour.
    assert!(took[10] < Duration::from_millis(2_400), "{took:?}");
    assert!(took[19] < secs(10), "{took:?}");
    let rate = down.bytes() as f64 / began.elapsed().as_secs_f64();
    assert!(rate > 55_000.0, "{rate} B/s of bulk beside them");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_the_other_end_does_not_take_in_never_blocks_a_more_urgent_one() {
    let world = World::new(1, Link::thin());
    let (_server, conn, at_hub) = connect(&world, &LinkConfig::default()).await;
    let (up, down) = (Script::default(), Script::default());
    down.shut.lock().unwrap().push(BULK);
    for n in 0..100 {
        up.push(BULK, noise(n, 32_800));
    }
    let (wake, quiet) = (Wake::new(), Wake::new());
    let (mut a, mut b) = (up.clone(), down.clone());
    let check = async {
        sleep(secs(120)).await;
        let left = up.queue.lock().unwrap()[4].len();
        assert!(
            left > 50,
            "the receive window did not hold bulk back: {left} left"
        );
        up.push(Lane::Control, noise(1, 300));
        up.push(STAT, noise(2, 300));
        wake.wake();
        assert!(until(secs(5), || down.count() == 2).await);
        down.shut.lock().unwrap().clear();
        quiet.wake();
        assert!(until(secs(120), || down.count() == 102).await);
    };
    tokio::select! {
        end = drive(&conn, &mut a, &wake) => panic!("{end}"),
        end = drive(&at_hub, &mut b, &quiet) => panic!("{end}"),
        () = check => {}
    }
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_in_order_over_a_link_that_loses_a_fifth() {
    let link = Link {
        loss: 0.2,
        ..Link::thin()
    };
    let world = World::new(5, link);
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    for n in 0..40 {
        clinic.send(BULK, n, 9_000);
        clinic.send(Lane::Control, n, 60);
    }
    assert!(
        until(secs(1_200), || received.count() == 80).await,
        "{}",
        received.count()
    );
    let expected: Vec<_> = (0..40).map(|n| noise(n, 9_000)).collect();
    assert_eq!(received.got(BULK), expected);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_callers_must_prove_their_addresses_and_all_get_in() {
    let link = Link {
        bits_per_s: 50_000_000.0,
        ..Link::thin()
    };
    let world = World::new(3, link);
    let keys: Vec<_> = (10..210).map(identity).collect();
    let doors = Doors::knowing(&keys.iter().collect::<Vec<_>>());
    let config = LinkConfig::default();
    let mut server =
        Server::bind(&world.machine(1), hub_addr(), &identity(1), &config, doors).unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for key in keys {
        let client = Client::new(world.machine(2), key, config.clone());
        calls.spawn(async move {
            client
                .dial(&[hub_addr()], identity(1).peer(), Alpn::Session)
                .await
        });
    }
    let mut hubs = Vec::new();
    while hubs.len() < 200 {
        hubs.push(server.accept().await.unwrap());
    }
    for call in calls.join_all().await {
        assert!(call.is_ok());
    }
    // RFC 9000 section 17.2.5: the long header of type 3.
    let retries = world
        .first_bytes(1)
        .into_iter()
        .filter(|byte| byte & 0xf0 == 0xf0)
        .count();
    assert_eq!(retries, 200 - 64);
}

#[tokio::test(start_paused = true)]
async fn enrolments_are_few_and_short() {
    let link = Link {
        bits_per_s: 50_000_000.0,
        ..Link::thin()
    };
    let world = World::new(3, link);
    let (mut server, addr, _) = pair_with(&world.machine(1), hub_addr(), &LinkConfig::default());
    let join = async |key| {
        let client = Client::new(world.machine(2), identity(key), LinkConfig::default());
        client
            .dial(&[addr], identity(1).peer(), Alpn::Join)
            .await
            .unwrap()
    };
    let mut joined = Vec::new();
    for key in 10..74 {
        joined.push((join(key).await, server.accept().await.unwrap()));
    }
    let refused = join(200).await.closed().await;
    assert!(
        matches!(&refused, End::Closed(close) if close.code == code::BUSY),
        "{refused}"
    );
    let began = Instant::now();
    joined[63].0.closed().await;
    assert!(
        (secs(110)..secs(130)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    joined.clear();
    let late = join(200).await;
    assert_eq!(server.accept().await.unwrap().peer(), identity(200).peer());
    drop(late);
}

#[tokio::test(start_paused = true)]
async fn the_controller_is_a_choice_and_bbr_does_not_mind_random_loss() {
    let mut rates = Vec::new();
    for congestion in [Congestion::Cubic, Congestion::Bbr] {
        let world = World::new(
            3,
            Link {
                loss: 0.1,
                ..Link::thin()
            },
        );
        let config = LinkConfig {
            congestion,
            ..LinkConfig::default()
        };
        let (_server, conn, at_hub) = connect(&world, &config).await;
        let (mut up, mut down) = (Script::default(), Script::default());
        for n in 0..1_000 {
            up.push(BULK, noise(n, 32_800));
        }
        let received = down.clone();
        let (wake, quiet) = (Wake::new(), Wake::new());
        tokio::select! {
            end = drive(&conn, &mut up, &wake) => panic!("{end}"),
            end = drive(&at_hub, &mut down, &quiet) => panic!("{end}"),
            () = sleep(secs(120)) => {}
        }
        rates.push(received.bytes() / 120);
    }
    println!(
        "64,000 B/s at 10 % loss: Cubic {} B/s, BBR {} B/s",
        rates[0], rates[1]
    );
    assert!(rates[1] > 2 * rates[0] && rates[1] > 40_000, "{rates:?}");
}

#[tokio::test(start_paused = true)]
async fn no_datagram_is_larger_than_the_links_mtu_allows() {
    for (ip_mtu, payload) in [(1_400, 1_372), (1_228, 1_200), (1_500, 1_472)] {
        let world = World::new(
            3,
            Link {
                loss: 0.05,
                ..Link::thin()
            },
        );
        let config = LinkConfig {
            ip_mtu,
            ..LinkConfig::default()
        };
        let (_server, conn, at_hub) = connect(&world, &config).await;
        let send = async {
            for n in 0..30 {
                conn.send(BULK, noise(n, 30_000)).await.unwrap();
                conn.kick();
            }
        };
        let take = async {
            for _ in 0..30 {
                at_hub.recv().await.unwrap();
            }
        };
        tokio::join!(send, take);
        let largest = world.trace().iter().map(|(_, _, size, _)| *size).max();
        assert_eq!(largest, Some(payload));
    }
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_packet_traces() {
    let run = |seed| async move {
        let world = World::new(
            seed,
            Link {
                loss: 0.1,
                ..Link::thin()
            },
        );
        let received = Script::default();
        let hub = hub(&world.machine(1), &received);
        let clinic = clinic(&world.machine(2));
        for n in 0..60 {
            clinic.send(BULK, n, 20_000);
        }
        sleep(secs(20)).await;
        world.set_down(true);
        sleep(secs(90)).await;
        world.set_down(false);
        assert!(until(secs(900), || received.count() == 60).await);
        hub.abort();
        clinic.task.abort();
        world.trace()
    };
    let (one, same, other) = (run(7).await, run(7).await, run(8).await);
    assert!(one.len() > 1_000);
    assert!(one == same, "{} and {} packets", one.len(), same.len());
    assert!(one != other);
}

#[tokio::test(start_paused = true)]
async fn a_fifth_connection_of_one_key_takes_the_place_of_the_most_silent() {
    let world = World::new(1, Link::thin());
    let (mut server, addr, _) = pair_with(&world.machine(1), hub_addr(), &LinkConfig::default());
    let client = Client::new(world.machine(2), identity(2), LinkConfig::default());
    let mut pairs = Vec::new();
    for _ in 0..4 {
        let clinic = client
            .dial(&[addr], identity(1).peer(), Alpn::Session)
            .await
            .unwrap();
        pairs.push((clinic, server.accept().await.unwrap()));
        sleep(secs(5)).await;
    }
    for (clinic, hub) in pairs.iter().take(3) {
        hub.send(BULK, noise(1, 3_000)).await.unwrap();
        clinic.recv().await.unwrap();
        sleep(secs(5)).await;
    }
    let fifth = client
        .dial(&[addr], identity(1).peer(), Alpn::Session)
        .await
        .unwrap();
    let _hub = server.accept().await.unwrap();
    let end = pairs[3].0.closed().await;
    assert!(
        matches!(&end, End::Closed(close) if close.code == code::REPLACED),
        "{end}"
    );
    assert!(fifth.send(BULK, noise(2, 100)).await.is_ok());
    assert!(pairs[0].0.send(BULK, noise(2, 100)).await.is_ok());
}

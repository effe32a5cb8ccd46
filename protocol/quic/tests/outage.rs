//! Over an in-memory link in virtual time: cuts, restarts, refusals, and life after them.

mod support;

use std::time::Duration;

use karez_quic::{LinkConfig, LinkState, Server, Wake, drive};
use support::net::{Link, World};
use support::world::{BULK, clinic, connect, hub, hub_addr, secs};
use support::{Doors, Script, identity, noise, until};
use tokio::time::{Instant, sleep};

/// Time from the end of an outage in mid-transfer to the first new frame.
async fn resume_after(outage: Duration, signal: bool) -> Duration {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    for n in 0..300 {
        clinic.send(BULK, n, 16_000);
    }
    assert!(until(secs(60), || received.count() > 20).await);
    world.set_down(true);
    sleep(secs(5)).await;
    let before = received.count();
    sleep(outage).await;
    assert_eq!(received.count(), before);
    assert!(clinic.is_up(), "an outage is not an error");
    world.set_down(false);
    if signal {
        clinic.link_up.send_modify(|n| *n += 1);
    }
    let back = Instant::now();
    assert!(until(secs(60), || received.count() > before).await);
    let took = back.elapsed();
    assert!(
        until(secs(600), || received.count() >= 300).await,
        "{}",
        received.count()
    );
    took
}

#[tokio::test(start_paused = true)]
async fn data_flows_again_within_seconds_of_the_end_of_an_outage() {
    for outage in [20, 600, 3_600, 8 * 3_600] {
        let blind = resume_after(secs(outage), false).await;
        let told = resume_after(secs(outage), true).await;
        println!("outage {outage} s: blind {blind:?}, with a link-up signal {told:?}");
        let longest = (outage as f64 / 20.0).clamp(0.5, 20.0) * 1.25 + 2.5;
        assert!(
            blind < Duration::from_secs_f64(longest),
            "{outage}: {blind:?}"
        );
        assert!(told < Duration::from_millis(2_000), "{outage}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_owes_a_report_wakes_a_silent_connection_too() {
    let world = World::new(3, Link::thin());
    let (_server, conn, at_hub) = connect(&world, &LinkConfig::default()).await;
    let (up, down) = (Script::default(), Script::default());
    let (wake, quiet) = (Wake::new(), Wake::new());
    let (mut a, mut b) = (up.clone(), down.clone());
    let check = async {
        sleep(secs(5)).await;
        world.set_down(true);
        down.push(BULK, noise(1, 50_000));
        quiet.wake();
        sleep(secs(7_200)).await;
        world.set_down(false);
        assert!(until(secs(150), || up.count() == 1).await);
    };
    tokio::select! {
        end = drive(&conn, &mut a, &wake) => panic!("{end}"),
        end = drive(&at_hub, &mut b, &quiet) => panic!("{end}"),
        () = check => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_sends_nothing() {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    clinic.send(BULK, 1, 16_000);
    assert!(until(secs(60), || received.count() == 1).await);
    sleep(secs(60)).await;
    let before = world.trace().len();
    sleep(secs(7 * 86_400)).await;
    assert_eq!(world.trace().len(), before);
    assert!(clinic.is_up());
}

#[tokio::test(start_paused = true)]
async fn a_restarted_hub_is_found_again_at_once() {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let first = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    clinic.send(BULK, 1, 16_000);
    assert!(until(secs(60), || received.count() == 1).await);
    world.set_down(true); // It dies without a word.
    first.abort();
    sleep(secs(15)).await;
    world.set_down(false);
    let _second = hub(&world.machine(1), &received);
    let back = Instant::now();
    clinic.send(BULK, 2, 16_000);
    let mut state = clinic.state.clone();
    state.mark_unchanged();
    state.changed().await.unwrap();
    let LinkState::Down { cause, .. } = state.borrow_and_update().clone() else {
        panic!("the connection cannot live");
    };
    assert!(cause.contains("restarted"), "{cause}");
    // What was in flight died with the connection; to know what is owed is the session's part.
    clinic.send(BULK, 2, 16_000);
    assert!(until(secs(60), || received.count() == 2).await);
    println!("back after {:?}", back.elapsed());
    assert!(back.elapsed() < secs(5), "{:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_silent_is_replaced_by_another_beside_it() {
    let world = World::new(3, Link::thin());
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    let clinic = clinic(&world.machine(2));
    clinic.send(BULK, 1, 16_000);
    assert!(until(secs(60), || received.count() == 1).await);
    // A middlebox turns against the flow: no kick can help.
    world.block_ports_of(2);
    clinic.send(BULK, 2, 16_000);
    let mut state = clinic.state.clone();
    state.mark_unchanged();
    let began = Instant::now();
    state.changed().await.unwrap();
    assert!(clinic.is_up(), "there is always a connection");
    assert!(
        (secs(30)..secs(40)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    clinic.send(BULK, 2, 16_000);
    assert!(until(secs(10), || received.count() == 2).await);
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_told_why_and_tries_again_rarely() {
    let world = World::new(3, Link::thin());
    let config = LinkConfig::default();
    let nobody = Doors::knowing(&[]);
    let net = world.machine(1);
    let _server = Server::bind(&net, hub_addr(), &identity(1), &config, nobody).unwrap();
    let clinic = clinic(&world.machine(2));
    sleep(secs(10)).await;
    let LinkState::Down { cause, .. } = clinic.state.borrow().clone() else {
        panic!("an unknown key was let in");
    };
    assert!(cause.contains("not known here: join"), "{cause}");
    let before = world.sent_by(2);
    sleep(secs(86_400)).await;
    let per_dial = (world.sent_by(2) - before) / (86_400 / 300);
    assert!((1_000..6_000).contains(&per_dial), "{per_dial} B");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_was_never_met_is_dialled_for_ever() {
    let world = World::new(3, Link::thin());
    let clinic = clinic(&world.machine(2));
    clinic.send(BULK, 1, 16_000);
    sleep(secs(3 * 86_400)).await;
    let LinkState::Down { cause, .. } = clinic.state.borrow().clone() else {
        panic!("nobody is there");
    };
    assert!(cause.starts_with("no answer from 10.0.0.1:4433"), "{cause}");
    let received = Script::default();
    let _hub = hub(&world.machine(1), &received);
    assert!(until(secs(35), || received.count() == 1).await);
    let per_minute = world.sent_by(2) / (3 * 1_440);
    // Six packets per attempt, one attempt in 20 to 30 s.
    println!("a hub that is away costs {per_minute} B a minute");
    assert!(per_minute < 18_000, "{per_minute}");
}

/// A handshake does not fit into a dial's first time.
#[tokio::test(start_paused = true)]
async fn a_line_of_a_few_kbit_per_second_is_given_the_time_that_a_handshake_takes() {
    for (seed, bits_per_s) in [(3, 9_600.0), (4, 4_800.0), (5, 3_600.0)] {
        let link = Link {
            bits_per_s,
            delay: Duration::from_millis(500),
            queue: secs(10),
            ..Link::thin()
        };
        let world = World::new(seed, link);
        let received = Script::default();
        let _hub = hub(&world.machine(1), &received);
        let clinic = clinic(&world.machine(2));
        clinic.send(BULK, 1, 4_000);
        let began = Instant::now();
        assert!(until(secs(180), || received.count() == 1).await);
        println!("{bits_per_s} bit/s: there after {:?}", began.elapsed());
    }
}

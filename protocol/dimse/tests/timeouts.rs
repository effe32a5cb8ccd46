//! Silence: three separate timeouts, under paused time, and a dead association after each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{COMMAND, CT, DATA, LAST, Raw, ct, p_data, request};
use karez_dimse::command::{Command, Field};
use karez_dimse::stub::Pacs;
use karez_dimse::uid::CT_STORAGE;
use karez_dimse::{Error, Phase, Status, Timeouts, Uid, scp, scu};
use std::future::pending;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

async fn opened(pacs: &Pacs) -> scu::Association<DuplexStream> {
    scu::Association::connect(async { pacs.connect() }, &request(CT))
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_comes_up_is_given_back_as_such() {
    let started = Instant::now();
    let never = pending::<std::io::Result<DuplexStream>>();
    let error = scu::Association::connect(never, &request(CT)).await.err();
    assert_eq!(error, Some(Error::Connect(ErrorKind::TimedOut)));
    assert_eq!(started.elapsed(), seconds(30));
}

#[tokio::test(start_paused = true)]
async fn t08_a_peer_that_connects_and_never_answers_the_request_ends_in_the_associate_timeout() {
    let (ours, _theirs) = duplex(4096);
    let started = Instant::now();
    let error = scu::Association::open(ours, &request(CT)).await.err();
    assert_eq!(error, Some(Error::Timeout(Phase::Associate)));
    assert_eq!(started.elapsed(), seconds(30));
}

#[tokio::test(start_paused = true)]
async fn t11_after_an_idle_timeout_the_association_is_dead_and_the_peer_is_told() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| behaviour.delay = seconds(61));
    let mut association = opened(&pacs).await;
    let started = Instant::now();
    let error = association
        .store(&ct("1.2.3", 2), &mut [0; 2].as_slice())
        .await
        .unwrap_err();
    assert_eq!(error, Error::Timeout(Phase::Idle));
    assert!(!error.association_lives());
    assert_eq!(started.elapsed(), seconds(60));
    let again = association
        .store(&ct("1.2.4", 2), &mut [0; 2].as_slice())
        .await;
    assert_eq!(again, Err(Error::Over));
    sleep(seconds(10)).await;
    assert_eq!(pacs.received(), [Uid::new("1.2.3")]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_within_the_idle_timeout_is_waited_for() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| behaviour.delay = seconds(59));
    let answer = opened(&pacs)
        .await
        .store(&ct("1.2.3", 2), &mut [0; 2].as_slice())
        .await
        .unwrap();
    assert_eq!(answer.status, Status::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_takes_no_bytes_ends_in_the_write_timeout() {
    let (ours, theirs) = duplex(4096);
    let opening = tokio::spawn(async move {
        let mut request = request(CT);
        request.timeouts = Timeouts {
            write: seconds(7),
            ..Timeouts::default()
        };
        scu::Association::open(ours, &request).await.unwrap()
    });
    let mut raw = Raw(theirs);
    raw.pdu().await.unwrap();
    raw.send(&common::associate_ac(
        &[(5, 0, karez_dimse::uid::EXPLICIT_LE)],
        0,
    ))
    .await;
    let mut association = opening.await.unwrap();
    let started = Instant::now();
    let data = vec![0; 100_000];
    let error = association
        .store(&ct("1.2.3", data.len()), &mut data.as_slice())
        .await
        .unwrap_err();
    assert_eq!(error, Error::Timeout(Phase::Write));
    assert_eq!(started.elapsed(), seconds(7));
    assert_eq!(
        association.echo().await.err(),
        Some(Error::ContextNotAccepted(
            karez_dimse::ContextRefusal::NoReason
        ))
    );
    let again = association
        .store(&ct("1.2.3", data.len()), &mut data.as_slice())
        .await;
    assert_eq!(again, Err(Error::Over));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_not_answered_does_not_hold_us() {
    let (ours, theirs) = duplex(4096);
    let opening =
        tokio::spawn(async move { scu::Association::open(ours, &request(CT)).await.unwrap() });
    let mut raw = Raw(theirs);
    raw.pdu().await.unwrap();
    raw.send(&common::associate_ac(&[], 0)).await;
    let association = opening.await.unwrap();
    assert_eq!(
        association.release().await,
        Err(Error::Timeout(Phase::Associate))
    );
    assert_eq!(raw.pdu().await.unwrap().0, 5);
    assert_eq!(raw.pdu().await.unwrap().0, 7);
}

fn served(timeouts: Timeouts) -> (Raw, tokio::task::JoinHandle<Result<(), Error>>) {
    let pacs = Pacs::new(false).with_config(scp::Config {
        timeouts,
        ..scp::Config::default()
    });
    let (ours, theirs) = duplex(1 << 16);
    (
        Raw(ours),
        tokio::spawn(async move { pacs.serve(theirs).await }),
    )
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_connects_and_drips_its_request_is_cut_at_the_associate_timeout() {
    let (mut raw, server) = served(Timeouts::default());
    let started = Instant::now();
    let bytes = common::associate_rq(&[(1, CT_STORAGE)], 0);
    let drip = tokio::spawn(async move {
        for byte in bytes {
            raw.send(&[byte]).await;
            sleep(seconds(1)).await;
        }
    });
    assert_eq!(server.await.unwrap(), Err(Error::Timeout(Phase::Associate)));
    assert_eq!(started.elapsed(), seconds(30));
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn a_scanner_that_goes_silent_is_cut_at_the_idle_timeout_with_an_abort() {
    let (mut raw, server) = served(Timeouts {
        idle: seconds(20),
        ..Timeouts::default()
    });
    raw.associate().await;
    let started = Instant::now();
    assert_eq!(raw.pdu().await.unwrap().0, 7);
    assert_eq!(started.elapsed(), seconds(20));
    assert_eq!(server.await.unwrap(), Err(Error::Timeout(Phase::Idle)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_scanner_that_keeps_sending_may_take_longer_than_the_idle_timeout() {
    let (mut raw, server) = served(Timeouts {
        idle: seconds(20),
        ..Timeouts::default()
    });
    raw.associate().await;
    let mut command = Command::request(Field::STORE, 1, &Uid::new(CT_STORAGE));
    command.data_set = true;
    raw.send(&p_data(1, COMMAND | LAST, &command.encode()))
        .await;
    for part in 0..10 {
        sleep(seconds(15)).await;
        raw.send(&p_data(
            1,
            if part == 9 { DATA | LAST } else { DATA },
            &[0; 64],
        ))
        .await;
    }
    let (_, body) = raw.pdu().await.unwrap();
    assert_eq!(
        Command::decode(&body[6..]).unwrap().status,
        Some(Status::SUCCESS)
    );
    drop(raw);
    assert_eq!(
        server.await.unwrap(),
        Err(Error::Lost(ErrorKind::UnexpectedEof))
    );
}

#[tokio::test(start_paused = true)]
async fn t11_a_store_that_was_cancelled_half_way_leaves_a_dead_association() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| behaviour.delay = seconds(5));
    let mut association = opened(&pacs).await;
    let cancelled = timeout(
        seconds(1),
        association.store(&ct("1.2.3", 2), &mut [0; 2].as_slice()),
    )
    .await;
    assert!(cancelled.is_err());
    assert_eq!(association.echo().await, Err(Error::Over));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_request_can_be_cancelled_without_loss() {
    let (ours, theirs) = duplex(1 << 16);
    let mut raw = Raw(ours);
    let server = tokio::spawn(async move {
        let everyone = |_: &scp::Peer, _: &Uid| Ok(());
        let mut association = scp::Association::accept(theirs, &scp::Config::default(), &everyone)
            .await
            .unwrap();
        let mut cancelled = 0;
        loop {
            match timeout(seconds(1), association.next()).await {
                Err(_) => cancelled += 1,
                Ok(request) => return (cancelled, matches!(request, Ok(scp::Request::Echo))),
            }
        }
    });
    raw.associate().await;
    let echo = Command::request(Field::ECHO, 1, &Uid::new(karez_dimse::uid::VERIFICATION)).encode();
    let (begin, end) = echo.split_at(20);
    let fragments = [p_data(3, COMMAND, begin), p_data(3, COMMAND | LAST, end)].concat();
    for piece in fragments.chunks(16) {
        sleep(Duration::from_millis(2500)).await;
        raw.send(piece).await;
    }
    let (cancelled, echoed) = server.await.unwrap();
    assert!(cancelled > 4 && echoed);
}

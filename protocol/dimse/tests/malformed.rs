//! Peers that break the protocol: each is named, told so by an abort, and costs no memory and no data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    COMMAND, DATA, LAST, Raw, associate_ac, associate_rq, ct, noise, p_data, pdu, pdv, request,
};
use karez_dimse::command::{Command, Field};
use karez_dimse::scp::{self, Request};
use karez_dimse::stub::Pacs;
use karez_dimse::uid::{CT_STORAGE, EXPLICIT_LE, IMPLICIT_LE};
use karez_dimse::{
    AbortSource, ContextRefusal, Error, RejectReason, Rejection, Status, Uid, Violation, scu,
};
use proptest::prelude::*;
use std::io::ErrorKind;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

const ABORT: u8 = 7;

fn store_command(message: u16) -> Vec<u8> {
    let mut command = Command::request(Field::STORE, message, &Uid::new(CT_STORAGE));
    command.sop_instance = Uid::new("1.2.3");
    command.data_set = true;
    command.encode()
}

fn serve(pacs: &Pacs) -> (Raw, JoinHandle<Result<(), Error>>) {
    let (ours, theirs) = duplex(1 << 20);
    let pacs = pacs.clone();
    (
        Raw(ours),
        tokio::spawn(async move { pacs.serve(theirs).await }),
    )
}

/// Sends `bytes` on a fresh association and returns how the acceptor saw it.
async fn after_associating(bytes: &[u8]) -> Violation {
    let pacs = Pacs::new(true);
    let (mut raw, server) = serve(&pacs);
    raw.associate().await;
    raw.send(bytes).await;
    assert_eq!(raw.pdu().await.unwrap().0, ABORT);
    assert!(raw.pdu().await.is_none());
    assert!(pacs.held().is_empty());
    match server.await.unwrap() {
        Err(Error::Protocol(violation)) => violation,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn t11_interleaved_fragments_end_the_association() {
    let command = p_data(1, COMMAND | LAST, &store_command(1));
    let begun = [command, p_data(1, DATA, &[0; 100])].concat();
    let second_command = p_data(1, COMMAND | LAST, &store_command(2));
    let other_context = p_data(3, DATA | LAST, &[0; 100]);
    for intruder in [second_command, other_context] {
        let bytes = [begun.clone(), intruder].concat();
        assert_eq!(after_associating(&bytes).await, Violation::Interleaved);
    }
    let half_command = p_data(1, COMMAND, &store_command(1)[..40]);
    let data_inside = [half_command, p_data(1, DATA, &[0; 10])].concat();
    assert_eq!(
        after_associating(&data_inside).await,
        Violation::Interleaved
    );
}

#[tokio::test]
async fn each_violation_is_named_and_aborted() {
    let long = vec![0; 17 << 10];
    let response =
        Command::request(Field::STORE, 1, &Uid::new(CT_STORAGE)).respond(Status::SUCCESS);
    let cases = [
        (p_data(1, DATA | LAST, &[0; 10]), Violation::Interleaved),
        (p_data(1, COMMAND | LAST, &long), Violation::CommandTooLong),
        (
            p_data(1, COMMAND | LAST, &[1, 2, 3]),
            Violation::MalformedCommand,
        ),
        (p_data(1, COMMAND, &[]), Violation::MalformedCommand),
        (
            p_data(5, COMMAND | LAST, &store_command(1)),
            Violation::UnknownContext,
        ),
        (
            p_data(1, COMMAND | LAST, &response.encode()),
            Violation::UnexpectedMessage,
        ),
        (pdu(4, &[0, 0, 0, 99, 1, 3, 0]), Violation::MalformedPdu),
        (pdu(4, &[]), Violation::UnexpectedPdu),
        (pdu(6, &[0; 4]), Violation::UnexpectedPdu),
        (
            associate_rq(&[(1, CT_STORAGE)], 0),
            Violation::UnexpectedPdu,
        ),
        (vec![4, 0, 255, 255, 255, 255], Violation::PduTooLong),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Violation::PduTooLong),
    ];
    for (bytes, violation) in cases {
        assert_eq!(after_associating(&bytes).await, violation);
    }
}

#[tokio::test]
async fn bad_association_requests_are_named() {
    let ids: Vec<u8> = (0..129u8).map(|index| index.wrapping_mul(2) | 1).collect();
    let many: Vec<(u8, &str)> = ids.iter().map(|id| (*id, CT_STORAGE)).collect();
    let cases = [
        (associate_rq(&[(2, CT_STORAGE)], 0), Violation::BadContexts),
        (associate_rq(&many, 0), Violation::BadContexts),
        (
            associate_rq(&[(1, CT_STORAGE)], 12),
            Violation::PduLimitTooSmall,
        ),
        (
            p_data(1, COMMAND | LAST, &store_command(1)),
            Violation::UnexpectedPdu,
        ),
        (pdu(1, &[0; 20]), Violation::MalformedPdu),
    ];
    for (bytes, violation) in cases {
        let (mut raw, server) = serve(&Pacs::new(false));
        raw.send(&bytes).await;
        assert_eq!(raw.pdu().await.unwrap().0, ABORT);
        assert_eq!(server.await.unwrap(), Err(Error::Protocol(violation)));
    }
}

#[tokio::test]
async fn a_cut_in_the_middle_of_a_data_set_is_a_loss_not_an_end() {
    let pacs = Pacs::new(true);
    let (mut raw, server) = serve(&pacs);
    raw.associate().await;
    raw.send(&p_data(1, COMMAND | LAST, &store_command(1)))
        .await;
    raw.send(&p_data(1, DATA, &[0; 100])).await;
    drop(raw);
    assert_eq!(
        server.await.unwrap(),
        Err(Error::Lost(ErrorKind::UnexpectedEof))
    );
    assert!(pacs.received().is_empty());
}

#[tokio::test]
async fn a_request_that_we_leave_unanswered_ends_the_association() {
    let (ours, theirs) = duplex(1 << 20);
    let mut raw = Raw(ours);
    let server = tokio::spawn(async move {
        let everyone = |_: &scp::Peer, _: &Uid| Ok(());
        let mut association = scp::Association::accept(theirs, &scp::Config::default(), &everyone)
            .await
            .unwrap();
        assert!(matches!(association.next().await, Ok(Request::Store(_))));
        association.next().await.map(|_| ())
    });
    raw.associate().await;
    raw.send(&p_data(1, COMMAND | LAST, &store_command(1)))
        .await;
    assert_eq!(raw.pdu().await.unwrap().0, ABORT);
    assert_eq!(
        server.await.unwrap(),
        Err(Error::Protocol(Violation::Unanswered))
    );
}

#[tokio::test]
async fn unknown_operations_are_answered_and_the_association_goes_on() {
    let (mut raw, server) = serve(&Pacs::new(false));
    raw.associate().await;
    let mut action = Command::request(Field::ACTION, 9, &Uid::new(CT_STORAGE));
    action.data_set = true;
    raw.send(&p_data(1, COMMAND | LAST, &action.encode())).await;
    raw.send(&p_data(1, DATA | LAST, &[0; 50])).await;
    let no_data = Command::request(Field::STORE, 10, &Uid::new(CT_STORAGE));
    raw.send(&p_data(1, COMMAND | LAST, &no_data.encode()))
        .await;
    for (message, status) in [
        (9, Status::UNRECOGNIZED_OPERATION),
        (10, Status::CANNOT_UNDERSTAND),
    ] {
        let (kind, body) = raw.pdu().await.unwrap();
        let answer = Command::decode(&body[6..]).unwrap();
        assert_eq!(
            (kind, answer.message, answer.status),
            (4, message, Some(status))
        );
    }
    raw.send(&pdu(5, &[0; 4])).await;
    assert_eq!(raw.pdu().await.unwrap().0, 6);
    assert_eq!(server.await.unwrap(), Ok(()));
}

/// Message bytes cut at `cuts`, grouped into PDUs of up to three values.
fn cut(command: &[u8], data: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut values = Vec::new();
    for (kind, bytes) in [(COMMAND, command), (DATA, data)] {
        let mut rest = bytes;
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (now, then) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let last = if then.is_empty() { LAST } else { 0 };
            values.push(pdv(1, kind | last, now));
            rest = then;
        }
    }
    values
        .chunks(3)
        .flat_map(|group| pdu(4, &group.concat()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn t7_any_cutting_into_values_even_odd_ones_gives_the_same_bytes(
        length in 1usize..5_000,
        seed in any::<u64>(),
        cuts in proptest::collection::vec(1usize..700, 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let pacs = Pacs::new(true);
            let (mut raw, server) = serve(&pacs);
            raw.associate().await;
            let data = noise(length, seed);
            raw.send(&cut(&store_command(1), &data, &cuts)).await;
            assert_eq!(raw.pdu().await.unwrap().0, 4);
            raw.send(&pdu(5, &[0; 4])).await;
            assert_eq!(server.await.unwrap(), Ok(()));
            assert_eq!(pacs.held()[&Uid::new("1.2.3")].bytes.as_ref(), Some(&data));
        });
    }

    #[test]
    fn any_bytes_on_an_association_end_it_and_store_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 1..400),
        kind in 0u8..9,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pacs = Pacs::new(true);
            let (mut raw, server) = serve(&pacs);
            raw.associate().await;
            raw.send(&pdu(kind, &bytes)).await;
            let ended = server.await.unwrap();
            let released = kind == 5 && bytes.len() >= 4;
            assert!(released == ended.is_ok(), "{ended:?}");
            assert!(pacs.received().is_empty());
        });
    }
}

#[tokio::test]
async fn odd_fragments_and_odd_totals_are_seen() {
    let (ours, theirs) = duplex(1 << 20);
    let mut raw = Raw(ours);
    let server = tokio::spawn(async move {
        let everyone = |_: &scp::Peer, _: &Uid| Ok(());
        let mut association = scp::Association::accept(theirs, &scp::Config::default(), &everyone)
            .await
            .unwrap();
        let Ok(Request::Store(mut store)) = association.next().await else {
            panic!("no instance")
        };
        while store.data().await.unwrap().is_some() {}
        (store.received(), store.odd_fragments())
    });
    raw.associate().await;
    raw.send(&cut(&store_command(1), &[0; 20], &[7])).await;
    assert_eq!(server.await.unwrap(), (20, true));
}

/// Opens an association to a raw acceptor that answers `acceptance`.
async fn open_to(acceptance: Vec<u8>) -> (Raw, Result<scu::Association<DuplexStream>, Error>) {
    let (ours, theirs) = duplex(1 << 16);
    let opening =
        tokio::spawn(async move { scu::Association::open(ours, &request(common::CT)).await });
    let mut raw = Raw(theirs);
    assert_eq!(raw.pdu().await.unwrap().0, 1);
    raw.send(&acceptance).await;
    (raw, opening.await.unwrap())
}

fn accepted() -> Vec<u8> {
    associate_ac(
        &[
            (1, 0, IMPLICIT_LE),
            (3, 0, IMPLICIT_LE),
            (5, 0, EXPLICIT_LE),
        ],
        4096,
    )
}

#[tokio::test]
async fn a_rejection_carries_its_reason() {
    let (_raw, opened) = open_to(pdu(3, &[0, 2, 1, 7])).await;
    let rejection = Rejection {
        transient: true,
        reason: RejectReason::CalledAe,
    };
    assert_eq!(opened.err(), Some(Error::Rejected(rejection)));
}

#[tokio::test]
async fn t16_a_context_accepted_in_another_syntax_is_not_used() {
    let (_raw, opened) = open_to(associate_ac(
        &[(1, 0, IMPLICIT_LE), (5, 0, IMPLICIT_LE)],
        4096,
    ))
    .await;
    let mut association = opened.unwrap();
    let (class, syntax) = (Uid::new(CT_STORAGE), Uid::new(EXPLICIT_LE));
    assert_eq!(
        association.accepts(&class, &syntax),
        Err(ContextRefusal::TransferSyntax)
    );
    let error = association
        .store(&ct("1.2", 2), &mut [0; 2].as_slice())
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::ContextNotAccepted(ContextRefusal::TransferSyntax)
    );
    assert_eq!(
        association.accepts(&class, &Uid::new("1.2")),
        Err(ContextRefusal::NotProposed)
    );
}

#[tokio::test]
async fn an_answer_to_another_message_is_not_believed() {
    let (mut raw, opened) = open_to(accepted()).await;
    let storing = tokio::spawn(async move {
        opened
            .unwrap()
            .store(&ct("1.2", 2), &mut [0; 2].as_slice())
            .await
    });
    raw.pdu().await.unwrap();
    let other = Command::request(Field::STORE, 77, &Uid::new(CT_STORAGE)).respond(Status::SUCCESS);
    raw.send(&p_data(5, COMMAND | LAST, &other.encode())).await;
    assert_eq!(
        storing.await.unwrap(),
        Err(Error::Protocol(Violation::UnexpectedMessage))
    );
}

#[tokio::test]
async fn an_abort_in_the_middle_of_a_data_set_is_seen_though_the_peer_reads_no_more() {
    let (mut raw, opened) = open_to(accepted()).await;
    let data = vec![0; 1 << 20];
    let storing = tokio::spawn(async move {
        opened
            .unwrap()
            .store(&ct("1.2", 1 << 20), &mut data.as_slice())
            .await
    });
    raw.pdu().await.unwrap();
    raw.send(&pdu(ABORT, &[0, 0, 2, 0])).await;
    raw.0.shutdown().await.unwrap();
    assert_eq!(
        storing.await.unwrap(),
        Err(Error::Aborted(AbortSource::Provider))
    );
}

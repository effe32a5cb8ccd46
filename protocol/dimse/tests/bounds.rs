//! What a peer can make us hold has an end, and half a message is never followed by another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    COMMAND, DATA, LAST, Raw, associate_ac, associate_rq, associate_rq_in, p_data, request,
};
use karez_dimse::command::{Command, Field};
use karez_dimse::scp::{Association, Config, Peer, Request};
use karez_dimse::stub::Pacs;
use karez_dimse::uid::{CT_STORAGE, IMPLICIT_LE, STUDY_ROOT_FIND};
use karez_dimse::{Error, Identifier, Status, Uid, Violation, limits, scu};
use std::time::Duration;
use tokio::io::{AsyncReadExt, duplex};
use tokio::time::timeout;

const ABORT: u8 = 7;

/// What ends an association on which `first` and then `repeated` come without end.
async fn flooded(association: Vec<u8>, first: Vec<u8>, repeated: Vec<u8>) -> Error {
    let (ours, theirs) = duplex(1 << 16);
    let pacs = Pacs::new(false);
    let server = tokio::spawn(async move { pacs.serve(theirs).await });
    let mut raw = Raw(ours);
    raw.send(&association).await;
    assert_eq!(raw.pdu().await.unwrap().0, 2);
    let (mut reading, mut writing) = tokio::io::split(raw.0);
    let flood = tokio::spawn(async move {
        let mut next = first;
        while tokio::io::AsyncWriteExt::write_all(&mut writing, &next)
            .await
            .is_ok()
        {
            next.clone_from(&repeated);
        }
    });
    let mut said = Vec::new();
    let ended = timeout(Duration::from_secs(20), reading.read_to_end(&mut said)).await;
    ended.expect("the flood was never cut").unwrap();
    assert_eq!(said.first(), Some(&ABORT));
    flood.await.unwrap();
    server.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_command_set_without_end_is_cut_at_its_bound() {
    let fragment = p_data(1, COMMAND, &[0; 1000]);
    let error = flooded(
        associate_rq(&[(1, CT_STORAGE)], 0),
        fragment.clone(),
        fragment,
    )
    .await;
    assert_eq!(error, Error::Protocol(Violation::CommandTooLong));
}

#[tokio::test]
async fn a_question_without_end_is_cut_at_its_bound() {
    let mut find = Command::request(Field::FIND, 1, &Uid::new(STUDY_ROOT_FIND));
    find.data_set = true;
    let association = associate_rq_in(IMPLICIT_LE, &[(1, STUDY_ROOT_FIND)], 0);
    let command = p_data(1, COMMAND | LAST, &find.encode());
    let error = flooded(association, command, p_data(1, DATA, &[0; 4000])).await;
    assert_eq!(error, Error::Protocol(Violation::AnswerTooLong));
}

#[tokio::test]
async fn matches_without_end_are_cut_at_their_bound() {
    let (ours, theirs) = duplex(1 << 16);
    let asking = tokio::spawn(async move {
        let mut association = scu::Association::open(ours, &request(&[])).await.unwrap();
        association.find(&Identifier::study(&Uid::new("1.2"))).await
    });
    let mut raw = Raw(theirs);
    raw.pdu().await.unwrap();
    raw.send(&associate_ac(&[(3, 0, IMPLICIT_LE)], 0)).await;
    let (_, body) = raw.pdu().await.unwrap();
    let mut answer = Command::decode(&body[6..])
        .unwrap()
        .respond(Status::PENDING);
    answer.data_set = true;
    let mut identifier = Identifier::default();
    identifier.set_text(karez_dimse::Tag(0x0008, 0x1030), &"x".repeat(60_000));
    let identifier = identifier.encode();
    let matched = [
        p_data(3, COMMAND | LAST, &answer.encode()),
        p_data(3, DATA | LAST, &identifier),
    ]
    .concat();
    let mut sent = 0;
    while tokio::io::AsyncWriteExt::write_all(&mut raw.0, &matched)
        .await
        .is_ok()
    {
        sent += identifier.len();
        assert!(sent < 2 * limits::MATCHES);
    }
    assert_eq!(
        asking.await.unwrap(),
        Err(Error::Protocol(Violation::AnswerTooLong))
    );
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_is_never_followed_by_another_message() {
    let (ours, theirs) = duplex(64);
    let server = tokio::spawn(async move {
        let everyone = |_: &Peer, _: &Uid| Ok(());
        let mut association = Association::accept(theirs, &Config::default(), &everyone)
            .await
            .unwrap();
        let Ok(Request::Store(store)) = association.next().await else {
            panic!("no instance");
        };
        let cancelled = timeout(Duration::from_secs(1), store.answer(Status::SUCCESS))
            .await
            .is_err();
        (cancelled, association.next().await.map(|_| ()))
    });
    let mut raw = Raw(ours);
    raw.associate().await;
    let mut store = Command::request(Field::STORE, 1, &Uid::new(CT_STORAGE));
    store.data_set = true;
    raw.send(&p_data(1, COMMAND | LAST, &store.encode())).await;
    raw.send(&p_data(1, DATA | LAST, &[0; 10])).await;
    // The answer was given up after 1 s; room for an abort comes while one would still be tried.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let mut rest = Vec::new();
    raw.0.read_to_end(&mut rest).await.unwrap();
    let whole = p_data(1, COMMAND | LAST, &store.respond(Status::SUCCESS).encode());
    assert!(rest.len() < whole.len() && whole.starts_with(&rest));
    let (cancelled, next) = server.await.unwrap();
    assert!(cancelled);
    assert_eq!(next, Err(Error::Protocol(Violation::Unanswered)));
}

//! Policies, and a PACS that is down, full, choosy or rude: what the requestor learns from each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CT, ct, noise, outgoing, request};
use karez_dimse::scp::{self, Peer, Policy};
use karez_dimse::scu::{Association, Contexts};
use karez_dimse::stub::Pacs;
use karez_dimse::uid::{CR_STORAGE, CT_STORAGE, EXPLICIT_LE, VERIFICATION};
use karez_dimse::{
    AbortSource, ContextRefusal, Error, Identifier, RejectReason, Rejection, Status, Uid, Verdict,
};
use std::io::ErrorKind;
use tokio::io::{DuplexStream, duplex};

async fn opened(pacs: &Pacs, pairs: &[(&str, &str)]) -> Association<DuplexStream> {
    Association::connect(async { pacs.connect() }, &request(pairs))
        .await
        .unwrap()
}

async fn send(
    association: &mut Association<DuplexStream>,
    instance: &str,
    bytes: &[u8],
) -> Result<Status, Error> {
    let answer = association
        .store(&ct(instance, bytes.len()), &mut &bytes[..])
        .await?;
    Ok(answer.status)
}

/// Everyone may echo; only CT01 may store; BANNED is not even let in.
struct AllowList;

impl Policy for AllowList {
    fn admit(&self, peer: &Peer) -> Result<(), Rejection> {
        match peer.calling.as_str() {
            "BANNED" => Err(Rejection {
                transient: false,
                reason: RejectReason::CallingAe,
            }),
            _ => Ok(()),
        }
    }

    fn allow(&self, peer: &Peer, class: &Uid) -> Result<(), ContextRefusal> {
        let known = peer.calling.as_str() == "CT01" && class.may_be_storage();
        if known || class.as_str() == VERIFICATION {
            Ok(())
        } else {
            Err(ContextRefusal::User)
        }
    }
}

async fn knock(calling: &str) -> Result<Association<DuplexStream>, Error> {
    let (ours, theirs) = duplex(4096);
    tokio::spawn(async move {
        let accepted = scp::Association::accept(theirs, &scp::Config::default(), &AllowList).await;
        if let Ok(mut association) = accepted {
            while association.next().await.is_ok() {}
        }
    });
    let mut request = request(CT);
    request.calling = karez_dimse::AeTitle::new(calling).unwrap();
    Association::open(ours, &request).await
}

#[tokio::test]
async fn t25_an_unknown_title_is_answered_c_echo_and_refused_c_store() {
    let mut stranger = knock("STRANGER").await.unwrap();
    assert_eq!(stranger.echo().await.unwrap().status, Status::SUCCESS);
    let refused = send(&mut stranger, "1.2.3", &[0; 2]).await;
    assert_eq!(
        refused,
        Err(Error::ContextNotAccepted(ContextRefusal::User))
    );
    assert_eq!(stranger.echo().await.unwrap().status, Status::SUCCESS);
    let known = knock("CT01").await.unwrap();
    assert_eq!(
        known.accepts(&Uid::new(CT_STORAGE), &Uid::new(EXPLICIT_LE)),
        Ok(())
    );
    let banned = Rejection {
        transient: false,
        reason: RejectReason::CallingAe,
    };
    assert_eq!(knock("BANNED").await.err(), Some(Error::Rejected(banned)));
}

#[tokio::test]
async fn t22_128_private_classes_and_syntaxes_go_over_one_association() {
    let pacs = Pacs::new(true);
    let mut everything = request(&[]);
    everything.contexts = Contexts::new();
    let syntax = |index| format!("1.3.46.670589.33.{index}");
    let class = |index| format!("1.3.46.670589.5.{index}");
    for index in 0..128 {
        everything
            .contexts
            .add(&Uid::new(&class(index)), &Uid::new(&syntax(index)))
            .unwrap();
    }
    let mut association = Association::connect(async { pacs.connect() }, &everything)
        .await
        .unwrap();
    for index in 0..128 {
        let instance = outgoing(&class(index), &format!("1.2.{index}"), &syntax(index), 500);
        let bytes = noise(500, index);
        let answer = association
            .store(&instance, &mut bytes.as_slice())
            .await
            .unwrap();
        assert_eq!(answer.status, Status::SUCCESS);
        let held = pacs.held()[&instance.sop_instance].clone();
        assert_eq!(held.bytes, Some(bytes));
        assert_eq!(
            (held.sop_class, held.transfer_syntax),
            (instance.sop_class, instance.transfer_syntax)
        );
    }
    association.release().await.unwrap();
    assert_eq!(pacs.associations(), 1);
}

#[tokio::test]
async fn a_pacs_that_is_down_refuses_the_connection_and_takes_it_when_it_is_back() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| behaviour.down = true);
    let error = Association::connect(async { pacs.connect() }, &request(CT))
        .await
        .err();
    assert_eq!(error, Some(Error::Connect(ErrorKind::ConnectionRefused)));
    pacs.behave(|behaviour| behaviour.down = false);
    assert_eq!(
        opened(&pacs, CT).await.echo().await.unwrap().status,
        Status::SUCCESS
    );
}

#[tokio::test]
async fn t04_statuses_come_through_and_other_instances_are_stored() {
    let pacs = Pacs::new(false);
    let table = [
        (0xA700, Verdict::OutOfResources),
        (0xC000, Verdict::InstanceRefused),
        (0xB007, Verdict::StoredWithWarning),
        (0x0124, Verdict::NotAuthorised),
    ];
    pacs.behave(|behaviour| {
        for (code, _) in table {
            behaviour
                .answers
                .insert(Uid::new(&format!("1.2.{code}")), Status(code));
        }
    });
    let mut association = opened(&pacs, CT).await;
    for (code, verdict) in table {
        let status = send(&mut association, &format!("1.2.{code}"), &[0; 10])
            .await
            .unwrap();
        assert_eq!((status, status.verdict()), (Status(code), verdict));
        assert_eq!(
            send(&mut association, &format!("1.3.{code}"), &[0; 10]).await,
            Ok(Status::SUCCESS)
        );
    }
    assert_eq!((pacs.held().len(), pacs.received().len()), (4, 8));
}

#[tokio::test]
async fn a_full_pacs_says_a700_until_there_is_room() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| behaviour.room = Some(100));
    let mut association = opened(&pacs, CT).await;
    assert_eq!(
        send(&mut association, "1.1", &[0; 80]).await,
        Ok(Status::SUCCESS)
    );
    assert_eq!(
        send(&mut association, "1.2", &[0; 80]).await,
        Ok(Status::OUT_OF_RESOURCES)
    );
    pacs.behave(|behaviour| behaviour.room = None);
    assert_eq!(
        send(&mut association, "1.2", &[0; 80]).await,
        Ok(Status::SUCCESS)
    );
}

#[tokio::test]
async fn one_refused_class_does_not_stop_the_others() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| {
        behaviour.refused_classes.insert(Uid::new(CR_STORAGE));
    });
    let mut association = opened(
        &pacs,
        &[(CT_STORAGE, EXPLICIT_LE), (CR_STORAGE, EXPLICIT_LE)],
    )
    .await;
    let cr = outgoing(CR_STORAGE, "1.2.3", EXPLICIT_LE, 2);
    let refused = association.store(&cr, &mut [0; 2].as_slice()).await;
    assert_eq!(
        refused,
        Err(Error::ContextNotAccepted(ContextRefusal::SopClass))
    );
    assert_eq!(
        send(&mut association, "1.2.4", &[0; 2]).await,
        Ok(Status::SUCCESS)
    );
}

#[tokio::test]
async fn an_abort_on_one_instance_is_told_apart_and_a_new_association_takes_the_others() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| {
        behaviour.abort_on.insert(Uid::new("1.2.3"));
    });
    for length in [2, 1 << 20] {
        let mut association = opened(&pacs, CT).await;
        let aborted = send(&mut association, "1.2.3", &vec![0; length]).await;
        assert_eq!(aborted, Err(Error::Aborted(AbortSource::User)));
        assert_eq!(
            send(&mut association, "1.2.4", &[0; 2]).await,
            Err(Error::Over)
        );
    }
    assert_eq!(
        send(&mut opened(&pacs, CT).await, "1.2.4", &[0; 2]).await,
        Ok(Status::SUCCESS)
    );
    assert_eq!(pacs.received(), [Uid::new("1.2.4")]);
}

#[tokio::test]
async fn t15_a_cut_before_the_answer_leaves_doubt_that_a_question_settles() {
    let pacs = Pacs::new(false);
    pacs.behave(|behaviour| {
        behaviour.cut_before_answer.insert(Uid::new("1.2.3"));
    });
    let lost = send(&mut opened(&pacs, CT).await, "1.2.3", &[0; 2]).await;
    assert_eq!(lost, Err(Error::Lost(ErrorKind::UnexpectedEof)));
    let mut asking = opened(&pacs, CT).await;
    let none = Uid::default();
    let found = asking
        .find(&Identifier::image(&none, &none, &Uid::new("1.2.3")))
        .await
        .unwrap();
    assert_eq!((found.status, found.matches.len()), (Status::SUCCESS, 1));
    pacs.behave(|behaviour| behaviour.mute = true);
    let mute = opened(&pacs, CT)
        .await
        .find(&Identifier::study(&Uid::new("1.2")))
        .await;
    assert_eq!(
        mute,
        Err(Error::ContextNotAccepted(ContextRefusal::SopClass))
    );
}

#[tokio::test]
async fn t10_the_same_uid_with_other_bytes_is_called_a_success_and_the_first_bytes_stay() {
    let pacs = Pacs::new(true);
    let mut association = opened(&pacs, CT).await;
    for bytes in [[1; 4], [2; 4]] {
        assert_eq!(
            send(&mut association, "1.2.3", &bytes).await,
            Ok(Status::SUCCESS)
        );
    }
    assert_eq!(pacs.held()[&Uid::new("1.2.3")].bytes, Some(vec![1; 4]));
    pacs.behave(|behaviour| behaviour.replaces = true);
    send(&mut association, "1.2.3", &[2; 4]).await.unwrap();
    assert_eq!(pacs.held()[&Uid::new("1.2.3")].bytes, Some(vec![2; 4]));
    assert_eq!(pacs.received().len(), 3);
}

#[tokio::test]
async fn an_instance_refused_before_it_was_read_leaves_the_association_usable() {
    let (ours, theirs) = duplex(4096);
    let server = tokio::spawn(async move {
        let mut association = scp::Association::accept(theirs, &scp::Config::default(), &AllowList)
            .await
            .unwrap();
        let mut statuses = [Status::OUT_OF_RESOURCES, Status::SUCCESS].into_iter();
        while let scp::Request::Store(store) = association.next().await.unwrap() {
            store.answer(statuses.next().unwrap()).await.unwrap();
        }
    });
    let mut request = request(CT);
    request.calling = karez_dimse::AeTitle::new("CT01").unwrap();
    let mut association = Association::open(ours, &request).await.unwrap();
    let large = vec![0; 1 << 20];
    assert_eq!(
        send(&mut association, "1.1", &large).await,
        Ok(Status::OUT_OF_RESOURCES)
    );
    assert_eq!(
        send(&mut association, "1.2", &large).await,
        Ok(Status::SUCCESS)
    );
    association.release().await.unwrap();
    server.await.unwrap();
}

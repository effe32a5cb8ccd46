//! Bytes in, the same bytes out, whatever their number and however they are cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CT, ct, noise, outgoing, request};
use karez_dimse::scu::Association;
use karez_dimse::stub::Pacs;
use karez_dimse::uid::{CR_STORAGE, CT_STORAGE, EXPLICIT_LE, IMPLICIT_LE, JPEG_LOSSLESS};
use karez_dimse::{Error, Identifier, Status, Uid, Verdict, scp};
use proptest::prelude::*;
use tokio::io::duplex;
use tokio::net::{TcpListener, TcpStream};

async fn round_trip(length: usize, seed: u64, pipe: usize, max_pdu: u32) {
    let pacs = Pacs::new(true).with_config(scp::Config {
        max_pdu,
        ..scp::Config::default()
    });
    let (ours, theirs) = duplex(pipe);
    let serving = pacs.clone();
    let server = tokio::spawn(async move { serving.serve(theirs).await });
    let mut association = Association::open(ours, &request(CT)).await.unwrap();
    let bytes = noise(length, seed);
    for instance in ["1.2.3", "1.2.4"] {
        let answer = association
            .store(&ct(instance, bytes.len()), &mut bytes.as_slice())
            .await
            .unwrap();
        assert_eq!(answer.status, Status::SUCCESS);
    }
    association.release().await.unwrap();
    assert_eq!(server.await.unwrap(), Ok(()));
    for held in pacs.held().values() {
        assert_eq!(held.bytes.as_deref(), Some(bytes.as_slice()));
        assert_eq!(held.transfer_syntax, Uid::new(EXPLICIT_LE));
        assert!(!held.odd_fragments);
    }
    assert_eq!(pacs.received().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn bytes_are_identical_for_any_length_pipe_and_pdu_limit(
        half in 0usize..40_000,
        seed in any::<u64>(),
        pipe in 1usize..9_000,
        max_pdu in 64u32..20_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(round_trip(half * 2, seed, pipe, max_pdu));
    }
}

#[tokio::test]
async fn lengths_at_the_edges_of_a_fragment_arrive() {
    for max_pdu in [64u32, 65, 1024, 131_072] {
        let room = usize::try_from((max_pdu - 6) & !1).unwrap();
        for length in [0, 2, room - 2, room, room + 2, 2 * room, 3 * room - 2] {
            round_trip(length, 5, 4096, max_pdu).await;
        }
    }
}

#[tokio::test]
async fn echo_store_and_find_work_over_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pacs = Pacs::new(true);
    let serving = pacs.clone();
    let server = tokio::spawn(async move { serving.listen(listener).await });
    let pairs = [
        (CT_STORAGE, EXPLICIT_LE),
        (CT_STORAGE, JPEG_LOSSLESS),
        (CR_STORAGE, IMPLICIT_LE),
    ];
    let mut association = Association::connect(TcpStream::connect(address), &request(&pairs))
        .await
        .unwrap();
    assert_eq!(association.echo().await.unwrap().status, Status::SUCCESS);

    let mut data = noise(300_000, 3);
    let head = [
        [0x20, 0, 0x0D, 0, b'U', b'I', 4, 0],
        *b"1.22\x20\0\x0E\0",
        *b"UI\x04\x001.23",
    ]
    .concat();
    data[..24].copy_from_slice(&head);
    for (class, instance, syntax) in [
        (CT_STORAGE, "1.2.1", EXPLICIT_LE),
        (CT_STORAGE, "1.2.2", JPEG_LOSSLESS),
        (CR_STORAGE, "1.2.3", IMPLICIT_LE),
    ] {
        let answer = association
            .store(
                &outgoing(class, instance, syntax, data.len()),
                &mut data.as_slice(),
            )
            .await
            .unwrap();
        assert_eq!(answer.status.verdict(), Verdict::Stored);
    }
    let (study, series, none) = (Uid::new("1.22"), Uid::new("1.23"), Uid::default());
    let found = association
        .find(&Identifier::image(&none, &none, &Uid::new("1.2.2")))
        .await
        .unwrap();
    assert_eq!((found.status, found.matches.len()), (Status::SUCCESS, 1));
    assert_eq!(found.matches[0].sop_class(), Some(Uid::new(CT_STORAGE)));
    let absent = association
        .find(&Identifier::image(&study, &series, &Uid::new("1.2.9")))
        .await
        .unwrap();
    assert_eq!((absent.status, absent.matches.len()), (Status::SUCCESS, 0));
    let series_images = association
        .find(&Identifier::images_of_series(&study, &series))
        .await
        .unwrap();
    assert_eq!(series_images.matches.len(), 3);
    let counted = association.find(&Identifier::study(&study)).await.unwrap();
    assert_eq!(counted.matches[0].instances(), Some(3));
    association.release().await.unwrap();
    assert_eq!(
        pacs.held()[&Uid::new("1.2.2")].transfer_syntax,
        Uid::new(JPEG_LOSSLESS)
    );
    server.abort();
}

#[tokio::test]
async fn t07_an_odd_data_set_is_refused_before_a_byte_leaves_and_the_association_lives() {
    let pacs = Pacs::new(true);
    let mut association = Association::connect(async { pacs.connect() }, &request(CT))
        .await
        .unwrap();
    let odd = [7; 4303];
    let error = association
        .store(&ct("1.2.3", odd.len()), &mut odd.as_slice())
        .await
        .unwrap_err();
    assert_eq!(error, Error::OddLength);
    assert!(error.association_lives());
    assert_eq!(association.echo().await.unwrap().status, Status::SUCCESS);
    association.release().await.unwrap();
    assert!(pacs.received().is_empty());
}

#[tokio::test]
async fn t16b_a_data_set_that_ends_early_is_never_passed_off_as_whole() {
    let pacs = Pacs::new(true);
    let mut association = Association::connect(async { pacs.connect() }, &request(CT))
        .await
        .unwrap();
    let claimed = ct("1.2.3", 400_000);
    let error = association
        .store(&claimed, &mut [0; 300_000].as_slice())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Source(_)), "{error:?}");
    assert_eq!(association.echo().await.unwrap_err(), Error::Over);
    assert!(pacs.received().is_empty());
}

#[tokio::test]
async fn a_data_set_longer_than_stated_is_cut_at_the_stated_length() {
    let pacs = Pacs::new(true);
    let mut association = Association::connect(async { pacs.connect() }, &request(CT))
        .await
        .unwrap();
    let bytes = noise(1000, 9);
    let claimed = ct("1.2.3", bytes[..500].len());
    association
        .store(&claimed, &mut bytes.as_slice())
        .await
        .unwrap();
    association.release().await.unwrap();
    assert_eq!(
        pacs.held()[&Uid::new("1.2.3")].bytes.as_deref(),
        Some(&bytes[..500])
    );
}

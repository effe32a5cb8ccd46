//! Traps of the field that lie in what an instance is: whatever it is, the PACS gets its bytes.

use karez_dimse::uid::{DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE};

use crate::Chain;
use crate::support::made::Image;
use crate::support::noise;

/// Sends these data sets, and compares what the PACS holds in the end.
async fn reach_the_pacs(seed: u64, instances: &[(Image, Vec<u8>)]) {
    let chain = Chain::new(seed).await;
    for (image, data_set) in instances {
        let file = image.file_of(data_set);
        chain.clinic.send(&file, None).await.unwrap();
    }
    chain.stored(instances.len() as u64).await;
    assert_eq!(chain.reasons().await, [""; 0]);
    let held = chain.pacs.held();
    for (image, data_set) in instances {
        let there = &held[&image.uid()];
        assert!(there.bytes.as_ref() == Some(data_set), "other bytes");
        assert_eq!(there.transfer_syntax.as_str(), image.syntax);
    }
    assert_eq!(chain.pacs.received().len(), instances.len());
    let said = chain.hub.status().await.to_string();
    assert!(!said.contains("CANARY"));
}

fn image(number: u64, syntax: &str) -> Image {
    Image {
        syntax: syntax.into(),
        ..Image::ct(number)
    }
}

/// The image's own elements but for its pixels, and others behind.
fn with(image: Image, rest: &[u8]) -> (Image, Vec<u8>) {
    let mut data_set = Image {
        pixels: 0,
        ..image.clone()
    }
    .data_set();
    data_set.truncate(data_set.len() - 12);
    data_set.extend_from_slice(rest);
    (image, data_set)
}

#[tokio::test(start_paused = true)]
async fn t16b_an_instance_that_cannot_be_read_to_its_end_reaches_no_pacs_in_part() {
    let mut chain = Chain::new(160).await;
    chain.behave(|pacs| pacs.down = true);
    let images: Vec<Image> = (1..=2)
        .map(|number| Image {
            pixels: 20_000_000,
            ..Image::ct(number)
        })
        .collect();
    chain.send(&images).await;
    crate::support::until("verified", async || chain.sum("verified").await == 2).await;
    // The power goes while they are being given.
    chain.behave(|pacs| pacs.down = false);
    for life in 0..12_u64 {
        tokio::time::sleep(std::time::Duration::from_millis(40 * life)).await;
        chain.hub.kill(life).await;
        chain.hub.start().await.unwrap();
    }
    chain.stored(2).await;
    chain.holds_each_once(&images);
}

#[tokio::test(start_paused = true)]
async fn t18_t19_t20_t23_what_an_instance_is_made_of_is_never_touched() {
    let deflated = (image(1, DEFLATED_LE), noise(1, 1000));
    let big = (image(2, EXPLICIT_BE), noise(2, 4096));
    let implicit = (image(3, IMPLICIT_LE), noise(3, 4096));
    // Unknown, of undefined length: a sequence in implicit VR whatever the data set is (CP-246).
    let unknown = [
        &[9, 0, 1, 0x10][..],
        b"UN\0\0\xff\xff\xff\xff",
        &[0xfe, 0xff, 0x00, 0xe0, 12, 0, 0, 0],
        &[9, 0, 2, 0x10, 4, 0, 0, 0],
        b"ABCD",
        &[0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0],
    ]
    .concat();
    let fragments = [
        &[0xe0, 0x7f, 0x10, 0][..],
        b"OB\0\0\xff\xff\xff\xff",
        &[0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0],
        &[0xfe, 0xff, 0x00, 0xe0, 0, 1, 0, 0],
        &noise(5, 256),
        &[0xfe, 0xff, 0x00, 0xe0, 0, 2, 0, 0],
        &noise(6, 512),
        &[0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0],
    ]
    .concat();
    let private = with(image(4, "1.2.840.10008.1.2.1"), &unknown);
    let jpeg = with(image(5, "1.2.840.10008.1.2.4.50"), &fragments);
    // (0008,0005) says one thing and the name is another.
    let mut named = with(image(6, "1.2.840.10008.1.2.1"), &noise(7, 64));
    let label = [&[8, 0, 5, 0][..], b"CS\x0a\0", b"ISO IR 192"].concat();
    named.1.splice(0..0, label);
    let at = named.1.windows(6).position(|w| w == b"CANARY").unwrap();
    named.1[at..at + 6].copy_from_slice(b"\xc7\xcd\xe3\xcf\x81\xed");
    let all = [deflated, big, implicit, private, jpeg, named];
    reach_the_pacs(180, &all).await;
}

#[tokio::test(start_paused = true)]
async fn t22_what_is_no_image_and_of_classes_that_nobody_knows_is_stored_like_any_other() {
    let classes = [
        "1.2.840.10008.5.1.4.1.1.88.11",
        "1.2.840.10008.5.1.4.1.1.104.1",
        "1.2.840.10008.5.1.4.1.1.9.1.1",
        "1.2.840.10008.5.1.4.1.1.481.3",
        "1.2.840.10008.5.1.4.1.1.66",
        "1.2.826.0.1.3680043.9.9999.1",
    ];
    let instances: Vec<(Image, Vec<u8>)> = (1..)
        .zip(classes)
        .map(|(number, class)| {
            let report = Image {
                class: class.into(),
                ..Image::ct(number)
            };
            with(report, b"")
        })
        .collect();
    reach_the_pacs(220, &instances).await;
}

#[tokio::test(start_paused = true)]
async fn t24_uids_that_are_padded_or_out_of_form_are_keys_alone_and_stay_in_the_data() {
    let mut instances = Vec::new();
    for (number, uid) in (1..).zip(["1.2.003.4", "1.2.24  ", "../../up", "1.2.24.5\0"]) {
        let named = Image {
            uid: uid.into(),
            ..Image::ct(number)
        };
        instances.push(with(named, &noise(number, 100)));
    }
    reach_the_pacs(240, &instances).await;
}

#[tokio::test(start_paused = true)]
async fn t25_the_title_that_the_pacs_knows_us_by_is_the_one_that_it_is_told() {
    let url = "dicom://PACS@pacs:104?calling=CLINIC%20ONE";
    let chain = Chain::with(250, url).await;
    let images = [Image::ct(1)];
    chain.send(&images).await;
    chain.stored(1).await;
    assert_eq!(chain.pacs.held()[&images[0].uid()].calling, "CLINIC ONE");
}

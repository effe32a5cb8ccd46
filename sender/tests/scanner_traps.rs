//! What scanners put into data sets, named after the traps of the field: whatever it is, it
//! arrives as it came.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use karez_dimse::uid::{CT_STORAGE, DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE};
use support::scanner::{Image, Scanner, arrived, rebuilt, with_hub};
use support::{element, even, noise};

const JPEG: &str = "1.2.840.10008.1.2.4.50";

/// Sends images to a clinic, and compares what is at its hub in the end.
async fn arrive_as_they_came(seed: u64, images: &[Image]) {
    let (clinic, hub, _net) = with_hub(seed).await;
    let statuses = Scanner::default().send(&clinic, images).await;
    assert_eq!(statuses, vec![0; images.len()]);
    arrived(&hub, images.len()).await;
    let mut expected: Vec<Vec<u8>> = images.iter().map(Image::expected).collect();
    let mut found = rebuilt(&hub);
    expected.sort();
    found.sort();
    assert!(found == expected, "some bytes differ");
    let shown = serde_json::to_string(&clinic.status().await).unwrap();
    assert!(!shown.contains("CANARY"));
}

/// A data set that begins as an image of this UID does.
fn data_set(instance: &str, rest: &[Vec<u8>]) -> Vec<u8> {
    let head = [
        element(8, 0x16, *b"UI", &even(CT_STORAGE)),
        element(8, 0x18, *b"UI", &even(instance)),
    ];
    [head.concat(), rest.concat()].concat()
}

fn explicit(instance: &str, rest: &[Vec<u8>]) -> Image {
    named(instance, EXPLICIT_LE, data_set(instance, rest))
}

fn named(instance: &str, syntax: &'static str, data_set: Vec<u8>) -> Image {
    Image {
        class: CT_STORAGE,
        instance: instance.to_owned(),
        syntax,
        data_set,
    }
}

/// An element whose length field has 32 bits; `None`: no length is given.
fn long(group: u16, tag: u16, vr: &[u8; 2], length: Option<u32>, value: &[u8]) -> Vec<u8> {
    let tag = [group.to_le_bytes(), tag.to_le_bytes()].concat();
    let length = length.unwrap_or(u32::MAX).to_le_bytes();
    [&tag[..], vr, &[0, 0], &length, value].concat()
}

fn item(value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u32).to_le_bytes();
    [&[0xfe, 0xff, 0x00, 0xe0][..], &length, value].concat()
}

const END: [u8; 8] = [0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0];

#[tokio::test(start_paused = true)]
async fn t18_big_endian_and_deflated_data_sets_are_left_as_they_are() {
    let big = [
        &[0, 8, 0, 0x18][..],
        b"UI",
        &[0, 6],
        b"1.2.18",
        &[0x7f, 0xe0, 0, 0x10],
        b"OW\0\0\0\0\x10\0",
        &noise(1, 4096),
    ]
    .concat();
    let images = [
        named("1.2.18", EXPLICIT_BE, big),
        named("1.2.19", DEFLATED_LE, noise(2, 1000)),
    ];
    arrive_as_they_came(18, &images).await;
}

#[tokio::test(start_paused = true)]
async fn t19_private_elements_and_unknown_ones_of_undefined_length_are_not_converted() {
    let private = element(9, 0x10, *b"LO", b"KAREZ TEST");
    // Inside, it is implicit VR whatever the data set is (CP-246).
    let implicit = [&[9, 0, 1, 0x10, 4, 0, 0, 0][..], b"ABCD"].concat();
    let undefined = [long(9, 0x1001, b"UN", None, &item(&implicit)), END.to_vec()].concat();
    let known = long(9, 0x1002, b"UN", Some(70_000), &noise(4, 70_000));
    let wrong = element(9, 0x1003, *b"??", b"1234");
    let explicit_rest = [private.clone(), undefined, known, wrong];
    let implicit_rest = [&[9, 0, 0x10, 0, 4, 0, 0, 0][..], b"KRZ ", &noise(5, 500)].concat();
    let images = [
        explicit("1.2.191", &explicit_rest),
        named("1.2.192", IMPLICIT_LE, implicit_rest),
    ];
    arrive_as_they_came(19, &images).await;
}

#[tokio::test(start_paused = true)]
async fn t20_encapsulated_pixels_of_every_form_are_left_as_they_are() {
    let pixels = |items: &[Vec<u8>], end: &[u8]| {
        let value = [items.concat(), end.to_vec()].concat();
        [long(0x7fe0, 0x10, b"OB", None, &value)]
    };
    let empty_table = [item(&[]), item(&noise(1, 300)), item(&noise(2, 302))];
    let with_table = [
        item(&[0, 0, 0, 0, 0x34, 1, 0, 0]),
        item(&noise(3, 300)),
        item(&noise(4, 100)),
        item(&noise(5, 200)),
    ];
    let video = [item(&[]), item(&noise(6, 400_000))];
    let no_table_and_no_end = [item(&noise(7, 64))];
    let forms = [
        pixels(&empty_table, &END),
        pixels(&with_table, &END),
        pixels(&video, &END),
        pixels(&no_table_and_no_end, &[]),
    ];
    let images: Vec<Image> = (0..)
        .zip(&forms)
        .map(|(n, form)| {
            let uid = format!("1.2.20{n}");
            named(&uid, JPEG, data_set(&uid, form))
        })
        .collect();
    arrive_as_they_came(20, &images).await;
}

#[tokio::test(start_paused = true)]
async fn t21_a_long_image_is_streamed_and_arrives() {
    let pixels = noise(21, 40_000_000);
    let pixels = long(0x7fe0, 0x10, b"OW", Some(40_000_000), &pixels);
    arrive_as_they_came(21, &[explicit("1.2.21", &[pixels])]).await;
}

#[tokio::test(start_paused = true)]
async fn t23_text_in_any_character_set_or_a_mislabelled_one_is_left_as_it_is() {
    let sets: [(&[u8], &[u8]); 6] = [
        (b"", b"CANARY^\xe9\xe8 "),
        (b"ISO_IR 192", "CANARY^احمد".as_bytes()),
        (b"ISO IR 192", "CANARY^بی بی ".as_bytes()),
        (b"ISO_IR 127", b"CANARY^\xc7\xcd\xe3\xcf\x20"),
        (b"ISO_IR 127", b"CANARY^\x81\x90\xed\xed\x20"),
        (b"\\ISO 2022 IR 87", b"CANARY^\x1b$B;3ED\x1b(B "),
    ];
    let images: Vec<Image> = (0..)
        .zip(sets)
        .map(|(n, (set, name))| {
            let set = match set {
                b"" => Vec::new(),
                set => element(8, 5, *b"CS", &[set, &b" "[..set.len() % 2]].concat()),
            };
            let pad = &b" "[..name.len() % 2];
            let named = element(0x10, 0x10, *b"PN", &[name, pad].concat());
            let uid = format!("1.2.23{n}");
            // The character set stands before the UIDs.
            let rest = data_set(&uid, &[named]);
            self::named(&uid, EXPLICIT_LE, [set, rest].concat())
        })
        .collect();
    arrive_as_they_came(23, &images).await;
}

#[tokio::test(start_paused = true)]
async fn t24_odd_uids_are_kept_and_name_no_file() {
    let uids = [
        "1.2.003.4",
        "../../../etc/passwd",
        "1.2 .3",
        "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24.25.26.27",
    ];
    let mut images: Vec<Image> = uids.iter().map(|uid| explicit(uid, &[])).collect();
    let padded = element(8, 0x18, *b"UI", b"1.2.24  ");
    images.push(named("1.2.24", EXPLICIT_LE, padded));
    arrive_as_they_came(24, &images).await;
}

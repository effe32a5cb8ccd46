//! Against DCMTK's tools. A test whose tool is missing says so and proves nothing. Receivers are judged
//! by what lies in their folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/tool.rs"]
mod tool;

use common::{noise, request};
use karez_dimse::part10::Meta;
use karez_dimse::scu::{Association, Outgoing};
use karez_dimse::stub::{Held, Pacs};
use karez_dimse::uid::{
    CT_STORAGE, EXPLICIT_LE, IMPLICIT_LE, JPEG_2000_LOSSLESS, JPEG_LOSSLESS, RLE,
};
use karez_dimse::{Identifier, Status, Uid, Verdict};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tool::{Server, files, installed, run, split};

const STUDY: &str = "2.25.1000";
const SERIES: &str = "2.25.1001";

/// A data set that every toolkit takes, in one of the little-endian forms.
fn data_set(instance: &str, explicit: bool, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let uid = |text: &str| Uid::new(text).as_str().as_bytes().to_vec();
    let words = |value: u16| value.to_le_bytes().to_vec();
    let elements: Vec<(u16, u16, &[u8; 2], Vec<u8>)> = vec![
        (0x08, 0x16, b"UI", uid(CT_STORAGE)),
        (0x08, 0x18, b"UI", uid(instance)),
        (0x08, 0x60, b"CS", b"CT".to_vec()),
        (0x10, 0x10, b"PN", b"MADE^UP ".to_vec()),
        (0x10, 0x20, b"LO", b"0001".to_vec()),
        (0x20, 0x0D, b"UI", uid(STUDY)),
        (0x20, 0x0E, b"UI", uid(SERIES)),
        (0x28, 0x02, b"US", words(1)),
        (0x28, 0x04, b"CS", b"MONOCHROME2 ".to_vec()),
        (0x28, 0x10, b"US", words(64)),
        (0x28, 0x11, b"US", words(64)),
        (0x28, 0x100, b"US", words(16)),
        (0x28, 0x101, b"US", words(16)),
        (0x28, 0x102, b"US", words(15)),
        (0x28, 0x103, b"US", words(0)),
    ];
    for (group, element, vr, mut value) in elements {
        if value.len() % 2 == 1 {
            value.push(0);
        }
        bytes.extend(group.to_le_bytes());
        bytes.extend(element.to_le_bytes());
        let length = u32::try_from(value.len()).unwrap();
        match explicit {
            true => bytes.extend([&vr[..], &length.to_le_bytes()[..2]].concat()),
            false => bytes.extend(length.to_le_bytes()),
        }
        bytes.extend(value);
    }
    bytes.extend([0xE0, 0x7F, 0x10, 0x00]);
    bytes.extend_from_slice(if explicit { b"OW\0\0" } else { b"" });
    bytes.extend(u32::try_from(pixels.len()).unwrap().to_le_bytes());
    bytes.extend(pixels);
    bytes
}

/// The same with its pixel data in one encapsulated fragment.
fn encapsulated(instance: &str, fragment: &[u8]) -> Vec<u8> {
    let mut bytes = data_set(instance, true, &[]);
    let length = bytes.len();
    bytes[length - 8..].copy_from_slice(b"OB\0\0\xFF\xFF\xFF\xFF");
    bytes.extend([0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0x00, 0xE0]);
    bytes.extend(u32::try_from(fragment.len()).unwrap().to_le_bytes());
    bytes.extend(fragment);
    bytes.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    bytes
}

fn made() -> Vec<(Outgoing, Vec<u8>)> {
    let pixels = noise(64 * 64 * 2, 11);
    let instances = [
        ("2.25.1", EXPLICIT_LE, data_set("2.25.1", true, &pixels)),
        ("2.25.2", IMPLICIT_LE, data_set("2.25.2", false, &pixels)),
        (
            "2.25.3",
            JPEG_LOSSLESS,
            encapsulated("2.25.3", &pixels[..3000]),
        ),
        (
            "2.25.4",
            JPEG_2000_LOSSLESS,
            encapsulated("2.25.4", &pixels[..500]),
        ),
        ("2.25.5", RLE, encapsulated("2.25.5", &pixels[..64])),
    ];
    let outgoing = |(instance, syntax, bytes): (&str, &str, Vec<u8>)| {
        (
            common::outgoing(CT_STORAGE, instance, syntax, bytes.len()),
            bytes,
        )
    };
    instances.into_iter().map(outgoing).collect()
}

fn syntaxes() -> Vec<(&'static str, &'static str)> {
    [
        EXPLICIT_LE,
        IMPLICIT_LE,
        JPEG_LOSSLESS,
        JPEG_2000_LOSSLESS,
        RLE,
    ]
    .map(|syntax| (CT_STORAGE, syntax))
    .to_vec()
}

fn write_file(folder: &Path, outgoing: &Outgoing, bytes: &[u8]) -> PathBuf {
    let meta = Meta {
        sop_class: outgoing.sop_class.clone(),
        sop_instance: outgoing.sop_instance.clone(),
        transfer_syntax: outgoing.transfer_syntax.clone(),
    };
    let path = folder.join(outgoing.sop_instance.as_str());
    std::fs::write(&path, [meta.encode(), bytes.to_vec()].concat()).unwrap();
    path
}

async fn listening(pacs: &Pacs) -> (String, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let pacs = pacs.clone();
    (
        port,
        tokio::spawn(async move { pacs.listen(listener).await }),
    )
}

#[tokio::test]
async fn storescp_writes_the_very_bytes_that_we_send() {
    if !installed("storescp") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let server = Server::start("storescp", &["+xa", "-pm", "+B", "+uf", "-od", path]).await;
    let mut association = Association::connect(server.connect(), &request(&syntaxes()))
        .await
        .unwrap();
    assert_eq!(association.echo().await.unwrap().status, Status::SUCCESS);
    for (outgoing, bytes) in made() {
        let answer = association
            .store(&outgoing, &mut bytes.as_slice())
            .await
            .unwrap();
        assert_eq!(answer.status.verdict(), Verdict::Stored);
    }
    association.release().await.unwrap();
    let stored: Vec<_> = files(folder.path())
        .iter()
        .map(|path| split(&std::fs::read(path).unwrap()).unwrap())
        .collect();
    assert_eq!(stored.len(), made().len());
    for (outgoing, bytes) in made() {
        let (head, data_set) = stored
            .iter()
            .find(|(head, _)| head.meta.sop_instance == outgoing.sop_instance)
            .unwrap();
        assert_eq!(head.meta.transfer_syntax, outgoing.transfer_syntax);
        assert!(*data_set == bytes, "{:?}", outgoing.transfer_syntax);
    }
}

#[tokio::test]
async fn storescu_delivers_what_its_files_hold_and_our_files_are_read_by_it() {
    if !installed("storescu") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pacs = Pacs::new(true);
    let (port, server) = listening(&pacs).await;
    let options = ["-xe", "-xi", "-xs", "-xv", "-xr"];
    for ((outgoing, bytes), option) in made().into_iter().zip(options) {
        let path = write_file(folder.path(), &outgoing, &bytes);
        let said = run(
            "storescu",
            &["-R", option, "127.0.0.1", &port, path.to_str().unwrap()],
        )
        .await;
        let held: Option<Held> = pacs.held().get(&outgoing.sop_instance).cloned();
        let held = held.unwrap_or_else(|| panic!("not delivered: {said}"));
        assert_eq!(held.transfer_syntax, outgoing.transfer_syntax);
        assert!(held.bytes == Some(bytes), "{:?}", outgoing.transfer_syntax);
        assert_eq!(
            (held.study, held.series),
            (Uid::new(STUDY), Uid::new(SERIES))
        );
        assert_eq!(held.calling, "STORESCU");
    }
    server.abort();
}

#[tokio::test]
async fn echoscu_and_findscu_are_answered() {
    if !installed("echoscu") || !installed("findscu") {
        return;
    }
    let pacs = Pacs::new(true);
    let (port, server) = listening(&pacs).await;
    let mut association = Association::connect(async { pacs.connect() }, &request(&syntaxes()))
        .await
        .unwrap();
    for (outgoing, bytes) in made() {
        association
            .store(&outgoing, &mut bytes.as_slice())
            .await
            .unwrap();
    }
    let before = pacs.associations();
    let said = run("echoscu", &["-v", "127.0.0.1", &port]).await;
    assert!(said.contains("Received Echo Response (Success)"), "{said}");
    assert_eq!(pacs.associations(), before + 1);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let keys = [
        "-k",
        "QueryRetrieveLevel=IMAGE",
        "-k",
        "SOPInstanceUID=2.25.3",
        "-k",
        "SOPClassUID",
    ];
    let said = run(
        "findscu",
        &[&["-S", "-X", "-od", out], &keys[..], &["127.0.0.1", &port]].concat(),
    )
    .await;
    assert_eq!(files(folder.path()).len(), 1, "{said}");
    server.abort();
}

fn qrscp_configuration(folder: &Path) -> String {
    let store = folder.join("store");
    std::fs::create_dir(&store).unwrap();
    let table = format!(
        "AETable BEGIN\nPACS {} RW (100, 1024mb) ANY\nAETable END\n",
        store.display()
    );
    let whole = format!(
        "MaxPDUSize = 131072\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n{table}"
    );
    let path = folder.join("dcmqrscp.cfg");
    std::fs::write(&path, whole).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn dcmqrscp_answers_our_questions_about_what_it_holds() {
    if !installed("dcmqrscp") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let configuration = qrscp_configuration(folder.path());
    let server = Server::start("dcmqrscp", &["--single-process", "-c", &configuration]).await;
    let mut association = Association::connect(server.connect(), &request(&syntaxes()))
        .await
        .unwrap();
    let instances = &made()[..2];
    for (outgoing, bytes) in instances {
        let answer = association
            .store(outgoing, &mut bytes.as_slice())
            .await
            .unwrap();
        assert_eq!(answer.status, Status::SUCCESS);
    }
    let (study, series) = (Uid::new(STUDY), Uid::new(SERIES));
    let one = association
        .find(&Identifier::image(&study, &series, &Uid::new("2.25.2")))
        .await
        .unwrap();
    assert_eq!((one.status, one.matches.len()), (Status::SUCCESS, 1));
    assert_eq!(one.matches[0].sop_instance(), Some(Uid::new("2.25.2")));
    let none = association
        .find(&Identifier::image(&study, &series, &Uid::new("2.25.9")))
        .await
        .unwrap();
    assert_eq!((none.status, none.matches.len()), (Status::SUCCESS, 0));
    let all = association
        .find(&Identifier::images_of_series(&study, &series))
        .await
        .unwrap();
    assert_eq!(all.matches.len(), instances.len());
    let none = Uid::default();
    let unplaced = association
        .find(&Identifier::image(&none, &none, &Uid::new("2.25.2")))
        .await;
    assert_eq!(unplaced.unwrap().matches.len(), 1);
    let counted = association.find(&Identifier::study(&study)).await.unwrap();
    assert_eq!(
        (counted.status, counted.matches.len()),
        (Status::SUCCESS, 1)
    );
}

//! Real files, when `KAREZ_CORPUS` names a folder of them: each data set goes untouched to DCMTK's
//! storescp, and comes from its storescu exactly as it would come to a storescp.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;
#[path = "common/tool.rs"]
mod tool;

use common::request;
use karez_dimse::part10::Head;
use karez_dimse::scu::{Association, Outgoing};
use karez_dimse::stub::Pacs;
use karez_dimse::{Error, Uid};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tool::{Server, files, installed, run, split};

/// DCMTK's option for a transfer syntax.
const OPTIONS: &[(&str, &str)] = &[
    ("1.2.840.10008.1.2", "-xi"),
    ("1.2.840.10008.1.2.1", "-xe"),
    ("1.2.840.10008.1.2.2", "-xb"),
    ("1.2.840.10008.1.2.1.99", "-xd"),
    ("1.2.840.10008.1.2.4.50", "-xy"),
    ("1.2.840.10008.1.2.4.51", "-xx"),
    ("1.2.840.10008.1.2.4.70", "-xs"),
    ("1.2.840.10008.1.2.4.80", "-xt"),
    ("1.2.840.10008.1.2.4.81", "-xu"),
    ("1.2.840.10008.1.2.4.90", "-xv"),
    ("1.2.840.10008.1.2.4.91", "-xw"),
    ("1.2.840.10008.1.2.5", "-xr"),
];

fn corpus() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("KAREZ_CORPUS") else {
        println!("skipped: KAREZ_CORPUS names no folder of DICOM files");
        return None;
    };
    Some(files(Path::new(&folder)))
}

fn to_send(file: &[u8]) -> Option<(Outgoing, Vec<u8>)> {
    let (Head { meta, .. }, data_set) = split(file)?;
    let outgoing = Outgoing {
        sop_class: uid_at(&data_set, b"\x08\0\x16\0UI").unwrap_or(meta.sop_class),
        sop_instance: uid_at(&data_set, b"\x08\0\x18\0UI").unwrap_or(meta.sop_instance),
        transfer_syntax: meta.transfer_syntax,
        priority: Default::default(),
        length: u64::try_from(data_set.len()).unwrap(),
    };
    Some((outgoing, data_set))
}

/// The UID behind the first place near the beginning that looks like this element.
fn uid_at(data_set: &[u8], element: &[u8; 6]) -> Option<Uid> {
    let at = data_set
        .windows(6)
        .take(4096)
        .position(|window| window == element)?;
    let length = u16::from_le_bytes([data_set[at + 6], data_set[at + 7]]);
    data_set
        .get(at + 8..at + 8 + usize::from(length))
        .map(Uid::from_bytes)
        .filter(|uid| !uid.is_empty())
}

/// Hands one file to the server; what lay in its folder afterwards is compared by the caller.
async fn hand_off(server: &Server, outgoing: &Outgoing, bytes: &[u8]) -> Result<(), Error> {
    if outgoing.sop_class.is_empty() {
        return Err(Error::UnknownUid);
    }
    let pair = [(
        outgoing.sop_class.as_str(),
        outgoing.transfer_syntax.as_str(),
    )];
    let mut association = Association::connect(server.connect(), &request(&pair)).await?;
    association.store(outgoing, &mut &bytes[..]).await?;
    association.release().await
}

#[tokio::test]
async fn every_data_set_that_storescp_takes_arrives_untouched() {
    let Some(corpus) = corpus().filter(|_| installed("storescp")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let server = Server::start("storescp", &["+xa", "-pm", "+B", "+uf", "-od", path]).await;
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for file in corpus {
        let outcome = match to_send(&std::fs::read(file).unwrap()) {
            None => "no file meta".to_owned(),
            Some((outgoing, bytes)) => match hand_off(&server, &outgoing, &bytes).await {
                Err(error) => error.to_string(),
                Ok(()) => {
                    let stored = files(folder.path());
                    assert_eq!(stored.len(), 1);
                    let (_, data_set) = split(&std::fs::read(&stored[0]).unwrap()).unwrap();
                    assert!(data_set == bytes, "a data set was changed");
                    std::fs::remove_file(&stored[0]).unwrap();
                    "stored, identical".to_owned()
                }
            },
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("our requestor to storescp: {outcomes:#?}");
    assert!(
        outcomes
            .get("stored, identical")
            .is_some_and(|count| *count > 0)
    );
}

#[tokio::test]
async fn storescu_delivers_to_us_what_it_delivers_to_storescp() {
    let Some(corpus) = corpus().filter(|_| installed("storescp")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let server = Server::start("storescp", &["+xa", "-pm", "+B", "+uf", "-od", path]).await;
    let (theirs, mut outcomes) = (server.port.to_string(), BTreeMap::<&str, usize>::new());
    for file in corpus {
        let syntax =
            split(&std::fs::read(&file).unwrap()).map(|(head, _)| head.meta.transfer_syntax);
        let option = OPTIONS
            .iter()
            .find(|(uid, _)| syntax == Some(Uid::new(uid)))
            .map_or("-x=", |(_, option)| option);
        let file = file.to_str().unwrap();
        let pacs = Pacs::new(true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap().port().to_string();
        let serving = pacs.clone();
        let listening = tokio::spawn(async move { serving.listen(listener).await });
        run("storescu", &["-R", option, "127.0.0.1", &theirs, file]).await;
        run("storescu", &["-R", option, "127.0.0.1", &ours, file]).await;
        listening.abort();
        let reference = files(folder.path()).pop();
        let held = pacs.held().into_values().next().and_then(|held| held.bytes);
        let outcome = match (reference, held) {
            (None, None) => "not sent by storescu",
            (None, Some(_)) => "refused by storescp, taken by us",
            (Some(_), None) => panic!("storescp took what we did not"),
            (Some(path), Some(bytes)) => {
                let (_, data_set) = split(&std::fs::read(&path).unwrap()).unwrap();
                assert!(
                    data_set == bytes,
                    "a data set came otherwise than to storescp"
                );
                std::fs::remove_file(path).unwrap();
                "the same"
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("storescu to us and to storescp: {outcomes:#?}");
    assert!(outcomes.get("the same").is_some_and(|count| *count > 0));
}

//! Into `storescp +xa -pm +B +uf`, which takes whatever comes and cannot be asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use karez_dimse::part10::Head;

use crate::made::Image;
use crate::{Hub, clinic, files, noise, send, server, wait};

/// The folder named by `KAREZ_CORPUS`, or the shared one beside the workspace; else made files.
fn corpus() -> Vec<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let named = std::env::var_os("KAREZ_CORPUS").map(PathBuf::from);
    let mut all: Vec<Vec<u8>> = files(&named.unwrap_or(beside))
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .filter(|bytes| !bytes.is_empty())
        .collect();
    if all.is_empty() {
        all = (1..40).map(|n| Image::ct(n).file()).collect();
        all.push(noise(1, 1000));
    }
    all.sort();
    all.dedup();
    all
}

fn data_set(file: &[u8]) -> Option<Vec<u8>> {
    let head = Head::read(file).ok()?;
    Some(file[head.data_set..].to_vec())
}

#[tokio::test]
async fn all_that_storescp_takes_lies_in_its_folder_byte_for_byte_and_the_rest_is_parked() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    std::fs::create_dir(path("pacs")).unwrap();
    let out = path("pacs").display().to_string();
    let arguments = ["+xa", "-pm", "+B", "+uf", "-od", &out];
    let Some((_server, port)) = server("storescp", &arguments, &path("storescp.log")) else {
        return;
    };
    let target = format!("pacs=dicom://STORESCP@127.0.0.1:{port}?find=no&versions=all");
    let hub = Hub::start(scratch.path(), &target);
    let sender = clinic(scratch.path(), &hub).await;
    let sent = corpus();
    for file in &sent {
        send(&sender, file).await;
    }
    let count = sent.len() as u64;
    let waiting = tokio::task::spawn_blocking(move || {
        let mut last = (0, Vec::new());
        wait("all are stored or parked", || {
            last = hub.progress().unwrap_or_default();
            last.0 + last.1.len() as u64 == count
        });
        last
    });
    let last = waiting.await.unwrap();
    sender.stop().await.unwrap();
    judge(&sent, &files(&path("pacs")), &last);
}

fn judge(sent: &[Vec<u8>], there: &[PathBuf], (stored, parked): &(u64, Vec<String>)) {
    let mut expected: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for data in sent.iter().filter_map(|file| data_set(file)) {
        *expected.entry(data).or_default() += 1;
    }
    let (mut identical, mut padded) = (0, 0);
    for path in there {
        let mut data = data_set(&std::fs::read(path).unwrap()).unwrap();
        if expected.contains_key(&data) {
            identical += 1;
        } else {
            assert_eq!(data.pop(), Some(0), "a data set that nobody sent");
            assert!(expected.contains_key(&data), "a data set that nobody sent");
            padded += 1;
        }
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in parked {
        *reasons.entry(reason).or_default() += 1;
    }
    println!(
        "{} sent, {} in the folder: {identical} identical, {padded} padded; parked: {reasons:#?}",
        sent.len(),
        there.len()
    );
    assert_eq!(
        there.len() as u64,
        *stored,
        "what is stored lies there once"
    );
    let known = [
        "refuses this class or syntax",
        "cannot be sent to a PACS",
        "odd length",
    ];
    let explained = |reason: &&str| known.iter().any(|words| reason.contains(words));
    assert!(reasons.keys().all(explained), "parked for another reason");
}

//! Through both daemons into a real PACS: Orthanc with DICOMweb, every part a process of its own.
//! Judged by what Orthanc gives out by its own REST interface. Without Orthanc it says so and proves
//! nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::corpus;
use harness::dicom::Instance;
use harness::orthanc::Orthanc;
use harness::pair::Pair;
use harness::relay::Shape;

/// The corpus's DICOM files, one for each SOP Instance UID, by that UID.
fn distinct(scratch: &Path) -> BTreeMap<String, Vec<u8>> {
    let (_, files) = corpus::files(scratch);
    let mut all = BTreeMap::new();
    for path in files {
        let file = std::fs::read(path).unwrap();
        if let Some(instance) = Instance::of_file(&file) {
            all.entry(instance.instance).or_insert(file);
        }
    }
    all
}

/// Writes the files where `send` finds them.
fn folder_of(files: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (number, file) in files.values().enumerate() {
        std::fs::write(folder.join(format!("{number}.dcm")), file).unwrap();
    }
}

/// What Orthanc holds, by SOP Instance UID.
fn held(orthanc: &Orthanc) -> BTreeMap<String, Vec<u8>> {
    let all = orthanc.instances().into_iter();
    all.map(|(uid, id)| (uid, orthanc.file(&id))).collect()
}

/// Waits until the hub has stored or parked so many; the reasons of the parked ones.
fn wait_for_all(pair: &Pair, count: usize) -> BTreeMap<String, usize> {
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        let status = pair.receiver.status();
        let studies = status["studies"].as_array().unwrap().iter();
        let stored: u64 = studies.filter_map(|study| study["stored"].as_u64()).sum();
        let mut parked = BTreeMap::new();
        for item in status["parked"].as_array().unwrap() {
            let reason = item["reason"].as_str().unwrap_or_default().to_owned();
            *parked.entry(reason).or_insert(0) += 1;
        }
        if stored as usize + parked.values().sum::<usize>() == count {
            return parked;
        }
        assert!(Instant::now() < end, "{count} sent:\n{status:#}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn by_stow_every_file_that_orthanc_takes_is_read_back_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let (Some(orthanc), Some(direct)) = (
        Orthanc::start(&path("pacs"), &[]),
        Orthanc::start(&path("direct"), &[]),
    ) else {
        return;
    };
    let files = distinct(scratch.path());
    let takes = files.values().filter(|file| direct.upload(file)).count();
    folder_of(&files, &path("files"));
    let pair = Pair::start_into(Shape::CLEAN, &orthanc.web());
    pair.send(&[&path("files")]);
    let parked = wait_for_all(&pair, files.len());
    let there = held(&orthanc);
    let same = there
        .iter()
        .filter(|(uid, file)| files.get(*uid) == Some(*file));
    let same = same.count();
    println!(
        "{} files of distinct UID; Orthanc takes {takes} of them from itself, has {} by STOW-RS, {same} \
         of these identical as whole files; parked: {parked:#?}",
        files.len(),
        there.len(),
    );
    assert_eq!(same, there.len());
    assert!(
        takes > 0 && there.len() >= takes,
        "fewer than Orthanc takes"
    );
    assert_eq!(there.len() + parked.values().sum::<usize>(), files.len());
}

#[test]
fn by_c_store_orthanc_has_what_an_untouched_c_store_leaves_there() {
    if !harness::long() {
        return println!("skipped: three minutes, for what Orthanc refuses is tried again; KAREZ_LONG=1");
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let (Some(orthanc), Some(direct)) = (
        Orthanc::start(&path("pacs"), &[("KAREZ", 104)]),
        Orthanc::start(&path("direct"), &[]),
    ) else {
        return;
    };
    let files = distinct(scratch.path());
    for file in files.values() {
        // Some it refuses, and on some it breaks off: what it has then is what counts.
        let _ = Instance::of_file(file)
            .unwrap()
            .send(direct.at(), "ORTHANC");
    }
    folder_of(&files, &path("files"));
    let pair = Pair::start_into(Shape::CLEAN, &orthanc.dimse());
    pair.send(&[&path("files")]);
    let parked = wait_for_all(&pair, files.len());
    let (expected, there) = (held(&direct), held(&orthanc));
    let same = expected.iter().filter(|(uid, file)| {
        let data_set = |file: &[u8]| Instance::of_file(file).map(|i| (i.syntax, i.data_set));
        there.get(*uid).map(|file| data_set(file)) == Some(data_set(file))
    });
    let same = same.count();
    println!(
        "{} files of distinct UID; Orthanc has {} by an untouched C-STORE and {} through Karez, {same} of \
         them with equal data sets; parked: {parked:#?}",
        files.len(),
        expected.len(),
        there.len(),
    );
    assert!(!expected.is_empty());
    assert_eq!(same, expected.len());
}

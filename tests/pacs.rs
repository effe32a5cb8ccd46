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
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::corpus;
use harness::dicom::Instance;
use harness::orthanc::{Orthanc, free_port};
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
    let parked = pair.wait_handed_off(files.len());
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
        return println!(
            "skipped: three minutes, for what Orthanc refuses is tried again; KAREZ_LONG=1"
        );
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
    let parked = pair.wait_handed_off(files.len());
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

/// Three CT images of the corpus in a folder of their own, if it has some.
fn three_images(scratch: &Path) -> bool {
    let (_, files) = corpus::files(scratch);
    let series = |path: &&PathBuf| path.to_string_lossy().contains("ct_sinus_series");
    let three: Vec<_> = files.iter().filter(series).take(3).collect();
    std::fs::create_dir_all(scratch.join("files")).unwrap();
    for path in &three {
        let name = path.file_name().unwrap();
        std::fs::copy(path, scratch.join("files").join(name)).unwrap();
    }
    three.len() == 3
}

/// What the hub says of its one study: stored, committed, and why not.
fn standing(pair: &Pair) -> (u64, u64, String) {
    let study = pair.receiver.status()["studies"][0].clone();
    let count = |key: &str| study[key].as_u64().unwrap_or(0);
    let why = study["handoff"][0]["reason"].as_str().unwrap_or_default();
    (count("stored"), count("committed"), why.to_owned())
}

fn wait_standing(pair: &Pair, what: &str, good: impl Fn(&(u64, u64, String)) -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !good(&standing(pair)) {
        assert!(Instant::now() < end, "not {what}: {:?}", standing(pair));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn orthanc_commits_what_it_keeps_and_not_what_was_deleted_meanwhile() {
    let scratch = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(orthanc) = Orthanc::start(&scratch.path().join("pacs"), &[("KAREZ", port)]) else {
        return;
    };
    if !three_images(scratch.path()) {
        return println!("skipped: no CT series in the corpus");
    }
    let listen = format!("dicom.listen=127.0.0.1:{port}");
    let pair = Pair::start_into_with(Shape::CLEAN, &orthanc.dimse(), &["--set", &listen]);
    let test = pair.receiver.command(&["target", "test", "dicom"]);
    assert!(test.contains("commitment"), "{test}");
    pair.send(&[&scratch.path().join("files")]);
    wait_standing(&pair, "stored", |now| now.0 == 3);
    assert_eq!(standing(&pair).1, 0, "it is asked ten seconds later");
    let (_, id) = orthanc.instances().remove(0);
    orthanc.delete(&id);
    wait_standing(&pair, "committed", |now| now.1 == 2);
    let (stored, _, why) = standing(&pair);
    println!("{stored} stored, 2 committed; the deleted one: {why}");
    assert!(why.contains("0112"), "{why}");
}

#[test]
fn orthanc_as_a_scanner_is_told_what_the_archive_keeps_and_not_before() {
    let scratch = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(scanner) = Orthanc::start(&scratch.path().join("scanner"), &[("KAREZ", port)]) else {
        return;
    };
    if !three_images(scratch.path()) {
        return println!("skipped: no CT series in the corpus");
    }
    for entry in std::fs::read_dir(scratch.path().join("files")).unwrap() {
        assert!(scanner.upload(&std::fs::read(entry.unwrap().path()).unwrap()));
    }
    let listen = format!("dicom.listen=127.0.0.1:{port}");
    let report = format!("dicom.report_port={}", scanner.dicom);
    let clinic = [
        "--set",
        &listen,
        "--set",
        &report,
        "--set",
        "dicom.allow_any=true",
    ];
    let pair = Pair::start_with(Shape::CLEAN, &clinic, &[]);
    pair.receiver.command(&["target", "pause", "folder"]);
    scanner.send_all_to("KAREZ");
    let asked = scanner.ask_commitment_of("KAREZ", "1.2.3.4");
    let patience = Duration::from_secs(60);
    pair.wait("verified at the hub", patience, |now| {
        now["studies"][0]["receipt"] == "verified" && now["commitments"] == 1
    });
    assert_eq!(scanner.told(&asked)["Status"], "Pending");
    pair.receiver.command(&["target", "resume", "folder"]);
    pair.wait("told", patience, |now| now["commitments"] == 0);
    let told = scanner.told(&asked);
    let (kept, failed) = (&told["Success"], &told["Failures"]);
    println!(
        "Orthanc was told: {} kept, failed: {failed}",
        kept.as_array().unwrap().len()
    );
    assert_eq!(kept.as_array().unwrap().len(), 3, "{told}");
    assert_eq!(failed[0]["SOPInstanceUID"], "1.2.3.4", "{told}");
}

#[test]
fn an_orthanc_that_does_not_know_our_title_commits_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start(&scratch.path().join("pacs"), &[]) else {
        return;
    };
    if !three_images(scratch.path()) {
        return println!("skipped: no CT series in the corpus");
    }
    let target = format!("{}?find=no", orthanc.dimse());
    let pair = Pair::start_into(Shape::CLEAN, &target);
    pair.send(&[&scratch.path().join("files")]);
    wait_standing(&pair, "told why", |now| now.2.contains("register KAREZ"));
    let (stored, committed, why) = standing(&pair);
    println!("{stored} stored, {committed} committed: {why}");
    assert_eq!((stored, committed), (3, 0));
}

#[test]
fn two_clinics_with_one_patient_number_stay_two_until_a_person_has_decided() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start(&scratch.path().join("pacs"), &[]) else {
        return;
    };
    let pair = Pair::start_into(Shape::CLEAN, &orthanc.web());
    let second = pair.another_clinic("clinic-two");
    let (ours, theirs) = (scratch.path().join("1.dcm"), scratch.path().join("2.dcm"));
    let mut spec = harness::made::Spec::new(1, 4000);
    spec.number = b"0001".to_vec();
    std::fs::write(&ours, spec.bytes()).unwrap();
    (spec.study, spec.instance) = ("1.2.826.0.1.9".into(), "1.2.826.0.1.9.1".into());
    spec.patient = b"OTHER^ONE".to_vec();
    std::fs::write(&theirs, spec.bytes()).unwrap();
    pair.send(&[&ours]);
    wait_standing(&pair, "stored", |now| now.0 == 1);
    second.command(&["send", theirs.to_str().unwrap()]);
    let parked = pair.wait_handed_off(2);
    assert!(
        parked.keys().any(|why| why.contains("this patient number")),
        "{parked:?}"
    );
    assert_eq!(orthanc.instances().len(), 1);
    let item = pair.receiver.status()["parked"][0]["item"].clone();
    pair.receiver
        .command(&["parked", "release", item.as_str().unwrap()]);
    let end = Instant::now() + Duration::from_secs(60);
    while held(&orthanc).len() < 2 {
        assert!(Instant::now() < end, "not released");
        std::thread::sleep(Duration::from_millis(200));
    }
    let there: Vec<Vec<u8>> = held(&orthanc).into_values().collect();
    for file in [ours, theirs] {
        assert!(
            there.contains(&std::fs::read(file).unwrap()),
            "not as it was"
        );
    }
    assert_eq!(pair.wait_handed_off(2).len(), 0);
}

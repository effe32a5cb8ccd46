//! From the scanner to the PACS, every part a process of its own: DCMTK's storescu, or a scanner
//! that leaves every byte as it is, to `karez-sender`, to `karez-receiver`, to DCMTK's storescp.
//! Judged by what lies in storescp's folder, never by an exit code. Without DCMTK it says so and
//! proves nothing; without the corpus it sends made files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::corpus;
use harness::dicom::Instance;
use harness::folder::files_below;
use harness::pair::Pair;
use harness::relay::Shape;
use serde_json::Value;

/// What storescu is told for each transfer syntax, as for none it offers all uncompressed ones.
const OPTIONS: [(&str, &str); 12] = [
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
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// What a parked instance may be parked for here.
const EXPLAINED: [&str; 2] = ["refuses this class or syntax", "odd length"];

/// storescp, which writes down whatever it takes, bit for bit.
struct Archive {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Archive {
    /// `None` when it is not installed.
    fn start(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new("storescp")
            .args(["-q", "+xa", "-pm", "+B", "+uf", "-od"])
            .arg(folder)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            println!("skipped: storescp is not installed (Debian package dcmtk)");
            return None;
        };
        let archive = Self {
            child,
            port,
            folder: folder.to_owned(),
        };
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < end, "storescp does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(archive)
    }

    /// What lies in the folder, and how often.
    fn held(&self) -> BTreeMap<Content, usize> {
        let read = |path: &PathBuf| Instance::of_file(&std::fs::read(path).unwrap()).unwrap();
        count(files_below(&self.folder).iter().map(read))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A transfer syntax and a data set's bytes: all that a PACS keeps of an instance.
type Content = (String, Vec<u8>);

fn count(instances: impl Iterator<Item = Instance>) -> BTreeMap<Content, usize> {
    let mut counts = BTreeMap::new();
    for one in instances {
        *counts.entry((one.syntax, one.data_set)).or_insert(0) += 1;
    }
    counts
}

fn total(counts: &BTreeMap<Content, usize>) -> usize {
    counts.values().sum()
}

/// The files to send, with what they are, if they can be sent.
fn files(scratch: &Path) -> Vec<(PathBuf, Instance)> {
    let (_, files) = corpus::files(scratch);
    let directory = "1.2.840.10008.1.3.10";
    let read = |path: PathBuf| {
        let instance = Instance::of_file(&std::fs::read(&path).ok()?)?;
        (instance.class != directory).then_some((path, instance))
    };
    files.into_iter().filter_map(read).collect()
}

/// Two daemons that hand off to this archive, and where scanners send to.
fn karez(archive: &Archive) -> (Pair, SocketAddr) {
    let target = format!(
        "dicom://STORESCP@127.0.0.1:{}?find=no&versions=all",
        archive.port
    );
    let pair = Pair::start_into(Shape::CLEAN, &target);
    let listening = |status: &Value| status["scanner_port"]["listen"] != "";
    let status = pair.wait("the port", Duration::from_secs(30), listening);
    let at = status["scanner_port"]["listen"].as_str().unwrap();
    let at = at.parse().unwrap();
    (pair, at)
}

fn accepted(pair: &Pair) -> usize {
    let status = pair.sender.status();
    let studies = status["studies"].as_array().unwrap().iter();
    let instances = studies.filter_map(|study| study["instances"].as_u64());
    instances.sum::<u64>() as usize
}

fn storescu(option: &str, called: &str, port: u16, file: &Path) {
    Command::new("storescu")
        .args(["-q", "-R", option, "-aec", called, "127.0.0.1"])
        .arg(port.to_string())
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

/// How many of these share their SOP Instance UID with others.
fn sharing(sent: &[(PathBuf, Instance)]) -> (usize, usize) {
    let mut by_uid: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, one) in sent {
        *by_uid.entry(&one.instance).or_default() += 1;
    }
    let shared = by_uid.values().filter(|count| **count > 1);
    (shared.clone().sum(), shared.count())
}

#[test]
fn what_storescu_sends_through_both_daemons_is_what_it_sends_directly() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let (Some(direct), Some(archive)) = (
        Archive::start(&path("direct")),
        Archive::start(&path("archive")),
    ) else {
        return;
    };
    let (pair, at) = karez(&archive);
    let sent = files(scratch.path());
    for (file, instance) in &sent {
        let option = OPTIONS
            .iter()
            .find(|(syntax, _)| *syntax == instance.syntax);
        let option = option.map_or("-x=", |(_, option)| option);
        storescu(option, "STORESCP", direct.port, file);
        storescu(option, "KAREZ", at.port(), file);
    }
    let accepted = accepted(&pair);
    let parked = pair.wait_handed_off(accepted);
    let (expected, there) = (direct.held(), archive.held());
    let same = expected.iter().filter(|(k, n)| there.get(*k) == Some(*n));
    let same: usize = same.map(|(_, n)| n).sum();
    println!(
        "{} files; storescp got {} directly and {} through Karez: {same} equal byte for byte; \
         {accepted} accepted by the clinic, parked at the hub: {parked:#?}",
        sent.len(),
        total(&expected),
        total(&there)
    );
    assert!(total(&expected) > 0, "storescu sent nothing");
    assert!(expected == there, "not the same");
    let refused = |reason: &String| reason.contains(EXPLAINED[0]);
    assert!(parked.keys().all(refused), "parked for another reason");
    assert_eq!(total(&there) + parked.values().sum::<usize>(), accepted);
}

#[test]
fn what_a_scanner_sends_untouched_is_the_files_own_bytes_at_the_archive() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(archive) = Archive::start(&scratch.path().join("archive")) else {
        return;
    };
    let (pair, at) = karez(&archive);
    let sent = files(scratch.path());
    for (file, instance) in &sent {
        let name = file.file_name().unwrap();
        let status = instance.send(at, "KAREZ");
        assert_eq!(status.ok(), Some(0), "{}", name.display());
    }
    assert_eq!(accepted(&pair), sent.len());
    let parked = pair.wait_handed_off(sent.len());
    let explained = |reason: &String| EXPLAINED.iter().any(|words| reason.contains(words));
    assert!(parked.keys().all(explained), "{parked:#?}");
    let there = archive.held();
    let expected = count(sent.iter().map(|(_, instance)| instance.clone()));
    let (mut identical, mut padded) = (0, 0);
    for ((syntax, data_set), n) in &there {
        if expected.get(&(syntax.clone(), data_set.clone())) == Some(n) {
            identical += n;
            continue;
        }
        let (pad, rest) = data_set.split_last().unwrap();
        let known = expected.get(&(syntax.clone(), rest.to_vec())) == Some(n);
        let made_even = *pad == 0 && rest.len() % 2 == 1 && syntax == DEFLATED;
        assert!(known && made_even, "an instance that nobody sent so");
        padded += n;
    }
    let (sharing, uids) = sharing(&sent);
    println!(
        "{} files sent untouched: {identical} identical, {padded} padded to an even length; parked: \
         {parked:#?}; {sharing} of them share {uids} SOP Instance UIDs",
        sent.len()
    );
    assert!(identical > 0);
    assert_eq!(
        identical + padded + parked.values().sum::<usize>(),
        sent.len()
    );
}

#[test]
fn instances_that_share_a_uid_go_in_studies_of_their_own_and_all_come_out() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(archive) = Archive::start(&scratch.path().join("archive")) else {
        return;
    };
    let (pair, at) = karez(&archive);
    let mut spec = harness::made::Spec::new(1, 4000);
    let mut sent = Vec::new();
    for version in 0..6 {
        (spec.seed, spec.study) = (version, format!("1.2.826.0.1.7.{version}"));
        sent.push(Instance::of_file(&spec.bytes()).unwrap());
    }
    for instance in &sent {
        assert_eq!(instance.send(at, "KAREZ").unwrap(), 0);
    }
    let parked = pair.wait_handed_off(sent.len());
    assert_eq!(parked, BTreeMap::new());
    let studies = pair.sender.status()["studies"].as_array().unwrap().len();
    assert_eq!(studies, sent.len());
    assert!(
        archive.held() == count(sent.into_iter()),
        "not all came out"
    );
}

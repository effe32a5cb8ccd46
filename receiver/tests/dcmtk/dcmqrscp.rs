//! Into `dcmqrscp`, which can be asked what it has.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::made::Image;
use crate::{Hub, clinic, files, send, server, wait};

const KILLS: usize = 50;
const IMAGES: u64 = 400;

/// Writes its configuration; where it is.
fn configuration(scratch: &Path) -> String {
    let store = scratch.join("pacs");
    std::fs::create_dir(&store).unwrap();
    let whole = format!(
        "MaxPDUSize = 131072\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n\
         VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nPACS {} RW (10, 1024mb) ANY\n\
         AETable END\n",
        store.display()
    );
    let path = scratch.join("dcmqrscp.cfg");
    std::fs::write(&path, whole).unwrap();
    path.display().to_string()
}

/// Has every line of its log begin with the number of the process that wrote it: each association
/// has its own, and two may write at once.
fn logging(scratch: &Path) -> String {
    let appender = "log4cplus.appender.console";
    let whole = format!(
        "log4cplus.rootLogger = INFO, console\n{appender} = log4cplus::ConsoleAppender\n\
         {appender}.ImmediateFlush = true\n{appender}.layout = log4cplus::PatternLayout\n\
         {appender}.layout.ConversionPattern = %i %P: %m%n\n"
    );
    let path = scratch.join("logging.cfg");
    std::fs::write(&path, whole).unwrap();
    path.display().to_string()
}

/// How often it took each UID for good, by its log: answered its C-STORE with success and did not
/// take that back. An instance whose answer it cannot send it has in its index for a moment, and
/// then deletes; how often it did that.
fn taken(log: &Path) -> (BTreeMap<String, usize>, usize) {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let (mut counts, mut deleted) = (BTreeMap::new(), 0);
    let mut exchanges: BTreeMap<&str, (bool, String)> = BTreeMap::new();
    for (before, line) in text.lines().filter_map(|line| line.split_once(" I: ")) {
        let process = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap();
        let (response, uid) = exchanges.entry(process).or_default();
        if line.contains("Message Type") {
            *response = line.contains("C-STORE RSP");
        } else if line.contains("Affected SOP Instance UID") {
            *uid = line.rsplit(':').next().unwrap().trim().to_owned();
        } else if *response && line.contains("DIMSE Status") && line.contains("0x0000") {
            *counts.entry(uid.clone()).or_default() += 1;
        } else if *response && line.contains("Deleting Image File") {
            *counts.get_mut(uid).unwrap() -= 1;
            deleted += 1;
        }
    }
    (counts, deleted)
}

#[tokio::test]
async fn fifty_kills_of_the_hub_just_after_the_pacs_took_an_instance_give_nothing_twice() {
    let scratch = tempfile::tempdir().unwrap();
    let configuration = configuration(scratch.path());
    let log = scratch.path().join("dcmqrscp.log");
    let logging = logging(scratch.path());
    let arguments = ["-lc", &logging, "-c", &configuration];
    let Some((_server, port)) = server("dcmqrscp", &arguments, &log) else {
        return;
    };
    let target = format!("pacs=dicom://PACS@127.0.0.1:{port}");
    let hub = Hub::start(scratch.path(), &target);
    let sender = clinic(scratch.path(), &hub).await;
    let images: Vec<Image> = (1..=IMAGES).map(Image::ct).collect();
    for image in &images {
        send(&sender, &image.file()).await;
    }
    let store = scratch.path().join("pacs");
    let killing = tokio::task::spawn_blocking(move || kill_and_wait(hub, &store));
    let (hub, kills, parked) = killing.await.unwrap();
    sender.stop().await.unwrap();
    let known = std::fs::read_to_string(hub.log()).unwrap();
    let asked = known.matches("the target has it already").count();
    let (counts, deleted) = taken(&log);
    println!(
        "{kills} kills; {asked} instances were at the PACS and not in the ledger, {deleted} it took \
         back as its answer found nobody; {} UIDs",
        counts.len()
    );
    assert_eq!(parked, [""; 0], "nothing is parked");
    assert_eq!(kills, KILLS);
    assert!(asked > 0, "a kill fell between the PACS and the ledger");
    assert_eq!(counts.len() as u64, IMAGES);
    let twice = counts.values().filter(|count| **count > 1).count();
    assert_eq!(twice, 0, "so many were given twice");
    assert!(counts.values().all(|count| *count == 1), "one is lost");
    assert_eq!(held(&scratch.path().join("pacs")), IMAGES);
}

fn held(store: &Path) -> u64 {
    let all = files(store).into_iter();
    all.filter(|path| path.extension().is_none_or(|e| e != "dat"))
        .count() as u64
}

/// Kills the hub when the PACS has just got an instance; a few are let through in between.
fn kill_and_wait(mut hub: Hub, store: &Path) -> (Hub, usize, Vec<String>) {
    let (mut kills, end) = (0, Instant::now() + Duration::from_secs(300));
    while kills < KILLS && held(store) < IMAGES {
        let enough = held(store) + 1 + (kills % 5) as u64;
        while held(store) < enough.min(IMAGES) {
            assert!(Instant::now() < end, "{kills} kills in five minutes");
            std::thread::sleep(Duration::from_micros(200));
        }
        hub.kill();
        kills += 1;
        hub.run();
    }
    let mut last = (0, Vec::new());
    wait("all are stored", || {
        last = hub.progress().unwrap_or_default();
        last.0 == IMAGES
    });
    (hub, kills, last.1)
}

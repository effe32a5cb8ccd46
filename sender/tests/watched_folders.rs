//! Other programs put files into watched folders; named after the traps of the field.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use karez_sender::WatchStatus;
use karez_store::{Disk, MemDisk, OpenMode};
use support::clinic::Clinic;
use support::dicom;
use support::hub::Hub;
use support::net::{Link, World};
use support::until;

const IN: &str = "/in";

/// A clinic that watches [`IN`] and has joined a hub.
async fn watching(seed: u64, after: &str) -> (Clinic, Hub, World) {
    let link = Link {
        bits_per_s: 50e6,
        delay: Duration::from_millis(20),
        loss: 0.0,
        queue: Duration::from_secs(2),
    };
    let (net, hub) = (World::new(seed, link), Hub::new());
    hub.serve(&net);
    let mut clinic = Clinic::alone(&net, seed);
    clinic.env.disk.create_dir_all(Path::new(IN)).unwrap();
    clinic.settings.watch.folders = vec![IN.to_owned()];
    clinic.settings.watch.after = after.to_owned();
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    (clinic, hub, net)
}

fn write(disk: &MemDisk, path: &str, bytes: &[u8]) {
    let path = Path::new(path);
    disk.create_dir_all(path.parent().unwrap()).unwrap();
    let file = disk
        .open(path, OpenMode::CreateNew)
        .or_else(|_| disk.open(path, OpenMode::ReadWrite))
        .unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir(path.parent().unwrap()).unwrap();
}

fn names(clinic: &Clinic, folder: &str) -> Vec<String> {
    clinic.env.disk.list(Path::new(folder)).unwrap()
}

async fn folder(clinic: &Clinic) -> WatchStatus {
    clinic.status().await.watch[0].clone()
}

async fn arrived(hub: &Hub, count: usize) {
    until("all at the hub", async || hub.rebuilt() >= count).await;
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

fn rebuilt(hub: &Hub) -> Vec<Vec<u8>> {
    let state = hub.state.lock().unwrap();
    let mut all: Vec<Vec<u8>> = state.rebuilt.iter().map(|(_, raw)| raw.clone()).collect();
    all.sort();
    all
}

fn image(n: u64) -> Vec<u8> {
    dicom("1.2.3", "CANARY^FOLDER", 64, n)
}

#[tokio::test(start_paused = true)]
async fn files_and_those_of_sub_folders_arrive_identical_and_stay_where_they_are() {
    let (clinic, hub, _net) = watching(1, "keep").await;
    let paths = ["/in/IM1", "/in/a/IM2.dcm", "/in/a/b/c/no ending"];
    for (n, path) in paths.iter().enumerate() {
        write(&clinic.env.disk, path, &image(n as u64));
    }
    arrived(&hub, 3).await;
    seconds(60).await;
    let mut expected: Vec<Vec<u8>> = (0..3).map(image).collect();
    expected.sort();
    assert!(rebuilt(&hub) == expected, "some bytes differ");
    assert_eq!(names(&clinic, "/in/a/b/c"), ["no ending"]);
    let status = folder(&clinic).await;
    assert_eq!((status.taken, status.waiting), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn t06_a_growing_file_is_waited_for_however_slowly_it_grows() {
    let (clinic, hub, _net) = watching(2, "keep").await;
    let whole = image(1);
    for part in 1..=20 {
        write(
            &clinic.env.disk,
            "/in/slow",
            &whole[..whole.len() * part / 20],
        );
        seconds(4).await;
        assert_eq!(folder(&clinic).await.waiting, 1);
    }
    arrived(&hub, 1).await;
    seconds(600).await;
    assert_eq!(rebuilt(&hub), [whole]);
    assert_eq!(clinic.status().await.studies[0].not_whole, 0);
}

#[tokio::test(start_paused = true)]
async fn t06_a_truncated_file_waits_longer_and_is_sent_as_it_is_and_marked() {
    let (clinic, hub, _net) = watching(3, "keep").await;
    let cut = image(1)[..3000].to_vec();
    write(&clinic.env.disk, "/in/cut", &cut);
    seconds(30).await;
    assert_eq!((hub.rebuilt(), folder(&clinic).await.waiting), (0, 1));
    arrived(&hub, 1).await;
    assert_eq!(rebuilt(&hub), [cut]);
    let status = clinic.status().await;
    assert_eq!(status.watch[0].not_whole, 1);
    assert_eq!(status.studies[0].not_whole, 1);
}

#[tokio::test(start_paused = true)]
async fn t06_what_is_no_image_is_not_taken_and_counted_with_its_reason() {
    let (clinic, hub, _net) = watching(4, "delete").await;
    let disk = &clinic.env.disk;
    write(disk, "/in/empty", b"");
    write(disk, "/in/DICOMDIR", &image(1));
    write(disk, "/in/Thumbs.db", &image(2));
    write(disk, "/in/desktop.ini", b"[.ShellClassInfo]");
    write(
        disk,
        "/in/report.txt",
        b"dear colleague, thank you for the patient",
    );
    write(disk, "/in/x.dcm.part", &image(3));
    let mut media = image(4);
    let class = support::element(2, 2, *b"UI", &support::even("1.2.840.10008.1.3.10"));
    media.splice(144..144, class);
    write(disk, "/in/index", &media);
    seconds(600).await;
    assert_eq!(hub.rebuilt(), 0);
    assert_eq!(names(&clinic, IN).len(), 7);
    let status = clinic.status().await;
    let folder = &status.watch[0];
    assert_eq!(
        (
            folder.empty,
            folder.not_dicom,
            folder.unfinished,
            folder.waiting
        ),
        (1, 1, 1, 0)
    );
    let items: Vec<&str> = status.parked.iter().map(|p| p.item.as_str()).collect();
    assert_eq!(items, ["1 empty files in /in", "1 files in /in"]);
    assert!(!serde_json::to_string(&status).unwrap().contains("report"));

    // An empty file that gets its bytes is a file like any other.
    write(disk, "/in/empty", &image(5));
    arrived(&hub, 1).await;
}

#[tokio::test(start_paused = true)]
async fn t06_a_file_renamed_into_place_is_taken_once_under_its_last_name() {
    let (clinic, hub, _net) = watching(5, "keep").await;
    let disk = &clinic.env.disk;
    write(disk, "/in/x.tmp", &image(1));
    seconds(30).await;
    assert_eq!((hub.rebuilt(), folder(&clinic).await.unfinished), (0, 1));
    disk.rename(Path::new("/in/x.tmp"), Path::new("/in/x.dcm"))
        .unwrap();
    arrived(&hub, 1).await;
    seconds(60).await;
    assert_eq!((hub.rebuilt(), folder(&clinic).await.taken), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn t05_a_file_without_preamble_and_meta_group_is_taken_as_it_is() {
    let (clinic, hub, _net) = watching(6, "keep").await;
    let bare = image(1)[image(1).len() - 8192 - 12 - 100..].to_vec();
    let start = bare
        .windows(4)
        .position(|w| w == [0x20, 0, 0x0d, 0])
        .unwrap_or(0);
    let no_meta = [
        &[8, 0, 0x60, 0, b'C', b'S', 2, 0, b'C', b'T'],
        &bare[start..],
    ]
    .concat();
    write(&clinic.env.disk, "/in/bare", &no_meta);
    arrived(&hub, 1).await;
    assert_eq!(rebuilt(&hub), [no_meta]);
}

#[tokio::test(start_paused = true)]
async fn files_that_stay_are_not_taken_again_by_later_processes() {
    let (mut clinic, hub, _net) = watching(7, "keep").await;
    for n in 0..5 {
        write(&clinic.env.disk, &format!("/in/{n}"), &image(n));
    }
    arrived(&hub, 5).await;
    seconds(30).await;
    clinic.stop().await;
    clinic.start().unwrap();
    seconds(120).await;
    clinic.kill(1).await;
    clinic.start().unwrap();
    seconds(120).await;
    assert_eq!(hub.rebuilt(), 5);
    assert_eq!(clinic.status().await.studies[0].instances, 5);

    // One that was written again is another one.
    write(&clinic.env.disk, "/in/0", &image(77));
    arrived(&hub, 6).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_is_cut_off_each_file_arrives() {
    for seed in 1..=8 {
        let (mut clinic, hub, _net) = watching(seed, "delete").await;
        for n in 0..6 {
            write(&clinic.env.disk, &format!("/in/{n}"), &image(n));
        }
        // Around the moment at which they are taken and deleted.
        tokio::time::sleep(Duration::from_millis(5_900 + 25 * seed)).await;
        clinic.env.disk.kill_at_sync(seed * 3);
        seconds(5).await;
        clinic.kill(seed).await;
        clinic.start().unwrap();
        until("all arrive", async || {
            let found = rebuilt(&hub);
            (0..6).all(|n| found.contains(&image(n)))
        })
        .await;
        seconds(60).await;
        assert!(names(&clinic, IN).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_taken_file_is_moved_with_its_sub_folder_and_overwrites_nothing() {
    let (clinic, hub, _net) = watching(9, "move:done").await;
    write(&clinic.env.disk, "/in/a/1", &image(1));
    arrived(&hub, 1).await;
    seconds(10).await;
    assert_eq!(names(&clinic, "/in/done/a"), ["1"]);
    write(&clinic.env.disk, "/in/a/1", &image(2));
    arrived(&hub, 2).await;
    seconds(60).await;
    assert_eq!(names(&clinic, "/in/done/a"), ["1", "1.1"]);
    assert!(names(&clinic, "/in/a").is_empty());
    assert_eq!(hub.rebuilt(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_leaves_files_where_they_are_until_there_is_room() {
    let (mut clinic, hub, _net) = watching(10, "delete").await;
    clinic.stop().await;
    clinic.settings.spool.keep_free.0 = 8 << 20;
    clinic.start().unwrap();
    clinic.env.disk.set_capacity(Some(4 << 20));
    write(&clinic.env.disk, "/in/1", &image(1));
    seconds(60).await;
    let status = folder(&clinic).await;
    assert!(status.problem.contains("disk full"), "{}", status.problem);
    assert_eq!((status.waiting, names(&clinic, IN).len()), (1, 1));
    clinic.env.disk.set_capacity(None);
    arrived(&hub, 1).await;
    seconds(10).await;
    assert_eq!(folder(&clinic).await.problem, "");
    assert!(names(&clinic, IN).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_not_there_is_named_and_does_no_harm() {
    let (mut clinic, hub, _net) = watching(11, "keep").await;
    clinic.stop().await;
    clinic.settings.watch.folders = vec!["/share".to_owned(), IN.to_owned()];
    clinic.start().unwrap();
    write(&clinic.env.disk, "/in/1", &image(1));
    arrived(&hub, 1).await;
    let status = folder(&clinic).await;
    assert!(status.problem.contains("cannot be read"), "{status:?}");
    write(&clinic.env.disk, "/share/2", &image(2));
    arrived(&hub, 2).await;
    seconds(10).await;
    assert_eq!(folder(&clinic).await.problem, "");
}

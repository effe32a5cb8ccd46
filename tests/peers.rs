//! K5, 2: rsync over ssh, storescu, tus and NNCP over `karez-sim link`, beside Karez, in one run on
//! P1 to P7. Prints a table of ratios; Karez is to be first in each row. Long: up to half an hour
//! (`tests/long.sh`); `KAREZ_PEERS=P3,P6` picks rows. A tool that is not there is named and left out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::path::Path;

use harness::folder::{contents, files_below, fingerprints};
use harness::live::{Ended, Live, fresh, karez, missing, skips};
use harness::made::Spec;
use harness::peers::{ALL, Make, Peer, node_modules};

/// A link of the table: name, kbit/s up and down, RTT in ms, loss each way, bytes of queue, seconds
/// up and down, images, seconds of silence after which a peer gives its connection up.
struct Row(
    &'static str,
    f64,
    f64,
    f64,
    f64,
    u32,
    Option<(f64, f64)>,
    u64,
    u32,
);

const ROWS: [Row; 7] = [
    Row("P1", 64.0, 128.0, 700.0, 0.02, 24_000, None, 2, 30),
    Row("P2", 1000.0, 1000.0, 150.0, 0.05, 64_000, None, 8, 30),
    Row("P3", 512.0, 1000.0, 650.0, 0.01, 64_000, None, 8, 30),
    Row("P4", 512.0, 1000.0, 650.0, 0.10, 64_000, None, 4, 45),
    Row("P5", 512.0, 1000.0, 600.0, 0.25, 64_000, None, 4, 60),
    Row(
        "P6",
        512.0,
        512.0,
        300.0,
        0.01,
        64_000,
        Some((25.0, 20.0)),
        8,
        15,
    ),
    Row(
        "P7",
        512.0,
        512.0,
        300.0,
        0.01,
        64_000,
        Some((8.0, 15.0)),
        4,
        15,
    ),
];
/// Bytes of pixels of an image: a CT slice.
const PIXELS: usize = 2 * 512 * 512;
/// The longest that a peer gets, s.
const LIMIT_S: u32 = 300;

/// One tool on one link.
struct Cell {
    name: String,
    whole: usize,
    took_s: f64,
    share: f64,
    wire: f64,
}

#[test]
fn karez_is_first_on_every_link() {
    if !harness::long() || skips("the bench of peers", &["awk", "pgrep"]) {
        return;
    }
    let wanted = std::env::var("KAREZ_PEERS").unwrap_or_default();
    let rows = ROWS
        .iter()
        .filter(|row| wanted.is_empty() || wanted.split(',').any(|name| name == row.0));
    let mut beaten = Vec::new();
    for row in rows {
        let cells = row.measure();
        row.print(&cells);
        let own = cells.iter().find(|cell| cell.name == "Karez").unwrap();
        let better = cells.iter().filter(|cell| cell.share > own.share);
        beaten.extend(better.map(|cell| format!("{} by {}", row.0, cell.name)));
    }
    assert!(beaten.is_empty(), "Karez was beaten on {beaten:?}");
}

impl Row {
    /// All tools at once, each on a link of its own.
    fn measure(&self) -> Vec<Cell> {
        let scratch = tempfile::tempdir().unwrap();
        let profile = scratch.path().join("link.toml");
        std::fs::write(&profile, self.toml()).unwrap();
        let name = profile.display().to_string();
        let tools = ALL.iter().filter(|(make, needs)| is_there(*make, needs));
        let controls = ["cubic", "bbr"].into_iter().filter(|name| kernel_has(name));
        let controls: Vec<&str> = controls.collect();
        std::thread::scope(|scope| {
            let own = scope.spawn(|| self.own(scratch.path(), &name));
            let jobs: Vec<_> = tools
                .enumerate()
                .flat_map(|(n, tool)| controls.iter().map(move |control| (n, tool.0, *control)))
                .map(|(n, make, control)| {
                    let root = fresh(scratch.path(), &format!("{n}-{control}"));
                    let name = &name;
                    scope.spawn(move || self.peer(&root, name, make, control))
                })
                .collect();
            let mut cells: Vec<Cell> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
            cells.push(own.join().unwrap());
            cells.sort_by(|a, b| b.share.total_cmp(&a.share));
            cells
        })
    }

    fn toml(&self) -> String {
        let Self(_, up, down, rtt, loss, queue, cycle, ..) = self;
        let cycle = cycle.map_or_else(String::new, |(up, down)| {
            format!("cycle = {{ up_s = {up:?}, down_s = {down:?} }}\n")
        });
        let way = |name: &str, rate: &f64| {
            format!(
                "[{name}]\nrate = {{ median_kbit = {rate:?} }}\nowd_ms = {:?}\nloss = {loss:?}\nqueue_bytes = {queue}\n",
                rtt / 2.0
            )
        };
        format!("{cycle}{}{}", way("up", up), way("down", down))
    }

    fn own(&self, scratch: &Path, profile: &str) -> Cell {
        let root = fresh(scratch, "karez");
        let study = root.join("study");
        let files = make_study(&study, self.7);
        let live = Live {
            limit_s: LIMIT_S + 60,
            ..Live::profile(profile)
        };
        let ended = karez(live, &root, &study).run();
        self.cell("Karez".into(), &ended, &root.join("stored"), &files)
    }

    fn peer(&self, root: &Path, profile: &str, make: Make, control: &str) -> Cell {
        let study = root.join("study");
        let files = make_study(&study, self.7);
        let Peer {
            name,
            clinic,
            hub,
            arrives,
            ..
        } = make(root, &study, self.8);
        let live = Live {
            limit_s: LIMIT_S,
            clinic: format!("{}\n{clinic}", use_control(control)),
            hub,
            ..Live::profile(profile)
        };
        self.cell(format!("{name}, {control}"), &live.run(), &arrives, &files)
    }

    fn cell(&self, name: String, ended: &Ended, arrives: &Path, files: &[[u8; 32]]) -> Cell {
        let payload = (files.len() * PIXELS) as f64;
        let there: u64 = files_below(arrives)
            .iter()
            .filter_map(|file| file.metadata().ok())
            .map(|meta| meta.len())
            .sum();
        let (took_s, got) = if ended.ok {
            (ended.figure("took_s"), payload)
        } else {
            (f64::from(LIMIT_S), payload.min(there as f64))
        };
        let (up, _) = ended.wire_bytes();
        let dropped = ended.counters["up"]["queue_full"]["bytes"].as_u64();
        Cell {
            name,
            whole: if ended.ok {
                files.len()
            } else {
                whole(arrives, files)
            },
            took_s,
            share: got / self.could_carry(took_s),
            wire: (up - dropped.unwrap_or(0)) as f64 / got.max(1.0),
        }
    }

    /// Bytes that the link lets through upward in so many seconds from its start, after loss.
    fn could_carry(&self, s: f64) -> f64 {
        let up_s = self.6.map_or(s, |(up, down)| {
            let rounds = (s / (up + down)).floor();
            rounds * up + (s - rounds * (up + down)).min(up)
        });
        up_s * self.1 * 1000.0 / 8.0 * (1.0 - self.4)
    }

    fn print(&self, cells: &[Cell]) {
        let own = cells
            .iter()
            .find(|cell| cell.name == "Karez")
            .unwrap()
            .share;
        println!(
            "\n{}: {} kbit/s up, {} ms, {:.0} % loss{}, {} images of {PIXELS} bytes, {LIMIT_S} s at most",
            self.0,
            self.1,
            self.3,
            self.4 * 100.0,
            self.6.map_or_else(String::new, |(up, down)| format!(
                ", up {up} s, down {down} s"
            )),
            self.7,
        );
        println!(
            "{:26} {:>6} {:>8} {:>14} {:>10} {:>12}",
            "", "whole", "s", "of the link", "to Karez", "wire/payload"
        );
        for cell in cells {
            println!(
                "{:26} {:>4}/{} {:>8.1} {:>14.3} {:>10.2} {:>12}",
                cell.name,
                cell.whole,
                self.7,
                cell.took_s,
                cell.share,
                cell.share / own,
                if cell.share > 0.0 {
                    format!("{:.3}", cell.wire)
                } else {
                    "-".into()
                }
            );
        }
    }
}

/// How many of the files lie there, byte for byte; DICOM receivers write a head of their own, so
/// there a file counts by its size.
fn whole(arrives: &Path, files: &[[u8; 32]]) -> usize {
    let same = contents(arrives);
    let same = files.iter().filter(|file| same.contains_key(*file)).count();
    let sized = files_below(arrives)
        .iter()
        .filter(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.len() >= PIXELS as u64 + 300)
        })
        .count();
    same.max(sized.min(files.len()))
}

/// Random pixels: protocols are compared, not compression.
fn make_study(folder: &Path, images: u64) -> Vec<[u8; 32]> {
    std::fs::create_dir_all(folder).unwrap();
    for index in 0..images {
        let mut spec = Spec::new(index, PIXELS);
        spec.study = "1.2.826.0.1.7.6".into();
        std::fs::write(folder.join(format!("{index}.dcm")), spec.bytes()).unwrap();
    }
    fingerprints(&files_below(folder))
}

fn is_there(make: Make, needs: &[&str]) -> bool {
    let tus = std::ptr::fn_addr_eq(make, harness::peers::tus as Make);
    let reason = missing(needs).or_else(|| {
        let absent = tus && !node_modules().join("@tus/server").is_dir();
        absent.then(|| format!("no @tus/server in {}", node_modules().display()))
    });
    if let Some(reason) = &reason {
        println!("left out: {}: {reason}", needs.first().unwrap_or(&""));
    }
    reason.is_none()
}

/// TCP's congestion control is chosen for the route: a namespace may not change its own default.
fn use_control(name: &str) -> String {
    format!(
        "dev=$(ip -o -4 addr show to 10.77.0.1 | awk '{{print $2}}'); ip route replace 10.77.0.2/32 dev $dev congctl {name} || exit 9"
    )
}

fn kernel_has(control: &str) -> bool {
    let path = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().any(|name| name == control)
}

//! The audit log: what was altered, removed, cut off or put elsewhere is found, at its place; and
//! no crash, full disk or failed sync breaks the chain.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::path::Path;
use std::sync::Arc;

use karez_host::audit::{AuditLog, Break, Checked, Event, Head, Note, Witness, check, lines};
use karez_host::limits::{AUDIT_FILE_BYTES, AUDIT_FILES};
use karez_store::{Fault, MemDisk, Options, Store};

const DIR: &str = "/data";
const FIRST: &str = "audit-00000001";

fn open(disk: &MemDisk) -> (Store, AuditLog) {
    try_open(disk).unwrap()
}

fn try_open(disk: &MemDisk) -> Option<(Store, AuditLog)> {
    let options = Options { salt: [5; 16] };
    let (mut store, _) = Store::open_with(Arc::new(disk.clone()), Path::new(DIR), options).ok()?;
    let log = AuditLog::open(&mut store).ok()?;
    Some((store, log))
}

fn note(n: u64) -> Note {
    Note::new(1000 + n as i64, Event::Received)
        .with("clinic chagai")
        .counting(n)
}

/// Adds lines, a few in each commit.
fn add(store: &mut Store, log: &mut AuditLog, count: u64) {
    for n in 0..count {
        log.add(&note(n));
        if n % 3 == 2 || n + 1 == count {
            log.append(store).unwrap();
            store.commit().unwrap();
            log.settle(store);
        }
    }
}

fn proved(store: &mut Store, witnesses: &[Witness]) -> Result<Checked, Break> {
    check(store, witnesses).unwrap()
}

/// The journal's lines as they stand in it.
fn payloads(store: &mut Store) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    store
        .journal_read_all(FIRST, &mut |_, bytes| all.push(bytes.to_vec()))
        .unwrap();
    all
}

/// A log of nine lines whose first journal is forged: by somebody who knows the store's format.
fn forged(forge: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<Checked, Break> {
    let disk = MemDisk::new();
    let (mut store, mut log) = open(&disk);
    add(&mut store, &mut log, 9);
    log.close(&mut store).unwrap();
    let mut all = payloads(&mut store);
    assert_eq!(all.len(), 9);
    forge(&mut all);
    store.journal_rewrite(FIRST, all).unwrap();
    proved(&mut store, &[])
}

#[test]
fn an_untouched_log_has_no_break_and_goes_on_over_restarts() {
    let disk = MemDisk::new();
    let mut heads = Vec::new();
    for _ in 0..3 {
        let (mut store, mut log) = open(&disk);
        add(&mut store, &mut log, 7);
        heads.push(log.head());
        log.close(&mut store).unwrap();
        let checked = proved(&mut store, &[]).unwrap();
        assert_eq!((checked.first, checked.last), (1, log.head().number));
        assert_eq!(checked.head, log.head().text());
    }
    let (mut store, _) = open(&disk);
    assert_eq!(lines(&mut store, 0, 100).unwrap().len(), 21);
    let seen: Vec<Witness> = heads
        .iter()
        .map(|head| Witness {
            who: "clinic chagai".into(),
            head: *head,
        })
        .collect();
    assert_eq!(proved(&mut store, &seen).unwrap().witnessed, 3);
}

#[test]
fn one_changed_byte_in_any_line_is_found_at_its_place() {
    assert!(forged(|_| {}).is_ok());
    for line in 0..9 {
        for byte in [0, 9, 45, 60] {
            let broken = forged(|all| all[line][byte] ^= 1).unwrap_err();
            let near = line as u64 + 1..=line as u64 + 2;
            // Of the last line only the anchor knows what it was.
            assert!(
                near.contains(&broken.line),
                "line {line} byte {byte}: {broken}"
            );
        }
    }
}

#[test]
fn a_removed_line_and_two_swapped_ones_are_found_at_their_place() {
    for line in 0..8 {
        let removed = forged(|all| drop(all.remove(line))).unwrap_err();
        assert_eq!(removed.line, line as u64 + 1, "{removed}");
        let swapped = forged(|all| all.swap(line, line + 1)).unwrap_err();
        assert_eq!(swapped.line, line as u64 + 1, "{swapped}");
    }
}

#[test]
fn a_cut_tail_is_found_by_the_anchor_and_by_any_witness() {
    for left in 0..9 {
        let cut = forged(|all| all.truncate(left)).unwrap_err();
        assert_eq!(cut.line, left as u64 + 1, "{cut}");
        assert!(cut.what.contains("cut off"), "{cut}");
    }
    // Whoever cuts the anchor as well is found by a clinic that has a receipt.
    let disk = MemDisk::new();
    let (mut store, mut log) = open(&disk);
    add(&mut store, &mut log, 9);
    let seen = Witness {
        who: "clinic chagai".into(),
        head: log.head(),
    };
    let all = payloads(&mut store);
    store.journal_rewrite(FIRST, &all[..5]).unwrap();
    store.remove_journal("audit-head").unwrap();
    assert!(proved(&mut store, &[]).is_ok(), "by itself it looks whole");
    let cut = proved(&mut store, &[seen]).unwrap_err();
    assert!(cut.line == 6 && cut.what.contains("clinic chagai"), "{cut}");
}

#[test]
fn a_log_written_anew_from_some_line_on_is_no_longer_what_a_witness_saw() {
    let disk = MemDisk::new();
    let (mut store, mut log) = open(&disk);
    add(&mut store, &mut log, 9);
    let seen = Witness {
        who: "clinic chagai".into(),
        head: log.head(),
    };
    let all = payloads(&mut store);
    store.journal_rewrite(FIRST, &all[..5]).unwrap();
    store.remove_journal("audit-head").unwrap();
    let mut other = AuditLog::open(&mut store).unwrap();
    for n in 0..10 {
        other.add(&note(n + 500));
    }
    other.close(&mut store).unwrap();
    assert!(proved(&mut store, &[]).is_ok(), "by itself it looks whole");
    let broken = proved(&mut store, &[seen]).unwrap_err();
    assert_eq!(broken.line, 9, "{broken}");
}

#[test]
fn rot_is_found_and_the_lines_after_it_are_kept() {
    let disk = MemDisk::new();
    let (mut store, mut log) = open(&disk);
    add(&mut store, &mut log, 9);
    log.close(&mut store).unwrap();
    drop(store);
    let path = Path::new(DIR)
        .join("journals")
        .join(format!("{FIRST}.journal"));
    assert!(disk.rot(&path, (8192 + 300) * 8));
    let (mut store, mut log) = open(&disk);
    let broken = proved(&mut store, &[]).unwrap_err();
    assert!((2..=4).contains(&broken.line), "{broken}");
    add(&mut store, &mut log, 2);
    assert_eq!(
        lines(&mut store, 0, 100).unwrap().last().unwrap().number,
        11
    );
}

#[test]
fn old_journals_go_with_a_line_that_says_so_and_a_removed_one_is_missed() {
    let disk = MemDisk::new();
    let (mut store, mut log) = open(&disk);
    let long = "x".repeat(190);
    let of_file = AUDIT_FILE_BYTES / 350;
    let mut count = 0;
    while store
        .journal_extent(&format!("audit-{:08}", AUDIT_FILES + 2))
        .is_none()
    {
        for _ in 0..of_file.min(2000) {
            log.add(&note(count).saying(&long));
            count += 1;
        }
        log.append(&mut store).unwrap();
        store.commit().unwrap();
        log.settle(&mut store);
    }
    log.close(&mut store).unwrap();
    let checked = proved(&mut store, &[]).unwrap();
    println!("{checked:?}");
    assert!(checked.files <= AUDIT_FILES && checked.first > 1);
    let old = Witness {
        who: "clinic chagai".into(),
        head: Head {
            number: 1,
            hash: [1; 24],
        },
    };
    assert_eq!(proved(&mut store, &[old]).unwrap().older, 1);
    let names: Vec<String> = store.journals().map(str::to_owned).collect();
    let oldest = names.iter().find(|n| n.starts_with("audit-0")).unwrap();
    store.remove_journal(oldest).unwrap();
    let broken = proved(&mut store, &[]).unwrap_err();
    assert!(broken.what.contains("removed"), "{broken}");
}

#[test]
fn no_failed_call_and_no_crash_at_a_sync_breaks_the_chain() {
    let mut crashes = 0;
    for seed in 0..200 {
        let disk = MemDisk::new();
        let mut known = Head::default();
        for life in 0..4 {
            let Some((mut store, mut log)) = try_open(&disk) else {
                // The call that was to fail was one of the opening.
                disk.crash(seed);
                continue;
            };
            let checked = proved(&mut store, &[]).unwrap();
            assert!(checked.last >= known.number, "what was durable is there");
            let seen = Witness {
                who: "the test".into(),
                head: known,
            };
            proved(&mut store, &[seen]).unwrap();
            disk.fail_at(disk.calls() + (seed + life * 7) % 61, Fault::Io, false);
            disk.kill_at_sync(disk.syncs() + 3 + (seed * 5 + life) % 23);
            for n in 0..12 {
                log.add(&note(n));
                if log.append(&mut store).is_ok() && store.commit().is_ok() {
                    log.settle(&mut store);
                    known = log.head();
                } else {
                    log.settle(&mut store);
                }
            }
            crashes += 1;
            drop(store);
            disk.crash(seed * 31 + life);
        }
    }
    println!("{crashes} crashes");
    assert!(crashes > 500, "most lives began");
}

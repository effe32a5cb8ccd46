//! The rules of the house that no compiler checks (ARCHITECTURE "Style" and "Layout").
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::collections::BTreeSet;
use std::path::Path;

use harness::source_tree::{files, functions, root, text};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;
const FUNCTION_LINES_P90: usize = 30;

fn rust_files() -> Vec<std::path::PathBuf> {
    files()
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "rs"))
        .collect()
}

fn assert_none(complaints: &[String], rule: &str) {
    assert!(complaints.is_empty(), "{rule}\n{}", complaints.join("\n"));
}

#[test]
fn no_file_is_over_400_lines() {
    let long: Vec<String> = rust_files()
        .iter()
        .map(|f| (text(f).lines().count(), f))
        .filter(|(lines, _)| *lines > FILE_LINES)
        .map(|(lines, f)| format!("{}: {lines} lines", f.display()))
        .collect();
    assert_none(&long, "split these files by owned state:");
}

#[test]
fn functions_are_short() {
    let mut lengths = Vec::new();
    let mut long = Vec::new();
    for file in rust_files() {
        for function in functions(&text(&file)) {
            lengths.push(function.length);
            if function.length > FUNCTION_LINES {
                let (name, line, n) = (&function.name, function.line, function.length);
                long.push(format!("{}:{line}: `{name}` has {n} lines", file.display()));
            }
        }
    }
    assert_none(&long, "split these functions:");
    lengths.sort_unstable();
    assert!(
        lengths.len() > 500,
        "the counter of functions is broken: {} found",
        lengths.len()
    );
    let p90 = lengths[lengths.len() * 9 / 10];
    assert!(
        p90 <= FUNCTION_LINES_P90,
        "9 of 10 functions have up to {p90} lines"
    );
    println!(
        "functions: {}, median {}, p90 {p90}",
        lengths.len(),
        lengths[lengths.len() / 2]
    );
}

#[test]
fn the_root_shows_the_eight_names_and_nothing_else() {
    let allowed = [
        "Cargo.toml",
        "protocol",
        "sender",
        "receiver",
        "sim",
        "benches",
        "tests",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "Cargo.lock",
    ];
    let shown: BTreeSet<String> = files()
        .iter()
        .filter_map(|f| f.components().next())
        .map(|c| c.as_os_str().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !allowed.contains(&name.as_str()))
        .collect();
    assert!(
        shown.is_empty(),
        "these do not belong at the root: {shown:?}"
    );
}

#[test]
fn the_map_in_the_readme_names_every_crate() {
    let readme = text(Path::new("README.md"));
    let manifest = text(Path::new("Cargo.toml"));
    let members: Vec<&str> = manifest
        .lines()
        .skip_while(|l| !l.starts_with("members"))
        .skip(1)
        .take_while(|l| !l.starts_with(']'))
        .map(|l| l.trim().trim_matches([',', '"']))
        .collect();
    assert!(members.len() >= 11, "{members:?}");
    let missing: Vec<_> = members
        .iter()
        .filter(|m| !readme.contains(&format!("`{m}/`")))
        .collect();
    assert!(missing.is_empty(), "the README's map lacks {missing:?}");
}

/// The layers, lowest first: a crate may use those of lower layers only.
const LAYERS: [&[&str]; 6] = [
    &["protocol"],
    &[
        "protocol/imaging",
        "protocol/store",
        "protocol/quic",
        "protocol/dimse",
    ],
    &["protocol/host"],
    &["sender", "receiver"],
    &["sim"],
    &["benches", "tests"],
];

#[test]
fn dependencies_point_one_way() {
    let mut breaches = Vec::new();
    for (layer, crates) in LAYERS.iter().enumerate() {
        let lower: Vec<String> = LAYERS[..layer]
            .iter()
            .copied()
            .flatten()
            .map(|c| package(c))
            .collect();
        for member in *crates {
            for used in own_dependencies(member) {
                if !lower.contains(&used) {
                    breaches.push(format!("{member} uses {used}"));
                }
            }
        }
    }
    assert_none(
        &breaches,
        "dependencies point from higher layers to lower ones only:",
    );
}

fn package(member: &str) -> String {
    format!("karez-{}", member.rsplit('/').next().unwrap_or(member))
}

/// Our own crates in the `[dependencies]` table, not those that only tests use.
fn own_dependencies(member: &str) -> Vec<String> {
    text(&Path::new(member).join("Cargo.toml"))
        .lines()
        .skip_while(|l| *l != "[dependencies]")
        .skip(1)
        .take_while(|l| !l.starts_with('['))
        .filter_map(|l| l.split(['.', ' ', '=']).next())
        .filter(|name| name.starts_with("karez-"))
        .map(str::to_owned)
        .collect()
}

/// (a word, where alone it may stand, why).
const DOORS: [(&str, &[&str], &str); 8] = [
    (
        "bincode::encode",
        &["protocol/src/wire/"],
        "wire alone calls bincode",
    ),
    (
        "bincode::decode",
        &["protocol/src/wire/"],
        "wire alone calls bincode",
    ),
    (
        "Stored::attest(",
        &[
            "protocol/store/src/",
            "protocol/src/resume/",
            "protocol/tests/",
        ],
        "only a sync attests (I1)",
    ),
    (
        "std::fs::",
        &["protocol/store/src/", "tests/", "benches/", "sim/"],
        "Disk is the only door to files",
    ),
    (
        "quinn::",
        &["protocol/quic/", "sim/"],
        "quic alone knows quinn",
    ),
    (
        "dicom_ul",
        &["protocol/dimse/"],
        "dimse alone knows dicom-ul",
    ),
    (
        "getrandom::",
        &["protocol/host/"],
        "host alone draws entropy",
    ),
    (
        "SystemTime::now",
        &["protocol/host/", "tests/", "benches/"],
        "host alone reads the wall clock",
    ),
];

#[test]
fn each_door_is_where_it_should_be() {
    let mut breaches = Vec::new();
    for file in rust_files() {
        let path = file.to_string_lossy();
        // Tests and examples stand outside the doors.
        let outside = ["/tests/", "/examples/", "tests.rs"];
        if path == "tests/tidy.rs" || outside.iter().any(|place| path.contains(place)) {
            continue;
        }
        let text = text(&file);
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (word, places, why) in DOORS {
                if code.contains(word) && !places.iter().any(|p| path.starts_with(p)) {
                    breaches.push(format!("{path}:{}: `{word}`: {why}", number + 1));
                }
            }
        }
    }
    assert_none(&breaches, "these go round a door:");
}

/// Where several branches are ready at once, `select!` draws one from a seed that no simulation sets
/// (I2): what runs in the simulator says the order itself.
#[test]
fn every_choice_between_what_is_ready_has_an_order() {
    let simulated = ["sender/src/", "receiver/src/", "protocol/quic/src/"];
    let real = ["/command/", "page.rs", "loopback.rs"];
    let mut open = Vec::new();
    for file in rust_files() {
        let path = file.to_string_lossy();
        let is_simulated = simulated.iter().any(|place| path.starts_with(place));
        if !is_simulated || real.iter().any(|place| path.contains(place)) {
            continue;
        }
        let text = text(&file);
        let lines: Vec<&str> = text.lines().collect();
        for (number, pair) in lines.windows(2).enumerate() {
            if pair[0].contains("select! {") && pair[1].trim() != "biased;" {
                open.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert_none(&open, "these choose by chance; begin them with `biased;`:");
}

#[test]
fn every_sync_stands_in_one_file() {
    let syncs = [".sync_all()", ".sync_data()", "fdatasync(", "fsync("];
    let places: BTreeSet<String> = rust_files()
        .iter()
        .filter(|f| {
            let path = f.to_string_lossy();
            !path.starts_with("tests/") && !path.starts_with("benches/")
        })
        .filter(|f| {
            text(f).lines().any(|l| {
                let code = l.split("//").next().unwrap_or_default();
                syncs.iter().any(|s| code.contains(s))
            })
        })
        .map(|f| f.to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        places.into_iter().collect::<Vec<_>>(),
        ["protocol/store/src/sync.rs"]
    );
}

#[test]
fn nothing_is_left_undone_in_code() {
    let mut left = Vec::new();
    for file in rust_files().iter().filter(|f| !f.ends_with("tidy.rs")) {
        for (number, line) in text(file).lines().enumerate() {
            let marks = [
                "TODO",
                "FIXME",
                "XXX",
                "todo!(",
                "unimplemented!(",
                "#[ignore",
            ];
            if marks.iter().any(|mark| line.contains(mark)) {
                left.push(format!(
                    "{}:{}: {}",
                    file.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    assert_none(&left, "finish these:");
}

#[test]
fn nothing_of_others_and_no_path_of_one_machine_is_tracked() {
    let mut bad = Vec::new();
    for file in files() {
        let path = file.to_string_lossy().into_owned();
        let size = root()
            .join(&file)
            .metadata()
            .map(|m| m.len())
            .unwrap_or_default();
        if size > 256 * 1024 || path.to_lowercase().ends_with(".dcm") {
            bad.push(format!("{path}: {size} bytes"));
        }
        let local = ["/work/", "/root/", "/tmp/bash_jobs"];
        if path != "tests/tidy.rs" && local.iter().any(|l| text(&file).contains(l)) {
            bad.push(format!("{path}: a path of one machine"));
        }
    }
    assert_none(&bad, "these do not belong into the project:");
}

#[test]
fn every_requirement_that_the_code_cites_stands_in_the_spec() {
    let spec = text(Path::new("protocol/docs/SPEC.md"));
    let mut unknown = Vec::new();
    for file in rust_files() {
        for line in text(&file).lines() {
            for cited in line.split("SPEC ").skip(1) {
                let number: String = cited
                    .chars()
                    .take_while(|c| c.is_ascii_digit() || *c == '.')
                    .collect();
                let number = number.trim_end_matches('.');
                let heading = format!("# {number} ");
                if !number.is_empty() && !spec.contains(&heading) {
                    unknown.push(format!("{}: SPEC {number}", file.display()));
                }
            }
        }
    }
    assert_none(&unknown, "these sections are not in protocol/docs/SPEC.md:");
}

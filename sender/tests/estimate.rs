//! The `estimate` command, as scripts call it.
#![allow(clippy::unwrap_used, clippy::panic)]
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const KEYS: [&str; 6] = [
    "bytes",
    "sealed_bytes",
    "ratio",
    "codec",
    "pack_mb_per_s",
    "unpack_mb_per_s",
];

fn estimate(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_karez-sender"));
    command.arg("estimate").args(arguments).arg(folder);
    command.output().unwrap()
}

/// A smooth picture of 16-bit samples, explicit VR little endian.
fn picture(seed: u16) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    let mut put = |tag: [u8; 4], vr: &[u8; 2], value: &[u8]| {
        file.extend(tag);
        file.extend(vr);
        file.extend((value.len() as u16).to_le_bytes());
        file.extend(value);
    };
    put([2, 0, 0x10, 0], b"UI", b"1.2.840.10008.1.2.1\0");
    put([0x28, 0, 2, 0], b"US", &1u16.to_le_bytes());
    put([0x28, 0, 0x10, 0], b"US", &64u16.to_le_bytes());
    put([0x28, 0, 0x11, 0], b"US", &64u16.to_le_bytes());
    put([0x28, 0, 0, 1], b"US", &16u16.to_le_bytes());
    file.extend([0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0]);
    file.extend((64u32 * 64 * 2).to_le_bytes());
    for i in 0..64 * 64u16 {
        file.extend((seed + i % 64 * 3 + i / 64 * 5 + i * 7 % 4).to_le_bytes());
    }
    file
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_last_line_of_json_is_the_sum_of_the_files_before_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", 100), ("b", 140)] {
        std::fs::write(folder.path().join(name), picture(seed)).unwrap();
    }
    std::fs::write(folder.path().join("c"), "not DICOM").unwrap();
    for level in ["fast", "mid", "best", "auto"] {
        let output = estimate(&["--json", "--level", level, "--rate", "8"], folder.path());
        assert!(output.status.success(), "{output:?}");
        let lines = lines(&output);
        let [files @ .., total] = lines.as_slice() else {
            panic!("nothing was printed");
        };
        assert_eq!(files.len(), 3);
        for key in KEYS {
            assert!(lines.iter().all(|line| line.get(key).is_some()), "{key}");
        }
        for key in ["bytes", "sealed_bytes"] {
            let sum: u64 = files.iter().map(|f| f[key].as_u64().unwrap()).sum();
            assert_eq!(total[key].as_u64(), Some(sum), "{key}");
        }
        let ratio = total["bytes"].as_f64().unwrap() / total["sealed_bytes"].as_f64().unwrap();
        assert!((ratio - total["ratio"].as_f64().unwrap()).abs() < 0.001);
        assert!(ratio > 2.0, "{ratio}");
        let seconds = total["sealed_bytes"].as_f64().unwrap() / 1000.0;
        assert!((seconds - total["seconds"].as_f64().unwrap()).abs() < 0.001);
        assert!(total.get("path").is_none() && files[0].get("path").is_some());
    }
}

#[test]
fn people_get_a_table_with_the_time_on_the_link() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), picture(100)).unwrap();
    let output = estimate(&["--rate", "1"], folder.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("on the link") && text.contains("unpack MB/s") && text.contains("all"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_measured_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), picture(100)).unwrap();
    let missing = folder.path().join("missing");
    let output = estimate(&["--json", missing.to_str().unwrap()], folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output).len(), 2);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("missing") && said.contains("could not be read"),
        "{said}"
    );
}

#[test]
fn nothing_to_measure_and_wrong_words_are_errors_that_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = estimate(&[], folder.path());
    assert_eq!(output.status.code(), Some(1));
    for wrong in [["--level", "max"], ["--rate", "0"]] {
        let output = estimate(&wrong, folder.path());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

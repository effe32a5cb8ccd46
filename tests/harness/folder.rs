//! Judging by what lies in a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Every file below `folder`.
#[must_use]
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// How often each content lies below `folder`, by BLAKE3. Files that vanish meanwhile do not
/// count: a hand-off renames them into place.
#[must_use]
pub fn contents(folder: &Path) -> BTreeMap<[u8; 32], usize> {
    let mut counts = BTreeMap::new();
    for file in files_below(folder)
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "dcm"))
    {
        if let Ok(bytes) = std::fs::read(file) {
            *counts.entry(*blake3::hash(&bytes).as_bytes()).or_insert(0) += 1;
        }
    }
    counts
}

/// Waits until every content of `expected` lies below `folder`; how many of them do.
pub fn wait_for(folder: &Path, expected: &[[u8; 32]], patience: Duration) -> usize {
    let until = Instant::now() + patience;
    loop {
        let names = files_below(folder).len();
        let there = if names >= expected.len().min(1) {
            contents(folder)
        } else {
            BTreeMap::new()
        };
        let count = expected.iter().filter(|e| there.contains_key(*e)).count();
        if count == expected.len() || Instant::now() > until {
            return count;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// The fingerprints of the distinct non-empty files among `files`.
#[must_use]
pub fn fingerprints(files: &[PathBuf]) -> Vec<[u8; 32]> {
    let hash = |file: &PathBuf| {
        let bytes = std::fs::read(file).unwrap();
        (!bytes.is_empty()).then(|| *blake3::hash(&bytes).as_bytes())
    };
    let mut all: Vec<[u8; 32]> = files.iter().filter_map(hash).collect();
    all.sort_unstable();
    all.dedup();
    all
}

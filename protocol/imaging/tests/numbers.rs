//! The codecs compute with + - * / in a fixed order: nothing that differs between machines.
#![allow(clippy::unwrap_used)]
use std::path::{Path, PathBuf};

const BANNED: [&str; 26] = [
    "mul_add",
    "powf",
    "powi",
    "sqrt",
    ".exp(",
    ".exp2(",
    ".ln(",
    ".log(",
    ".log2(",
    ".log10(",
    ".sin(",
    ".cos(",
    ".tan(",
    "tanh",
    ".cbrt(",
    "hypot",
    "libm",
    "fast_math",
    "fadd_fast",
    "HashMap",
    "HashSet",
    "target_feature",
    "par_iter",
    ".sum::<f32>",
    ".sum::<f64>",
    "rayon",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn breaches(text: &str) -> Vec<&'static str> {
    BANNED
        .into_iter()
        .filter(|word| text.contains(word))
        .collect()
}

#[test]
fn no_codec_uses_what_differs_between_machines() {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/codec"));
    assert!(files.len() > 10);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(breaches(&text), Vec::<&str>::new(), "{}", file.display());
    }
}

#[test]
fn the_search_finds_a_planted_breach() {
    assert_eq!(
        breaches("let y = a.mul_add(b, c).sqrt();"),
        ["mul_add", "sqrt"]
    );
}

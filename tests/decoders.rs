//! Nothing that comes from outside makes a decoder panic, hang, or break its word: the committed
//! corpora, and damaged copies of them.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::path::PathBuf;

use harness::decoders::{BODIES, Body};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

/// Damaged copies per body; `KAREZ_DECODERS` asks for another number.
const DAMAGED: u64 = 4000;
const CUT: usize = 1 << 14;

fn inputs(name: &str, seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(corpus)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    paths.sort();
    let committed = paths.iter().map(|path| std::fs::read(path).unwrap());
    seeds.into_iter().chain(committed).collect()
}

fn damage(input: &[u8], random: &mut ChaCha12Rng) -> Vec<u8> {
    let mut bytes = input.get(..CUT).unwrap_or(input).to_vec();
    let below = |random: &mut ChaCha12Rng, n: usize| random.next_u64() as usize % n.max(1);
    for _ in 0..=below(random, 4) {
        let (at, to) = (below(random, bytes.len()), below(random, bytes.len()));
        match random.next_u64() % 6 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), random.next_u64() as u8),
            2 => {
                let piece = bytes[at.min(to)..at.max(to)].to_vec();
                bytes.extend_from_slice(&piece[..piece.len().min(512)]);
            }
            3 if !bytes.is_empty() => bytes[at] = [0, 0x7f, 0x80, 0xff][below(random, 4)],
            _ if !bytes.is_empty() => bytes[at] ^= 1 << below(random, 8),
            _ => {}
        }
    }
    bytes
}

fn survive(name: &str, body: Body, input: &[u8]) {
    let caught = std::panic::catch_unwind(|| body(input));
    if caught.is_err() {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("finding-{name}"));
        std::fs::write(&path, input).unwrap();
        panic!("{name}: a finding, kept in {}", path.display());
    }
}

#[test]
fn no_decoder_panics_hangs_or_lies_about_the_corpora_and_their_damaged_copies() {
    let wanted = std::env::var("KAREZ_DECODERS").map_or(DAMAGED, |text| text.parse().unwrap());
    for (name, body, seeds) in BODIES {
        let inputs = inputs(name, seeds());
        assert!(!inputs.is_empty(), "{name} has nothing to start from");
        for input in &inputs {
            survive(name, body, input);
        }
        let mut random = ChaCha12Rng::seed_from_u64(wanted);
        let started = std::time::Instant::now();
        for n in 0..wanted {
            let input = &inputs[n as usize % inputs.len()];
            survive(name, body, &damage(input, &mut random));
        }
        let took = started.elapsed();
        println!(
            "{name}: {} inputs, {wanted} damaged, {took:.1?}",
            inputs.len()
        );
    }
}

#[test]
fn a_body_that_panics_is_a_finding() {
    fn bad(bytes: &[u8]) {
        assert!(bytes.len() < 3, "found");
    }
    assert!(std::panic::catch_unwind(|| survive("planted", bad, b"four")).is_err());
}

//! Whatever goes in comes out.
mod common;

use common::made::{self, PLAIN, Random, Shape, Syntax};
use common::{round_trip, studies};
use karez_imaging::{Level, plan};

#[test]
fn every_corpus_file_is_restored_at_mid() {
    let studies = studies();
    for study in &studies {
        round_trip(Level::Mid, study);
    }
    println!("{} files", studies.iter().map(Vec::len).sum::<usize>());
}

#[test]
fn every_corpus_file_is_restored_at_fast() {
    studies()
        .iter()
        .for_each(|study| round_trip(Level::Fast, study));
}

#[test]
fn small_corpus_files_are_restored_at_best() {
    for study in studies() {
        let small: Vec<Vec<u8>> = study
            .into_iter()
            .filter(|f| f.len() < 300_000)
            .take(40)
            .collect();
        round_trip(Level::Best, &small);
    }
}

/// `few` on every commit, `many` with `KAREZ_LONG=1` (tests/long.sh).
fn count(few: usize, many: usize) -> usize {
    if std::env::var_os("KAREZ_LONG").is_some() {
        many
    } else {
        few
    }
}

/// Real files of all folders below a size.
fn files_below(bytes: usize) -> Vec<Vec<u8>> {
    let files = studies().into_iter().flatten();
    files.filter(|f| f.len() < bytes).collect()
}

#[test]
fn ten_files_truncated_anywhere_are_restored() {
    let (mut random, lengths) = (Random(5), count(30, 1000));
    let pool = files_below(40_000);
    let step = (pool.len() / 10).max(1);
    for file in pool.iter().step_by(step).take(10) {
        for level in [Level::Fast, Level::Mid] {
            let cut = |_| file[..random.below(file.len() + 1)].to_vec();
            round_trip(level, &(0..lengths / 2).map(cut).collect::<Vec<_>>());
        }
    }
}

#[test]
fn mutated_files_are_restored() {
    let mut random = Random(6);
    let pool = files_below(12_000);
    for round in 0..count(20, 400) {
        let mut mutate = |_| {
            let mut file = pool[random.below(pool.len())].clone();
            for _ in 0..random.below(8) {
                // Heads decide what becomes of the rest: every second one hits there.
                let reach = if random.below(2) == 0 {
                    1000
                } else {
                    file.len()
                };
                let at = random.below(file.len().max(1)).min(reach);
                if let Some(byte) = file.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
            file
        };
        let level = [Level::Fast, Level::Mid, Level::Best][round % 3];
        round_trip(level, &(0..25).map(&mut mutate).collect::<Vec<_>>());
    }
}

#[test]
fn the_head_and_the_pixels_are_found_in_every_syntax() {
    for syntax in [Syntax::Implicit, Syntax::Explicit, Syntax::Big] {
        let shape = Shape { syntax, ..PLAIN };
        let file = made::file(&shape);
        let plan = plan(&file).unwrap();
        assert!(plan.info.whole);
        assert_eq!(plan.info.rows, Some(40));
        assert_eq!(plan.info.study_uid.as_deref(), Some("1.2.3.4"));
        assert_eq!(plan.parts.len(), 1);
        let part = &plan.parts[0];
        let pixels = &file[part.start as usize..(part.start + part.len) as usize];
        assert!(pixels == made::pixel_bytes(&shape));
    }
}

#[test]
fn debug_output_of_the_info_holds_no_patient_data() {
    let plan = plan(&made::file(&PLAIN)).unwrap();
    assert_eq!(plan.info.patient_name.as_deref(), Some("Made^Nobody"));
    assert!(!format!("{:?}", plan.info).contains("Made"));
    assert!(!format!("{:?}", plan.info).contains("1.2.3.4"));
}

#[test]
fn a_truncated_file_is_not_whole() {
    let file = made::file(&PLAIN);
    for len in [0, 100, 140, 300, 1000, file.len() - 1] {
        assert!(!plan(&&file[..len]).unwrap().info.whole, "{len}");
    }
}

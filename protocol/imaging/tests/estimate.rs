//! What `estimate` says of a folder.
#![allow(clippy::unwrap_used)]
mod common;

use std::time::Duration;

use common::made::{PLAIN, Shape, encapsulated, file};
use karez_imaging::{Estimator, Level};

/// The unpacker keeps eight states; an image may build on one from longer ago.
#[test]
fn an_image_that_builds_on_one_of_long_ago_is_found_exact() {
    let clock = || Duration::ZERO;
    let mut estimator = Estimator::new(Level::Fast, &clock);
    let flat = |seed| {
        let mut file = file(&Shape { seed, ..PLAIN });
        let pixels = file.len() - 4000..file.len();
        let pattern = (0..).map(|i: u32| (i % 251 * i / 251 % 7) as u8);
        file[pixels]
            .iter_mut()
            .zip(pattern)
            .for_each(|(b, p)| *b = p);
        file
    };
    assert!(estimator.add(&flat(1).as_slice()).unwrap().exact);
    for seed in 0..200 {
        let shape = Shape { seed, ..PLAIN };
        let between = encapsulated(&shape, &[vec![seed as u8; 40]]);
        assert!(estimator.add(&between.as_slice()).unwrap().exact, "{seed}");
    }
    let again = estimator.add(&flat(2).as_slice()).unwrap();
    assert!(again.exact);
    assert_eq!(
        again.codec(),
        karez_imaging::CodecId::ZSTD,
        "it keeps a state"
    );
}

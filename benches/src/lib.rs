//! Benches: `cargo bench -p karez-benches --bench NAME`, one file per figure that the README
//! quotes. They print tables and judge nothing.

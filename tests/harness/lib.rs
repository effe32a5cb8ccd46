//! What the end-to-end tests share: real processes, a bad link between them, files to send, and
//! the judges of what came out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking, and says what it measured"
)]

pub mod corpus;
pub mod decoders;
pub mod dicom;
pub mod folder;
pub mod live;
pub mod made;
pub mod orthanc;
pub mod pair;
pub mod peers;
pub mod process;
pub mod relay;
pub mod source_tree;

/// Whether the long variants of the tests are wanted (`tests/long.sh`).
#[must_use]
pub fn long() -> bool {
    std::env::var_os("KAREZ_LONG").is_some()
}

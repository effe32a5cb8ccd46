//! Every sync of the whole project.
//!
//! `clippy.toml` bans the calls everywhere else in this crate, and no other crate opens files.
#![allow(clippy::disallowed_methods, reason = "this is the one file")]

use std::fs::File;
use std::io;
use std::path::Path;

/// Content and length of a file.
pub(crate) fn file(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// The names in a directory.
pub(crate) fn directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

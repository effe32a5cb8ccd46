//! `backup` and `restore`.

use std::path::PathBuf;

use clap::Args;
use karez_host::cli::Common;
use karez_host::{Env, Failure, backup, datadir, status};
use karez_store::RealDisk;

use super::{Context, PROGRAM};

/// Copies the data directory.
#[derive(Args, Debug)]
pub(super) struct Backup {
    /// The folder; only the daemon's user may read what is put there
    directory: PathBuf,
}

/// Makes a data directory of a backup.
#[derive(Args, Debug)]
pub(super) struct Restore {
    /// The folder that `backup` made
    directory: PathBuf,
}

impl Backup {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let disk = context.env.disk();
        let done = backup::backup(&*disk, PROGRAM, &context.dir, &self.directory)?;
        say(done)
    }
}

impl Restore {
    /// Before anything is made in the data directory.
    pub(super) fn run(&self, common: &Common) -> Result<(), Failure> {
        let dir = datadir::resolve(PROGRAM, common.data.as_deref())?;
        say(backup::restore(&RealDisk, PROGRAM, &self.directory, &dir)?)
    }
}

fn say(done: backup::Done) -> Result<(), Failure> {
    let bytes = status::bytes(done.bytes);
    status::print(&format!("{} files, {bytes}\n", done.files))
}

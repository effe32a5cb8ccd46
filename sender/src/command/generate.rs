//! `completions` and `man`.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use karez_host::{Failure, cli, status};
use karez_store::RealDisk;

use super::PROGRAM;

/// Prints the completions of a shell.
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Writes man pages and completions to a directory.
#[derive(Args, Debug)]
pub(super) struct Man {
    /// Where to
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Completions {
    pub(super) fn run(&self, mut command: Command) -> Result<(), Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, PROGRAM, &mut text);
        let written = stdout().lock().write_all(&text);
        written.map_err(|e| Failure::new(format!("the output cannot be written: {e}")))
    }
}

impl Man {
    pub(super) fn run(&self, command: Command) -> Result<(), Failure> {
        let files = cli::generate(&RealDisk, command, &self.directory)?;
        status::print(&format!("{}\n", files.join("\n")))
    }
}

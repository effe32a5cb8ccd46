//! `karez-sim compare`: runs side by side.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::report::{compare, put};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What `run --json` or `bench --json` printed, one file a run.
    #[arg(required = true, num_args = 2.., value_name = "FILE.json")]
    files: Vec<PathBuf>,
    /// Write the table as a page too.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let compared = compare(&arguments.files).map_err(|e| Failure::usage(&e))?;
    if let Some(path) = &arguments.report {
        put(path, compared.html().as_bytes()).map_err(|e| Failure::usage(&e))?;
    }
    write!(io::stdout(), "{}", compared.text())?;
    Ok(())
}

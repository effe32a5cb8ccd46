//! `demo`: the main job, end to end, on this machine.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::demo::{Options, run as play, table};

/// What `demo` is asked.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Send these real files instead of made ones: each folder in DIR is a study, the smallest STAT
    #[arg(long, value_name = "DIR")]
    studies: Option<PathBuf>,
    /// Run so many times faster: 4 stands for 4 Mbit/s, 75 ms, and outages of a quarter
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// Seed of the link and of the made studies
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Spoil one byte of what arrived, to see that the comparison notices.
    #[arg(long, hide = true)]
    spoil: bool,
}

const EXAMPLES: &str = "Examples:
  karez-sim demo
  karez-sim demo --speed 4
  karez-sim demo --studies /media/cd/DICOM
Ends with a table. Exits 0 when the archive has every byte as it was handed in, else 1.";

const INTRO: &str = "A clinic, a hub and an archive (C-STORE, C-FIND), the shipped daemons in one process, \
over a\nsimulated rural link: 1 Mbit/s, 300 ms, 2 % loss, gone for 6 of every 26 s. A CT goes first; \
a STAT\nchest X-ray comes while it is on its way and overtakes it.\n";

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !(arguments.speed.is_finite() && arguments.speed > 0.0) {
        return Err(Failure::usage(&"--speed must be a number above 0"));
    }
    let options = Options {
        studies: arguments.studies.clone(),
        speed: arguments.speed,
        spoil: arguments.spoil,
        seed: arguments.seed,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    writeln!(io::stdout(), "{INTRO}")?;
    let mut say = |line: &str| {
        // Whoever closes the output still gets the verdict as exit code.
        let _ = writeln!(io::stdout(), "{line}");
    };
    let report = runtime
        .block_on(play(&options, &mut say))
        .map_err(|e| Failure::work(&e))?;
    writeln!(io::stdout(), "\n{}", table(&report))?;
    if report.is_good() {
        Ok(())
    } else {
        Err(Failure::work(
            &"not everything arrived as it was handed in: see the table",
        ))
    }
}

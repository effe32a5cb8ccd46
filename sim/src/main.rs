//! The program `karez-sim`; its commands live in the library.

use std::process::ExitCode;

use clap::Parser;
use karez_sim::command::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::parse())
}

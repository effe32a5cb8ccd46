//! The clinic's daemon and its commands.

mod command;

use std::process::ExitCode;

use karez_host::exit;

fn main() -> ExitCode {
    exit::finish(command::PROGRAM, command::run())
}

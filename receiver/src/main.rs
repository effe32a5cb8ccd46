//! `karez-receiver`: the hub's program.

use std::process::ExitCode;

use clap::Parser;
use karez_host::exit::finish;
use karez_receiver::command::{self, Program};

fn main() -> ExitCode {
    finish("karez-receiver", command::main(Program::parse()))
}

//! `completions` and `man`.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use karez_host::{Failure, cli, status as show};

use super::args::Program;
use super::ask;

pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Program::command(), ask::PROGRAM, &mut text);
    show::print(&String::from_utf8_lossy(&text))
}

pub(super) fn man(directory: &Path) -> Result<(), Failure> {
    let disk = ask::world()?.disk();
    let files = cli::generate(&*disk, Program::command(), directory)?;
    show::print(&format!("{} files written\n", files.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Program::command().debug_assert();
    }
}

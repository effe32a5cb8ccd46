//! Commands: what a person can ask of a hub, one module per command of the program.

mod args;
mod ask;
mod audit;
mod completions;
mod handoff;
mod init;
mod invite;
mod owed;
mod parked;
mod recover;
mod report;
mod run;
mod status;
mod target;
mod verify;
mod words;

use karez_host::{Failure, backup, status as show};

pub use args::Program;
pub use words::{Command, Decision};

/// Runs what the command line says.
///
/// # Errors
/// Cause, place and fix.
pub fn main(program: Program) -> Result<(), Failure> {
    use args::Verb;
    let common = program.common;
    match program.verb {
        Verb::Init(args) => init::init(&common, args),
        Verb::ConfirmBackup => ask::print_plain(&common, Command::ConfirmBackup),
        Verb::Recover(args) => recover::recover(&common, args),
        Verb::Target(verb) => target::target(&common, verb),
        Verb::Invite(args) => invite::invite(&common, args),
        Verb::Run => run::run(&common),
        Verb::Status(args) => status::status(&common, &args),
        Verb::Reload => status::reload(&common),
        Verb::User(verb) => verb.run(&*ask::world()?, &ask::directory(&common)?),
        Verb::Check => status::check_all(&common),
        Verb::Clinics(args) => status::clinics(&common, &args),
        Verb::RotateKey => rotate_key(&common),
        Verb::Revoke { name } => ask::print_plain(&common, Command::Revoke { name }),
        Verb::Quota { name, size } => {
            let bytes = size.0;
            ask::print_plain(&common, Command::Quota { name, bytes })
        }
        Verb::Verify(args) => verify::verify(&common, &args),
        Verb::Audit(verb) => audit::audit(&common, verb),
        Verb::Handoff(verb) => handoff::handoff(&common, verb),
        Verb::Parked(verb) => parked::parked(&common, verb),
        Verb::Report(args) => report::report(&common, &args),
        Verb::Backup { directory } => {
            let (disk, dir) = (ask::world()?.disk(), ask::directory(&common)?);
            say(backup::backup(&*disk, ask::PROGRAM, &dir, &directory)?)
        }
        Verb::Restore { directory } => {
            let (disk, dir) = (ask::world()?.disk(), ask::directory(&common)?);
            say(backup::restore(&*disk, ask::PROGRAM, &directory, &dir)?)
        }
        Verb::Owed => owed::owed(&common),
        Verb::Completions { shell } => completions::completions(shell),
        Verb::Man { directory } => completions::man(&directory),
    }
}

fn say(done: backup::Done) -> Result<(), Failure> {
    let bytes = show::bytes(done.bytes);
    show::print(&format!("{} files, {bytes}\n", done.files))
}

fn rotate_key(common: &karez_host::cli::Common) -> Result<(), Failure> {
    let answer = ask::ask(common, Command::RotateKey {})?;
    karez_host::status::print(&format!(
        "Clinics seal to key {} from now on; the recovery sheet brings it back with the others\n",
        answer["key"]
    ))
}

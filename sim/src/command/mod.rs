//! The commands of `karez-sim`, one module each.

mod bench;
mod compare;
mod demo;
mod link;
mod profiles;
mod run;
mod swarm;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Simulates thin, lossy, interrupted links, and the clinics and hubs that live on them.
#[derive(Debug, Parser)]
#[command(name = "karez-sim", version, about, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  karez-sim demo
  karez-sim profiles
  karez-sim run --profile rural-edge --days 30 --workload T2 --thin 4 --seed 7 --report month.html
  karez-sim run --scenario province-shutdown-30d --workload T1 --thin 2 --set pacs.full=[[86400,172800]]
  karez-sim run --profile rural-3g --studies /media/usb/CT
  karez-sim compare cubic.json karez.json
  karez-sim bench --link rate_kbit=512,rtt_ms=650,loss=0.10 --seeds 1-5
  karez-sim swarm --seeds 1..20
  sudo karez-sim link --profile rural-edge -- ping -c 20 10.77.0.2
  sudo karez-sim link --link rate_kbit=512,rtt_ms=650,loss=0.02 -- iperf3 -c 10.77.0.2 ::: iperf3 -s";

#[derive(Debug, Subcommand)]
enum Command {
    /// The main job in one command: a clinic, a bad link, a hub; ends by comparing every byte.
    Demo(demo::Arguments),
    /// What the link engine gets out of a link, in virtual time; and the table of its figures.
    Bench(bench::Arguments),
    /// List the built-in profiles, scenarios and workloads, with what each rests on.
    Profiles(profiles::Arguments),
    /// Clinics and a hub on simulated links, in virtual time: a month in a minute.
    Run(run::Arguments),
    /// Draw whole worlds from seeds, let everything go wrong, heal, and demand that all arrives.
    Swarm(swarm::Swarm),
    /// Play one seed or one plan again, with every event on standard error.
    Replay(swarm::Replay),
    /// Run two commands over a link in real time (Linux, root).
    Link(link::Arguments),
    /// Lay the figures of several runs side by side.
    Compare(compare::Arguments),
}

/// Why a command ended badly: 1 the work failed, 2 wrong usage.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn usage(problem: &impl ToString) -> Self {
        Self {
            code: 2,
            message: problem.to_string(),
        }
    }

    fn work(problem: &impl ToString) -> Self {
        Self {
            code: 1,
            message: problem.to_string(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::work(&format!("standard output failed: {error}"))
    }
}

/// Runs the command of a parsed command line.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    let outcome = match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Profiles(arguments) => profiles::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Swarm(arguments) => swarm::run(&arguments),
        Command::Replay(arguments) => swarm::replay(&arguments),
        Command::Link(arguments) => link::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where standard error is closed, the code still says it.
            let _ = writeln!(io::stderr(), "karez-sim: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

//! `karez-sim swarm` and `karez-sim replay`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::swarm::{Plan, Verdict, play, shrink, swarm};

/// How long a failing plan is cut.
const SHRINKING: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(super) struct Swarm {
    /// From, to, both included, such as 1..200.
    #[arg(long, value_name = "A..B", default_value = "1..20")]
    seeds: String,
    /// Play this plan instead.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    plan: Option<PathBuf>,
    /// Write a failing plan, cut small, into this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Stop at the first seed that fails.
    #[arg(long)]
    first: bool,
    /// Switch a bug on that must be caught; tests/mutants.sh has their names.
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "BUG")]
    mutant: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The seed, or the file of a plan.
    what: String,
}

pub(super) fn run(arguments: &Swarm) -> Result<(), Failure> {
    #[cfg(feature = "mutants")]
    if let Some(name) = &arguments.mutant {
        switch_on(name)?;
    }
    if let Some(path) = &arguments.plan {
        return judge(&path.display().to_string(), &play(&read(path)?, false));
    }
    let (first, last) = range(&arguments.seeds)?;
    let mut failed: Vec<(u64, Verdict)> = Vec::new();
    let (mut worlds, mut instances) = (0_u64, 0);
    swarm(first..last.saturating_add(1), |seed, verdict| {
        worlds += 1;
        instances += verdict.instances;
        if !verdict.holds() {
            // Whoever closed the output still gets the exit code.
            let _ = writeln!(
                io::stdout(),
                "seed {seed} FAILS: {}\n  again, with every event: karez-sim replay {seed}",
                verdict.broken.join("; ")
            );
            failed.push((seed, verdict.clone()));
        }
        failed.is_empty() || !arguments.first
    });
    failed.sort_by_key(|(seed, _)| *seed);
    if let (Some(folder), Some((seed, _))) = (&arguments.keep, failed.first()) {
        keep(folder, *seed)?;
    }
    writeln!(
        io::stdout(),
        "{worlds} worlds, {instances} instances, {} failed",
        failed.len()
    )?;
    match failed.first() {
        None => Ok(()),
        Some((seed, _)) => Err(Failure::work(&format!(
            "{} of {worlds} worlds failed, the first by seed {seed}",
            failed.len()
        ))),
    }
}

pub(super) fn replay(arguments: &Replay) -> Result<(), Failure> {
    let plan = match arguments.what.parse() {
        Ok(seed) => Plan::draw(seed),
        Err(_) => read(Path::new(&arguments.what))?,
    };
    judge(&arguments.what, &play(&plan, true))
}

#[cfg(feature = "mutants")]
fn switch_on(name: &str) -> Result<(), Failure> {
    use karez_store::mutant;
    match mutant::named(name) {
        Some(mutant) => drop(mutant::switch_on(mutant)),
        None => return Err(Failure::usage(&format!("there is no bug `{name}`"))),
    }
    Ok(())
}

fn judge(what: &str, verdict: &Verdict) -> Result<(), Failure> {
    writeln!(
        io::stdout(),
        "{what}: {} instances, trace {}",
        verdict.instances,
        verdict.trace_hash
    )?;
    if verdict.holds() {
        return Ok(());
    }
    Err(Failure::work(&verdict.broken.join("; ")))
}

fn range(text: &str) -> Result<(u64, u64), Failure> {
    let parsed = text.split_once("..").and_then(|(first, last)| {
        let last = last.trim_start_matches('=');
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    });
    parsed
        .filter(|(first, last)| first <= last)
        .ok_or_else(|| Failure::usage(&format!("`{text}` are no seeds: write 1..200")))
}

fn read(path: &Path) -> Result<Plan, Failure> {
    let fault = |e: &dyn std::fmt::Display| Failure::usage(&format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| fault(&e))?;
    serde_json::from_str(&text).map_err(|e| fault(&e))
}

fn keep(folder: &Path, seed: u64) -> Result<(), Failure> {
    let small = shrink(&Plan::draw(seed), SHRINKING);
    let path = folder.join(format!("seed-{seed}.json"));
    let text = serde_json::to_string_pretty(&small).map_err(|e| Failure::work(&e))?;
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
    written.map_err(|e| Failure::work(&format!("{}: {e}", path.display())))?;
    writeln!(
        io::stdout(),
        "seed {seed}, cut to {} events: {}",
        small.events.len(),
        path.display()
    )?;
    Ok(())
}

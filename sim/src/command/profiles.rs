//! `karez-sim profiles`: what is built in, one line each.

use std::io::{self, Write};

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::profile::{Profile, ProfileError, Scenario};
use crate::workload::Workload;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One JSON array instead of lines.
    #[arg(long)]
    json: bool,
}

struct Line {
    kind: &'static str,
    name: &'static str,
    about: String,
    rests_on: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let lines = lines().map_err(|e| Failure::work(&e))?;
    let mut out = io::stdout().lock();
    if arguments.json {
        let list: Vec<_> = lines.iter().map(|line| json!({"kind": line.kind, "name": line.name, "about": line.about, "rests_on": line.rests_on})).collect();
        writeln!(out, "{}", json!(list))?;
        return Ok(());
    }
    for line in &lines {
        let rests_on = if line.rests_on.is_empty() {
            String::new()
        } else {
            format!(" [{}]", line.rests_on.join(" "))
        };
        writeln!(
            out,
            "{:8} {:26} {}{rests_on}",
            line.kind, line.name, line.about
        )?;
    }
    writeln!(
        out,
        "Facts in brackets are explained in sim/FACTS.md; A marks an assumption."
    )?;
    Ok(())
}

fn lines() -> Result<Vec<Line>, ProfileError> {
    let mut out = Vec::new();
    for name in Profile::names() {
        let profile = Profile::load(name)?;
        out.push(Line {
            kind: "profile",
            name,
            about: profile.about,
            rests_on: profile.rests_on,
        });
    }
    for name in Scenario::names() {
        let scenario = Scenario::load(name)?;
        out.push(Line {
            kind: "scenario",
            name,
            about: scenario.about,
            rests_on: scenario.rests_on,
        });
    }
    for name in Workload::names() {
        out.push(Line {
            kind: "workload",
            name,
            about: Workload::load(name)?.about,
            rests_on: Vec::new(),
        });
    }
    Ok(out)
}

//! `karez-sim bench`: what the link engine gets out of a link, in virtual time.

use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use crate::bench::crowd::Crowd;
use crate::bench::plan::Plan;
use crate::bench::table::{ROWS, Row};
use crate::bench::{Bench, Report, mean};
use crate::profile::Profile;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// One JSON object as the last line of standard output: the mean, and each seed's run.
    #[arg(long)]
    json: bool,
    /// Run the table of the link engine's figures; exit status 1 when one misses its target.
    #[arg(long)]
    table: bool,
    /// So many clinics at once, each on a link of its own, into one hub.
    #[arg(long, value_name = "N", conflicts_with_all = ["table", "bytes", "beside"])]
    clinics: Option<u16>,
    /// Of the table only rows whose description or options contain this.
    #[arg(long, value_name = "TEXT", requires = "table")]
    rows: Option<String>,
}

const EXAMPLES: &str = "Examples:
  karez-sim bench --link rate_kbit=512,rtt_ms=650,loss=0.10,queue_ms=2000 --seeds 1-5
  karez-sim bench --link rate_kbit=512,rtt_ms=300,loss=0.01,up_s=25,down_s=20,signal=0 --bytes 4000000 --json
  karez-sim bench --link rate_kbit=512,rtt_ms=650,loss=0.10 --congestion cubic
  karez-sim bench --profile rural-edge --steady
  karez-sim bench --link rate_kbit=64,rtt_ms=700,loss=0.02 --clinics 1000 --for 120s
  karez-sim bench --table --rows '25 / down 20'

A window of ten minutes after the first is looked at unless --bytes is given. All runs are in virtual time;
one seed gives the same packets every time (except under bbr).";

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.table {
        return table(arguments.rows.as_deref().unwrap_or_default());
    }
    let bench = arguments.plan.bench().map_err(|e| Failure::usage(&e))?;
    if let Some(clinics) = arguments.clinics {
        return crowd(arguments, bench.profile, clinics);
    }
    let mut runs = Vec::new();
    for seed in arguments.plan.seeds.all() {
        let one = Bench {
            seed,
            ..bench.clone()
        };
        let report = one.run().map_err(|e| Failure::work(&e))?;
        if !arguments.json {
            writeln!(io::stdout(), "{}", line(&format!("seed {seed}"), &report))?;
        }
        runs.push(report);
    }
    let all = mean(&runs);
    if arguments.json {
        let object = object(&all, &runs).map_err(|e| Failure::work(&e))?;
        writeln!(io::stdout(), "{object}")?;
    } else if runs.len() > 1 {
        writeln!(io::stdout(), "{}", line("mean", &all))?;
    }
    Ok(())
}

fn crowd(arguments: &Arguments, profile: Profile, clinics: u16) -> Result<(), Failure> {
    let crowd = Crowd {
        profile,
        clinics,
        length: arguments.plan.length.0,
        warm: arguments.plan.warm.0,
        seed: arguments.plan.seeds.from,
    };
    let report = crowd.run().map_err(|e| Failure::work(&e))?;
    if arguments.json {
        let object = serde_json::to_string(&report).map_err(|e| Failure::work(&e))?;
        writeln!(io::stdout(), "{object}")?;
        return Ok(());
    }
    let r = report;
    writeln!(
        io::stdout(),
        "{} clinics, {:.0} s: share {:.3}, lowest {:.3}; {:.1} s of CPU, {:.0} MiB at most",
        r.clinics,
        r.simulated_s,
        r.share_mean,
        r.share_min,
        r.cpu_s,
        r.memory_max_bytes as f64 / 1_048_576.0
    )?;
    Ok(())
}

fn object(all: &Report, runs: &[Report]) -> serde_json::Result<Value> {
    let mut object = serde_json::to_value(all)?;
    if let Value::Object(map) = &mut object {
        map.insert("runs".into(), json!(runs));
    }
    Ok(object)
}

fn line(name: &str, r: &Report) -> String {
    let mut line = format!(
        "{name}: {:.0} s, {} of {} bytes ({:.3}), queue p95 {:.3} s, up/payload {:.3}, down/up {:.4}, \
         resent {} bytes, {} reconnects",
        r.simulated_s,
        r.payload_bytes,
        r.capacity_bytes,
        r.goodput_share,
        r.queue_s.p95,
        r.up_per_payload(),
        r.down_per_up(),
        r.resent_bytes,
        r.disconnects
    );
    if r.resume_idle_s.n > 0 {
        line += &format!(
            ", idle after link-up p50 {:.3} p95 {:.3} s",
            r.resume_idle_s.p50, r.resume_idle_s.p95
        );
    }
    if r.stat_s.n > 0 {
        line += &format!(", STAT p95 {:.3} s", r.stat_s.p95);
    }
    if r.outages.n > 0 {
        line += &format!(", {:.0} bytes lost per outage", r.outages.wasted_bytes);
    }
    if r.rival_share > 0.0 {
        line += &format!(", the other flow {:.3}", r.rival_share);
    }
    line
}

fn table(filter: &str) -> Result<(), Failure> {
    let chosen = |row: &&Row| row.what.contains(filter) || row.options.contains(filter);
    let mut missed = 0;
    let mut out = io::stdout();
    writeln!(
        out,
        "| link | figures (target) | options of `karez-sim bench` |"
    )?;
    writeln!(out, "|---|---|---|")?;
    for row in ROWS.iter().filter(chosen) {
        let verdicts = row.run().map_err(|e| Failure::work(&e))?;
        missed += verdicts.iter().filter(|v| !v.holds()).count();
        let figures: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
        let (what, options) = (row.what, row.options);
        writeln!(out, "| {what} | {} | `{options}` |", figures.join("; "))?;
        out.flush()?;
    }
    match missed {
        0 => Ok(()),
        _ => Err(Failure::work(&format!(
            "{missed} figures miss their target"
        ))),
    }
}

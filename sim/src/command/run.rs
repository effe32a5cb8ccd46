//! `karez-sim run`: a world in virtual time.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::profile::{Profile, Scenario};
use crate::report;
use crate::run::{End, Outcome, PATIENCE, Run, Waits, find_studies};
use crate::time::{DAY, HOUR};
use crate::workload::{Class, Study, Workload};

/// Bytes of one instance of a bulk load.
const BULK_INSTANCE: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A built-in profile or the path of one: a site alone.
    #[arg(long, default_value = "rural-edge", conflicts_with = "scenario")]
    profile: String,
    /// A built-in scenario or the path of one.
    #[arg(long)]
    scenario: Option<String>,
    /// How many days; a scenario has its own length.
    #[arg(long)]
    days: Option<f64>,
    /// Hand in so many bytes at the start instead, and run until they are at the archive.
    #[arg(long, conflicts_with = "until_done")]
    bytes: Option<u64>,
    /// Go on after the last patient until everything is at the archive.
    #[arg(long)]
    until_done: bool,
    /// The seed of all that is random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A workload tier, a file of one, or `none`; by default T1, or the scenario's own.
    #[arg(long)]
    workload: Option<String>,
    /// Keep only every K-th patient.
    #[arg(long, default_value_t = 1, value_name = "K")]
    thin: u64,
    /// Real DICOM files, each folder a study, shared out among the sites: all there from the start,
    /// or, with --workload, at its times instead of what it would make, until all are sent.
    #[arg(long, value_name = "DIR", conflicts_with = "bytes")]
    studies: Option<PathBuf>,
    /// Change one key of the profile, or say when the archive misbehaves: pacs.down, pacs.slow,
    /// pacs.full, pacs.refuses, pacs.lies or pacs.cuts, such as pacs.full=[["d1", "d2 12:00"]]; may
    /// be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The figures as one JSON object on the last line of standard output.
    #[arg(long)]
    json: bool,
    /// Write a report as one HTML page, with its pictures beside it as PNG.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Write what happened, for a picture, as JSON.
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let outcome = plan(arguments)?.run().map_err(|e| Failure::work(&e))?;
    if let Some(path) = &arguments.timeline {
        let text = serde_json::to_string(&outcome.timeline).map_err(|e| Failure::work(&e))?;
        let written = std::fs::write(path, text);
        written.map_err(|e| Failure::work(&format!("{}: {e}", path.display())))?;
    }
    if let Some(path) = &arguments.report {
        let written = report::write(path, &outcome).map_err(|e| Failure::work(&e))?;
        let _ = writeln!(
            io::stderr(),
            "report: {}, {}",
            written[0].display(),
            written[1].display()
        );
    }
    if arguments.json {
        let line = serde_json::to_string(&outcome).map_err(|e| Failure::work(&e))?;
        writeln!(io::stdout(), "{line}")?;
    } else {
        write!(io::stdout(), "{}", words(&outcome))?;
    }
    let i = outcome.instances;
    if i.lost + i.doubled + i.altered == 0 {
        return Ok(());
    }
    Err(Failure::work(&format!(
        "{} instances lost, {} doubled, {} altered",
        i.lost, i.doubled, i.altered
    )))
}

/// What the command line asks for.
fn plan(arguments: &Arguments) -> Result<Run, Failure> {
    let days = arguments.days.filter(|days| *days > 0.0 && *days <= 3650.0);
    if days.is_none() && arguments.days.is_some() {
        return Err(Failure::usage(&"--days must be above 0 and at most 3650"));
    }
    let length = days.map(|days| DAY.mul_f64(days));
    let (of_pacs, of_profile): (Vec<String>, Vec<String>) = arguments
        .set
        .iter()
        .cloned()
        .partition(|s| s.trim_start().starts_with("pacs."));
    if let (Some(_), Some(setting)) = (&arguments.scenario, of_profile.first()) {
        return Err(Failure::usage(&format!(
            "--set {setting}: a scenario has a profile for each site; only pacs.* can be set"
        )));
    }
    let workload = match arguments.workload.as_deref() {
        None | Some("none") => None,
        Some(name) => Some(Workload::load(name).map_err(|e| Failure::usage(&e))?),
    };
    let mut run = match &arguments.scenario {
        Some(name) => {
            let scenario = Scenario::load(name).map_err(|e| Failure::usage(&e))?;
            let end = end(arguments, length.unwrap_or(scenario.length));
            Run::of_scenario(&scenario, workload.as_ref(), end, arguments.seed)
                .map_err(|e| Failure::usage(&e))?
        }
        None => {
            let profile = Profile::load_with(&arguments.profile, &of_profile);
            let profile = profile.map_err(|e| Failure::usage(&e))?;
            let first = || Workload::load("T1").map_err(|e| Failure::usage(&e));
            let unsaid = arguments.workload.is_none() && arguments.studies.is_none();
            let workload = match (workload, unsaid) {
                (None, true) => Some(first()?),
                (workload, _) => workload,
            };
            let end = end(arguments, length.unwrap_or(DAY));
            Run::of_profile(profile, workload, end, arguments.seed)
        }
    };
    run.thin = arguments.thin;
    for setting in of_pacs {
        run.pacs.set(&setting).map_err(|e| Failure::usage(&e))?;
    }
    fill(&mut run, arguments)?;
    Ok(run)
}

/// What the sites send.
fn fill(run: &mut Run, arguments: &Arguments) -> Result<(), Failure> {
    let only_files = arguments.studies.is_some() && arguments.workload.is_none();
    let none = arguments.workload.as_deref() == Some("none");
    for site in &mut run.sites {
        if none || only_files || arguments.bytes.is_some() {
            site.workload = None;
        }
        site.bulk.extend(arguments.bytes.map(bulk));
    }
    let Some(dir) = &arguments.studies else {
        return Ok(());
    };
    let found = find_studies(dir).map_err(|e| Failure::usage(&e))?;
    if found.skipped > 0 {
        let _ = writeln!(
            io::stderr(),
            "{} files left out: no image, or the same again",
            found.skipped
        );
    }
    run.share_out(found.studies);
    Ok(())
}

fn end(arguments: &Arguments, length: Duration) -> End {
    let files = arguments.studies.is_some() && arguments.workload.is_none();
    let at_once = arguments.bytes.is_some() || (files && arguments.days.is_none());
    if arguments.until_done || at_once {
        let arrivals = if at_once { Duration::ZERO } else { length };
        return End::Done {
            arrivals,
            within: length.max(HOUR) + PATIENCE,
        };
    }
    End::At(length)
}

/// A load of so many bytes, there from the start.
fn bulk(bytes: u64) -> Study {
    let whole = bytes / BULK_INSTANCE;
    let sizes = (0..whole).map(|_| BULK_INSTANCE);
    let rest = Some(bytes % BULK_INSTANCE).filter(|rest| *rest > 0);
    Study {
        number: 0,
        at: Duration::ZERO,
        class: Class::Routine,
        modality: "bulk".into(),
        instances: sizes.chain(rest).collect(),
        follows: None,
    }
}

fn words(o: &Outcome) -> String {
    let i = &o.instances;
    let mut text = format!(
        "{}, seed {}: {:.1} days in {:.1} s, {} sites, link up {:.0} % of the time\n\
         {} instances accepted, {} stored, {} parked; {} lost, {} doubled, {} altered; {} kills\n\
         {:.1} MB of payload, {:.1} MB up and {:.1} MB down on the air, {:.0} % of the links' capacity\n",
        o.profile,
        o.seed,
        o.simulated_s / 86_400.0,
        o.wall_s,
        o.sites,
        o.link_up_share * 100.0,
        i.accepted,
        i.stored,
        i.parked,
        i.lost,
        i.doubled,
        i.altered,
        o.kills,
        o.payload_bytes as f64 / 1e6,
        o.wire_bytes_up as f64 / 1e6,
        o.wire_bytes_down as f64 / 1e6,
        o.goodput_share * 100.0,
    );
    let classes = [
        ("STAT", &o.stat_s),
        ("URGENT", &o.urgent_s),
        ("ROUTINE", &o.routine_s),
        ("BULK", &o.bulk_s),
    ];
    for (name, waits) in classes.iter().filter(|(_, w)| w.n + w.waiting > 0) {
        text += &class_words(name, waits);
    }
    text + &format!("trace {}\n", o.trace_hash)
}

fn class_words(name: &str, w: &Waits) -> String {
    let minutes = |s: f64| s / 60.0;
    format!(
        "{name:8} {} stored, {} waiting; p50 {:.1} min, p95 {:.1} min; while the link was up p50 {:.1} min, p95 {:.1} min\n",
        w.n,
        w.waiting,
        minutes(w.wall.p50),
        minutes(w.wall.p95),
        minutes(w.link_up.p50),
        minutes(w.link_up.p95),
    )
}

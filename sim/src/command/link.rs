//! `karez-sim link`: two commands over a link in real time.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use crate::link::Counters;
use crate::live::{Live, LiveError, Report, run as run_live};
use crate::profile::Profile;
use crate::time::When;

/// Stands between the clinic's command and the hub's.
const BETWEEN: &str = ":::";

#[derive(Debug, Args)]
#[command(
    after_help = "The clinic is 10.77.0.1 (LINK_CLINIC), the hub 10.77.0.2 (LINK_HUB). All ends when the clinic's\ncommand ends; its exit status decides."
)]
pub(super) struct Arguments {
    /// A built-in profile or the path of one.
    #[arg(long, default_value = "rural-3g", conflicts_with = "link")]
    profile: String,
    /// A plain link instead, such as rate_kbit=512,rtt_ms=650,loss=0.02.
    #[arg(long)]
    link: Option<String>,
    /// Change one key of the profile; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "link")]
    set: Vec<String>,
    /// The seed of all that is random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where on the calendar to start ("d2 17:00"); by default the first moment from 09:00 on when
    /// the link is up.
    #[arg(long, value_parser = When::parse)]
    start: Option<When>,
    /// The longest it may take ("10 min").
    #[arg(long = "for", value_parser = When::parse, default_value = "1h")]
    limit: When,
    /// The counters as one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// CLINIC-COMMAND ::: HUB-COMMAND
    #[arg(last = true, required = true)]
    commands: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let profile = match &arguments.link {
        Some(spec) => Profile::from_spec(spec),
        None => Profile::load_with(&arguments.profile, &arguments.set),
    };
    let profile = profile.map_err(|e| Failure::usage(&e))?;
    let mut sides = arguments.commands.split(|word| word == BETWEEN);
    let (clinic, hub) = (
        sides.next().unwrap_or_default(),
        sides.next().unwrap_or_default(),
    );
    if clinic.is_empty() || sides.next().is_some() {
        return Err(Failure::usage(
            &"give one command, or two with ::: between them, after `--`",
        ));
    }
    let live = Live {
        profile: &profile,
        seed: arguments.seed,
        start: arguments.start.map(|when| when.0),
        limit: arguments.limit.0,
        clinic,
        hub,
    };
    let report = run_live(&live).map_err(|e| match e {
        LiveError::Unavailable(_) | LiveError::Start { .. } | LiveError::NeverUp => {
            Failure::usage(&e)
        }
        LiveError::Setup { .. } | LiveError::Device(_) => Failure::work(&e),
    })?;
    print(arguments.json, &report)?;
    match report.exit {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::work(&format!(
            "the clinic's command ended with status {code}"
        ))),
        None => Err(Failure::work(
            &"the clinic's command was ended before it was done; give it more time with --for",
        )),
    }
}

fn print(as_json: bool, report: &Report) -> Result<(), Failure> {
    if as_json {
        let object = json!({"start_s": report.start.as_secs_f64(), "took_s": report.took.as_secs_f64(), "exit": report.exit, "up": counters(&report.up), "down": counters(&report.down)});
        writeln!(io::stdout(), "{object}")?;
        return Ok(());
    }
    let mut out = io::stderr().lock();
    for (name, c) in [("up", &report.up), ("down", &report.down)] {
        let gone = c.offered.bytes.saturating_sub(c.delivered.bytes);
        let waits = (
            seconds(c.queue_delay.quantile(0.5)),
            seconds(c.queue_delay.quantile(0.95)),
        );
        writeln!(
            out,
            "{name:4} offered {} B, delivered {} B, dropped {gone} B (packets: queue {}, loss {}, outage {}, other {}), queue p50 {:.3} s p95 {:.3} s",
            c.offered.bytes,
            c.delivered.bytes,
            c.queue_full.packets,
            c.lost.packets,
            c.outage.packets,
            c.too_big.packets + c.blocked.packets + c.unmapped.packets,
            waits.0,
            waits.1
        )?;
    }
    Ok(())
}

fn counters(c: &Counters) -> Value {
    let tally = |tally: crate::link::Tally| json!({"packets": tally.packets, "bytes": tally.bytes});
    json!({
        "offered": tally(c.offered), "delivered": tally(c.delivered), "outage": tally(c.outage), "queue_full": tally(c.queue_full),
        "lost": tally(c.lost), "too_big": tally(c.too_big), "blocked": tally(c.blocked), "unmapped": tally(c.unmapped),
        "queue_p95_s": seconds(c.queue_delay.quantile(0.95)), "queue_max_s": seconds(c.queue_delay.max()),
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

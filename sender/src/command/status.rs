//! `status`: how things stand.

use std::time::Duration;

use clap::Args;
use karez_host::status::{self as show, Table};
use karez_host::{Failure, status};
use karez_sender::{BudgetStatus, Status, StudyStatus, Work};
use serde_json::{Value, json};

use super::Context;
use super::reached::Reached;

/// Shows how things stand.
#[derive(Args, Debug)]
pub(super) struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Show it anew every two seconds
    #[arg(long)]
    watch: bool,
}

const EVERY: Duration = Duration::from_secs(2);

impl Show {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        let mut from = Reached::open(context, Work::Accept).await?;
        loop {
            if self.json {
                let raw: Value = from.call("status", json!({})).await?;
                status::print_json(&raw)?;
            } else {
                let now: Status = from.call("status", json!({})).await?;
                let clear = if self.watch { "\x1b[H\x1b[2J" } else { "" };
                status::print(&format!("{clear}{}", text(&now)))?;
            }
            if !self.watch {
                return from.close().await;
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

fn text(now: &Status) -> String {
    let mut text = String::new();
    let hub = &now.hub;
    let name = if hub.name.is_empty() {
        "not joined"
    } else {
        &hub.name
    };
    let line = match (hub.connected, hub.last_contact_s) {
        (true, _) => format!(
            "connected, {} up, {} ms",
            show::rate(hub.rate_bits_per_s),
            hub.rtt_ms
        ),
        (false, Some(s)) => format!("no line since {}", show::duration(Duration::from_secs(s))),
        (false, None) => "no line yet".to_owned(),
    };
    text += &format!("Hub: {line} (this clinic: {name})\n");
    if !hub.problem.is_empty() {
        text += &format!("  {}\n", hub.problem);
    }
    text += &budget(&now.budget);
    let spool = &now.spool;
    text += &format!(
        "Disk: {} kept, {} free, {} not yet sealed\n",
        show::bytes(spool.bytes),
        show::bytes(spool.free_bytes),
        show::bytes(spool.unsealed_bytes)
    );
    text += &doors(now);
    if !now.studies.is_empty() {
        text += &format!("\n{}", studies(&now.studies));
    }
    for parked in &now.parked {
        let actions = parked.actions.join(", or ");
        text += &format!(
            "\nNeeds a person ({}): {}: {} -> {actions}\n",
            parked.owner, parked.item, parked.reason
        );
    }
    text
}

/// What is spent of what is limited, and what that holds back.
fn budget(now: &BudgetStatus) -> String {
    let periods = [("hour", now.hour), ("day", now.day), ("month", now.month)];
    let limited = periods.iter().filter_map(|(name, spent)| {
        let limit = show::bytes(spent.limit_bytes?);
        Some(format!(
            "{} of {limit} this {name}",
            show::bytes(spent.bytes)
        ))
    });
    let limited: Vec<String> = limited.collect();
    let mut text = String::new();
    if !limited.is_empty() {
        text += &format!("Link: {}\n", limited.join(", "));
    }
    if !now.holds.is_empty() {
        text += &format!("  {}\n", now.holds);
    }
    text
}

/// What comes in, and what keeps it from coming in.
fn doors(now: &Status) -> String {
    let mut text = String::new();
    let port = &now.scanner_port;
    if !port.listen.is_empty() {
        text += &format!("Scanners send to {}\n", port.listen);
    }
    let problems = now.scanners.iter().map(|scanner| &scanner.problem);
    for problem in std::iter::once(&port.problem).chain(problems) {
        if !problem.is_empty() {
            text += &format!("  {problem}\n");
        }
    }
    if now.commitments > 0 {
        text += &format!(
            "  {} requests for storage commitment are not yet answered\n",
            now.commitments
        );
    }
    for folder in &now.watch {
        text += &format!(
            "Folder {}: {} taken, {} not yet quiet\n",
            folder.folder, folder.taken, folder.waiting
        );
        let lines = [
            (folder.not_whole, "end too early, and were sent as they are"),
            (folder.unfinished, "are named as unfinished or hidden ones"),
            (folder.not_put_away, "were sent and are still there"),
        ];
        for (count, what) in lines.iter().filter(|(count, _)| *count > 0) {
            text += &format!("  {count} files {what}\n");
        }
        if !folder.problem.is_empty() {
            text += &format!("  {}\n", folder.problem);
        }
    }
    text
}

fn studies(studies: &[StudyStatus]) -> Table {
    let columns = [
        "study",
        "class",
        ">images",
        ">size",
        ">sealed",
        ">at the hub",
        "receipt",
        ">parked",
        ">left",
        ">age",
    ];
    let mut table = Table::new(&columns);
    for study in studies {
        let left = match study.eta_s {
            Some(0) => "-".to_owned(),
            Some(seconds) => show::duration(Duration::from_secs(seconds)),
            None => "?".to_owned(),
        };
        let receipt = if study.withdrawn {
            "withdrawn"
        } else {
            &study.receipt
        };
        table.row([
            study.study.clone(),
            study.priority.to_string(),
            study.instances.to_string(),
            show::bytes(study.bytes_original),
            show::bytes(study.bytes_sealed),
            show::bytes(study.bytes_received),
            receipt.to_owned(),
            study.parked.to_string(),
            left,
            show::duration(Duration::from_secs(study.age_s)),
        ]);
    }
    table
}

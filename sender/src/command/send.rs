//! `send`: hands files and folders in, and waits for them if asked to.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use karez_host::{Failure, exit, status};
use karez_protocol::priority::Class;
use karez_sender::{Progress, Ticket, Work};
use serde_json::json;

use super::files::{Found, Source, Walk, unreadable};
use super::reached::Reached;
use super::{Context, PROGRAM};

/// Hands files and folders in.
#[derive(Args, Debug)]
pub(super) struct Send {
    /// Files, and folders with everything in them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How urgent their studies are: stat, urgent, routine or bulk
    #[arg(long, value_name = "CLASS")]
    priority: Option<Class>,

    /// Wait until the hub has stored all of them
    #[arg(long)]
    wait: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What became of the paths.
#[derive(Default)]
struct Tally {
    accepted: u64,
    bytes: u64,
    skipped: u64,
    failed: u64,
    studies: BTreeSet<String>,
    /// Ranges of the orders of what was accepted.
    orders: Vec<(u64, u64)>,
}

impl Send {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        let work = if self.wait { Work::All } else { Work::Accept };
        let mut to = Reached::open(context, work).await?;
        let tally = self.hand_in(&mut to).await;
        let progress = match self.wait {
            true => Some(wait(&mut to, &tally.orders).await?),
            false => None,
        };
        to.close().await?;
        self.print(&tally, progress.as_ref())?;
        let parked = progress.map_or(0, |p| p.parked);
        match (tally.failed, parked) {
            (0, 0) => Ok(()),
            (0, parked) => Err(Failure::new(format!("{parked} images need a person"))
                .fix("`karez-sender status` says why")),
            (failed, _) => Err(Failure::new(format!("{failed} paths were not accepted"))
                .fix("Give them again; what was accepted is safe")),
        }
    }

    async fn hand_in(&self, to: &mut Reached) -> Tally {
        let mut tally = Tally::default();
        for found in Walk::new(&self.paths) {
            match found {
                Found::File(path) => match self.one(to, &path, &mut tally).await {
                    Ok(()) => {}
                    Err(failure) => {
                        tally.failed += 1;
                        exit::say(PROGRAM, &failure.at(path.display()));
                    }
                },
                Found::Skipped(path, why) => {
                    tally.skipped += 1;
                    note(&format!("skipped, since {why}: {}", path.display()));
                }
                Found::Unreadable(path, error) => {
                    tally.failed += 1;
                    exit::say(PROGRAM, &unreadable(&path, &error));
                }
            }
        }
        tally
    }

    async fn one(&self, to: &mut Reached, path: &Path, tally: &mut Tally) -> Result<(), Failure> {
        let source = Source::open(path).map_err(|error| unreadable(path, &error))?;
        if source.is_zip() {
            return Err(Failure::new("a zip archive is not unpacked here")
                .fix("Unpack it, and give the folder"));
        }
        let folder = std::path::absolute(path).ok();
        let folder = folder
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        let length = karez_imaging::ByteSource::len(&source);
        let ticket: Ticket = to
            .send(source, &folder.to_string_lossy(), self.priority)
            .await?;
        tally.accepted += 1;
        tally.bytes += length;
        tally.studies.insert(ticket.study);
        match tally.orders.last_mut() {
            Some((_, end)) if *end == ticket.order => *end += 1,
            _ => tally.orders.push((ticket.order, ticket.order + 1)),
        }
        Ok(())
    }

    fn print(&self, tally: &Tally, progress: Option<&Progress>) -> Result<(), Failure> {
        if self.json {
            return status::print_json(&json!({
                "accepted": tally.accepted,
                "bytes": tally.bytes,
                "skipped": tally.skipped,
                "failed": tally.failed,
                "studies": tally.studies,
                "progress": progress,
            }));
        }
        let stored = progress.map(|p| format!(", {} stored at the hub", p.stored));
        status::print(&format!(
            "{} accepted ({}) in {} studies{}\n",
            tally.accepted,
            status::bytes(tally.bytes),
            tally.studies.len(),
            stored.unwrap_or_default()
        ))
    }
}

/// Waits until nothing more is to be waited for, and shows how far it is.
async fn wait(to: &mut Reached, orders: &[(u64, u64)]) -> Result<Progress, Failure> {
    let mut shown = None;
    loop {
        let mut progress = Progress::default();
        for ranges in orders.chunks(1024) {
            let some: Progress = to.call("progress", json!({ "orders": ranges })).await?;
            progress.add(&some);
        }
        if shown != Some(progress) {
            show(&progress);
            shown = Some(progress);
        }
        if progress.done() {
            end_of_line();
            return Ok(progress);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn show(progress: &Progress) {
    let line = format!(
        "{} images: {} sealed, {} at the hub, {} verified, {} stored, {} parked",
        progress.instances,
        progress.sealed,
        progress.received,
        progress.verified,
        progress.stored,
        progress.parked
    );
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K{line}");
    } else {
        note(&line);
    }
}

fn end_of_line() {
    if stderr().is_terminal() {
        note("");
    }
}

/// Says something on standard error; if that is closed, nobody wants to know.
fn note(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

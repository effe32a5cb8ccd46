//! `audit`: who did what here, and what of the hub's log this clinic has seen.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use karez_host::audit::{as_text, verdict};
use karez_host::calendar::day;
use karez_host::{Env, Failure, status};
use karez_sender::Work;
use karez_store::OpenMode;
use serde_json::{Value, json};

use super::Context;
use super::reached::Reached;

/// Who did what: a log in which nothing can be altered without a trace.
#[derive(Args, Debug)]
pub(super) struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The lines, the oldest first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The first day, as YYYY-MM-DD (UTC)
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
    },
    /// Follows the chain from end to end; exit status 1 and the place of the first break
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints the heads of the hub's log that its receipts have shown, for
    /// `karez-receiver audit verify --witnesses`
    Witnesses,
    /// Writes the lines to a new file as DICOM audit messages (PS3.15 A.5), one a line
    Export {
        /// The file
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The first day, as YYYY-MM-DD (UTC)
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
    },
}

impl Audit {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        let disk = context.env.disk();
        let mut from = Reached::open(context, Work::Accept).await?;
        let done = match self.what {
            What::List { json, since } => list(&mut from, json, since.as_deref()).await,
            What::Verify { json } => verify(&mut from, json).await,
            What::Witnesses => {
                let heads: Value = from.call("audit-witnesses", json!({})).await?;
                status::print_json(&heads)
            }
            What::Export { to, since } => {
                let messages = lines(&mut from, true, since.as_deref()).await?;
                let text: String = messages
                    .iter()
                    .filter_map(Value::as_str)
                    .flat_map(|message| [message, "\n"])
                    .collect();
                let unwritten = |e: std::io::Error| {
                    Failure::new(format!("the file cannot be written: {e}"))
                        .at(to.display())
                        .fix("Give the path of a new file")
                };
                let file = disk.open(&to, OpenMode::CreateNew).map_err(unwritten)?;
                file.write_at(0, text.as_bytes()).map_err(unwritten)?;
                file.sync().map_err(unwritten)?;
                let count = messages.len();
                status::print(&format!(
                    "{count} messages are written to {}\n",
                    to.display()
                ))
            }
        };
        from.close().await?;
        done
    }
}

async fn list(from: &mut Reached, json: bool, since: Option<&str>) -> Result<(), Failure> {
    let lines = lines(from, false, since).await?;
    match json {
        true => status::print_json(&lines),
        false => status::print(&as_text(&lines)),
    }
}

async fn verify(from: &mut Reached, json: bool) -> Result<(), Failure> {
    let answer: Value = from.call("audit-verify", json!({})).await?;
    if json {
        status::print_json(&answer)?;
    }
    verdict(&answer, json)
}

/// All lines since a day, as JSON or as messages.
async fn lines(from: &mut Reached, xml: bool, since: Option<&str>) -> Result<Vec<Value>, Failure> {
    let since = match since {
        None => i64::MIN,
        Some(text) => day(text).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no day")).fix("Write it as YYYY-MM-DD")
        })?,
    };
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let ask = |xml| json!({ "after": after, "xml": xml });
        let page: Value = from.call("audit-lines", ask(false)).await?;
        let shown: Value = match xml {
            true => from.call("audit-lines", ask(true)).await?,
            false => page.clone(),
        };
        let list = |value: &Value| value["lines"].as_array().cloned().unwrap_or_default();
        let both = list(&page).into_iter().zip(list(&shown));
        let recent = both.filter(|(line, _)| line["wall"].as_i64() >= Some(since));
        all.extend(recent.map(|(_, shown)| shown));
        after = page["last"].as_u64().unwrap_or(after);
        if page["more"] != true {
            return Ok(all);
        }
    }
}

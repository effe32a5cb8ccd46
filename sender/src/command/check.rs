//! `check`: configuration, disk, clock, and the way to the hub.

use clap::Args;
use karez_host::control::Client;
use karez_host::{Env, Failure, status};
use karez_sender::{HubInfo, Keys, reach};
use serde::Serialize;

use super::Context;

/// Checks what the sender stands on.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    what: &'static str,
    good: bool,
    text: String,
}

/// 2024-01-01: no clock of a machine that runs this is earlier.
const NOT_BEFORE: i64 = 1_704_067_200;

impl Check {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let lines = [
            line("configuration", Ok("can be read".to_owned())),
            line("disk", disk(context)),
            line("clock", Ok(clock(context))),
            line("scanner port", port(context).await),
            line("hub", hub(context).await),
        ];
        if self.json {
            status::print_json(&lines)?;
        } else {
            for line in &lines {
                let sign = if line.good { "ok   " } else { "FAILS" };
                status::print(&format!("{sign} {}: {}\n", line.what, line.text))?;
            }
        }
        let bad = lines.iter().filter(|l| !l.good).count();
        match bad {
            0 => Ok(()),
            _ => Err(Failure::new(format!(
                "{bad} of {} checks fail",
                lines.len()
            ))),
        }
    }
}

fn line(what: &'static str, found: Result<String, Failure>) -> Line {
    let good = found.is_ok();
    let text = found.unwrap_or_else(|failure| failure.to_string());
    Line { what, good, text }
}

fn disk(context: &Context) -> Result<String, Failure> {
    let space = context.env.disk().space(&context.dir);
    let space = space
        .map_err(|e| Failure::new(format!("cannot be asked: {e}")).at(context.dir.display()))?;
    let keep = context.settings.spool.keep_free;
    if space.free < keep.0 {
        return Err(Failure::new(format!(
            "only {} free, {keep} are kept free",
            status::bytes(space.free)
        ))
        .fix("Free space; until then only STAT is accepted"));
    }
    Ok(format!("{} free", status::bytes(space.free)))
}

fn clock(context: &Context) -> String {
    match context.env.wall() {
        now if now < NOT_BEFORE => {
            "is wrong: it says a date before 2024; nothing depends on it but the ages shown"
                .to_owned()
        }
        _ => "is plausible".to_owned(),
    }
}

async fn port(context: &Context) -> Result<String, Failure> {
    let listen = &context.settings.dicom.listen;
    if listen.is_empty() {
        return Ok("is switched off".to_owned());
    }
    if Client::connect(&context.dir).await.is_ok() {
        return Ok(format!("{listen}: `status` of the running daemon shows it"));
    }
    let failed = |e: String| {
        Failure::new(format!("cannot be opened: {e}"))
            .at(listen)
            .fix("Stop what uses it, or set another `dicom.listen`")
    };
    let at = listen
        .parse()
        .map_err(|_| failed("no address".to_owned()))?;
    let opened = context.env.listen_stream(at).await;
    opened.map_err(|e| failed(e.to_string()))?;
    Ok(format!("{listen} is free"))
}

async fn hub(context: &Context) -> Result<String, Failure> {
    let not_joined =
        || Failure::new("not joined").fix("Give an invitation with `karez-sender join`");
    let info = HubInfo::load(&*context.env, &context.dir)?.ok_or_else(not_joined)?;
    if info.token.is_some() {
        return Err(Failure::new("the invitation has not been taken yet")
            .fix("`karez-sender run` goes on trying"));
    }
    let keys = Keys::open(&*context.env, &context.dir)?;
    let reached = reach(&*context.env, &keys.identity, &context.settings, &info).await?;
    Ok(format!(
        "answers from {} in {} ms",
        reached.address,
        reached.rtt.as_millis()
    ))
}

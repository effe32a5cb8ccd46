//! `check`: configuration, disk, clock, and the way to the hub.

use clap::Args;
use karez_host::control::Client;
use karez_host::page::Users;
use karez_host::{Env, Failure, check, status};
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
        let runs = Client::connect(&context.dir).await.is_ok();
        let lines = [
            line("configuration", Ok("can be read".to_owned())),
            line(
                "directory",
                check::directory(&*context.env.disk(), &context.dir),
            ),
            line("disk", disk(context)),
            line("clock", Ok(clock(context))),
            line("hours", hours(context)),
            line("daemon", Ok(daemon(runs))),
            line("scanner port", port(context, runs).await),
            line("scanners", scanners(context)),
            line("folders", folders(context)),
            line("page", page(context)),
            line("alarms", Ok(alarms(context))),
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

/// Hours are local: without the offset they are night in Greenwich.
fn hours(context: &Context) -> Result<String, Failure> {
    let link = &context.settings.link;
    if !link.hours.is_empty() && link.utc_offset == "+00:00" {
        return Err(
            Failure::new("link.hours is set, and local time is said to be UTC")
                .at("link.utc_offset")
                .fix("Set it to \"+05:00\" in Pakistan"),
        );
    }
    Ok(match link.hours.is_empty() {
        true => "it sends at any time".to_owned(),
        false => format!("it sends at {}", link.hours.join(", ")),
    })
}

fn daemon(runs: bool) -> String {
    match runs {
        true => "runs".to_owned(),
        false => "does not run now: `systemctl start karez-sender`, or `run`".to_owned(),
    }
}

/// Whether anybody may send at all.
fn scanners(context: &Context) -> Result<String, Failure> {
    let dicom = &context.settings.dicom;
    let by_command = context.dir.join("scanners");
    let allowed = context
        .env
        .disk()
        .len(&by_command)
        .is_ok_and(|length| length.is_some());
    let any = dicom.allow_any || allowed || !dicom.allow.is_empty();
    if !any && !dicom.listen.is_empty() && context.settings.watch.folders.is_empty() {
        return Err(Failure::new("no scanner may send yet").fix(
            "Let it call once, then allow it on the page or with `karez-sender allow TITLE`",
        ));
    }
    Ok("who may send is set".to_owned())
}

/// Watched folders are there and can be emptied.
fn folders(context: &Context) -> Result<String, Failure> {
    let watch = &context.settings.watch;
    let disk = context.env.disk();
    for folder in &watch.folders {
        let path = std::path::Path::new(folder);
        disk.entries(path).map_err(|error| {
            Failure::new(format!("a watched folder cannot be read: {error}"))
                .at(folder)
                .fix("Make it, and let the daemon's user read it")
        })?;
        if watch.after != "keep" {
            check::writable(&*disk, path)?;
        }
    }
    Ok(format!("{} watched", watch.folders.len()))
}

fn page(context: &Context) -> Result<String, Failure> {
    let users = Users::of(context.env.disk(), &context.dir);
    let address = context.settings.page.address();
    let address = address.map_err(|unfit| Failure::new(unfit.message).at(unfit.key))?;
    check::page(address, &users)
}

fn alarms(context: &Context) -> String {
    let alarm = &context.settings.alarm;
    match alarm.to.is_empty() && alarm.webhook.is_empty() {
        true => "nobody is told when something is wrong: set alarm.to or alarm.webhook".to_owned(),
        false => "somebody is told".to_owned(),
    }
}

async fn port(context: &Context, runs: bool) -> Result<String, Failure> {
    let listen = &context.settings.dicom.listen;
    if listen.is_empty() {
        return Ok("is switched off".to_owned());
    }
    if runs {
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

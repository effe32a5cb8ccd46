//! `status`, `clinics`, `check`: what is here and how it is.

use std::time::Duration;

use karez_host::cli::Common;
use karez_host::{Failure, status as show};
use serde_json::{Value, json};

use super::args::{Json, Status};
use super::{Command, ask};
use crate::keys;
use crate::status::text;

/// How often `--watch` asks.
const AGAIN: Duration = Duration::from_secs(2);

/// A status is a running daemon's: asking must never keep one from starting.
pub(super) fn status(common: &Common, args: &Status) -> Result<(), Failure> {
    loop {
        let status = ask::ask_daemon(common, "status", json!({}))?;
        if args.json {
            show::print_json(&status)?;
        } else {
            let clear = if args.watch { "\x1b[2J\x1b[H" } else { "" };
            show::print(&format!("{clear}{}", text::show(&status)))?;
        }
        if !args.watch {
            return Ok(());
        }
        std::thread::sleep(AGAIN);
    }
}

pub(super) fn clinics(common: &Common, args: &Json) -> Result<(), Failure> {
    let clinics = ask::ask(common, Command::Clinics {})?;
    if args.json {
        return show::print_json(&clinics);
    }
    let list = clinics.as_array().map_or(&[][..], Vec::as_slice);
    show::print(&text::clinics(list))
}

/// Each thing that must be right, one line each.
pub(super) fn check(common: &Common) -> Result<(), Failure> {
    let dir = ask::directory(common)?;
    let env = ask::world()?;
    let settings = ask::settings(common, &*env, &dir)?;
    line("configuration", Ok("it is understood".into()))?;
    let identity = keys::load(&*env.disk(), &dir).map(|seed| seed.identity().peer());
    let mut good = line(
        "keys",
        identity.map(|peer| format!("identity {}", peer.short())),
    )?;
    let space = env
        .disk()
        .space(&dir)
        .map_err(|e| Failure::new(e.to_string()));
    let space = space.and_then(|space| {
        let free = show::bytes(space.free);
        match space.free < settings.store.reserve.0.min(space.total / 20) {
            true => Err(Failure::new(format!("{free} free, below the reserve")).fix("Make room")),
            false => Ok(format!("{free} free")),
        }
    });
    good &= line("disk", space)?;
    let clock = env.wall();
    let year_2026 = 1_767_225_600;
    good &= line(
        "clock",
        match clock < year_2026 {
            true => Err(Failure::new("it is wrong; nothing depends on it").fix("Set it")),
            false => Ok("it seems right".into()),
        },
    )?;
    let daemon = ask::ask_daemon(common, "targets", json!({}));
    let running = daemon.as_ref().map(|_| "it runs".to_owned());
    good &= line("daemon", running.map_err(Clone::clone))?;
    for target in daemon.ok().iter().filter_map(Value::as_array).flatten() {
        let name = target["name"].as_str().unwrap_or_default();
        good &= super::target::test(common, name)?;
    }
    match good {
        true => Ok(()),
        false => Err(Failure::new("not everything is right: see above")),
    }
}

/// Prints one line; whether it was good news.
pub(super) fn line(what: &str, result: Result<String, Failure>) -> Result<bool, Failure> {
    let good = result.is_ok();
    let text = match result {
        Ok(text) => format!("good  {what}: {text}\n"),
        Err(failure) => format!("BAD   {what}: {failure}\n"),
    };
    show::print(&text)?;
    Ok(good)
}

//! `status`, `clinics`, `check`: what is here and how it is.

use std::path::Path;
use std::time::Duration;

use karez_host::cli::Common;
use karez_host::page::Users;
use karez_host::{Env, Failure, check, status as show};
use serde_json::{Value, json};

use super::args::{Json, Status};
use super::{Command, ask};
use crate::keys;
use crate::settings::Settings;
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

/// Reads the configuration and gives it to the running hub.
pub(super) fn reload(common: &Common) -> Result<(), Failure> {
    let (env, dir) = (ask::world()?, ask::directory(common)?);
    let settings = Box::new(ask::settings(common, &*env, &dir)?);
    let (name, arguments) = Command::Reload { settings }
        .write()
        .map_err(|e| Failure::new(e.to_string()))?;
    let answer = ask::ask_daemon(common, &name, arguments)?;
    let keys = answer.as_array().into_iter().flatten();
    let keys: Vec<&str> = keys.filter_map(Value::as_str).collect();
    show::print(&match keys.is_empty() {
        true => "the new settings hold; no transfer was touched\n".to_owned(),
        false => format!(
            "the new settings hold; these wait for a restart: {}\n",
            keys.join(", ")
        ),
    })
}

/// Each thing that must be right, one line each.
pub(super) fn check_all(common: &Common) -> Result<(), Failure> {
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
    good &= line("directory", check::directory(&*env.disk(), &dir))?;
    good &= line("address", address(&settings))?;
    good &= line("page", page(&*env, &dir, &settings))?;
    good &= line("alarms", Ok(told(&settings)))?;
    let daemon = ask::ask_daemon(common, "status", json!({}));
    let running = daemon.as_ref().map(|_| "it runs".to_owned());
    good &= line("daemon", running.map_err(Clone::clone))?;
    if let Ok(status) = &daemon {
        good &= line("clinics", some_clinic(status))?;
        for alarm in status["alarms"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let alarm = Failure::new(text(&alarm["alarm"])).fix(text(&alarm["actions"][0]));
            good &= line("alarm", Err(alarm))?;
        }
    }
    let targets = daemon.and_then(|_| ask::ask_daemon(common, "targets", json!({})));
    for target in targets.ok().iter().filter_map(Value::as_array).flatten() {
        let name = target["name"].as_str().unwrap_or_default();
        good &= super::target::test(common, name)?;
    }
    match good {
        true => Ok(()),
        false => Err(Failure::new("not everything is right: see above")),
    }
}

/// What an invitation would say.
fn address(settings: &Settings) -> Result<String, Failure> {
    let hub = &settings.hub;
    match hub.addresses.as_slice() {
        [] if hub.listen.ip().is_unspecified() || hub.listen.ip().is_loopback() => {
            Err(Failure::new("it is not known where clinics find this hub")
                .at("hub.addresses")
                .fix("Set it to HOST:PORT as the internet sees it, and open that UDP port"))
        }
        [] => Ok(hub.listen.to_string()),
        addresses => Ok(addresses.join(", ")),
    }
}

fn page(env: &dyn Env, dir: &Path, settings: &Settings) -> Result<String, Failure> {
    let address = settings.page.address();
    let address = address.map_err(|unfit| Failure::new(unfit.message).at(unfit.key))?;
    check::page(address, &Users::of(env.disk(), dir))
}

fn told(settings: &Settings) -> String {
    match settings.alarm.to.is_empty() && settings.alarm.webhook.is_empty() {
        true => "nobody is told when something is wrong: set alarm.to or alarm.webhook".to_owned(),
        false => "somebody is told".to_owned(),
    }
}

fn some_clinic(status: &Value) -> Result<String, Failure> {
    match status["clinics"].as_array().map_or(0, Vec::len) {
        0 => Err(Failure::new("no clinic has joined yet")
            .fix("Give it the line that `invite NAME` prints")),
        count => Ok(format!("{count} have joined")),
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

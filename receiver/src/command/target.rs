//! `target`: where instances are handed off.

use karez_host::cli::Common;
use karez_host::status::Table;
use karez_host::{Failure, status as show};
use serde_json::{Value, json};

use super::args::TargetVerb;
use super::status::line;
use super::{Command, ask};
use crate::handoff::Address;

pub(super) fn target(common: &Common, verb: TargetVerb) -> Result<(), Failure> {
    let command = match verb {
        TargetVerb::List(args) => return list(common, args.json),
        TargetVerb::Test { name } => {
            return match test(common, &name)? {
                true => Ok(()),
                false => Err(Failure::new("the target does not do all that it should")),
            };
        }
        TargetVerb::Add {
            name,
            url,
            also,
            calling_aet,
        } => {
            let url = with_options(url, also.as_deref(), calling_aet.as_deref())?;
            Command::TargetAdd { name, url }
        }
        TargetVerb::Pause { name } => Command::TargetPause { name, paused: true },
        TargetVerb::Resume { name } => Command::TargetPause {
            name,
            paused: false,
        },
        TargetVerb::Remove { name } => Command::TargetRemove { name },
    };
    ask::print_plain(common, command)
}

fn with_options(url: String, also: Option<&str>, title: Option<&str>) -> Result<String, Failure> {
    if also.is_none() && title.is_none() {
        return Ok(url);
    }
    let address = || {
        let mut address: Address = url.parse()?;
        if let Some(also) = also {
            address = address.also(also.parse()?)?;
        }
        match title {
            Some(title) => address.calling(title),
            None => Ok(address),
        }
    };
    let address = address().map_err(|error| Failure::usage(error.to_string()))?;
    Ok(address.to_string())
}

fn list(common: &Common, as_json: bool) -> Result<(), Failure> {
    let targets = ask::ask(common, Command::Targets {})?;
    if as_json {
        return show::print_json(&targets);
    }
    let mut table = Table::new(&["target", "state", "address", "reason"]);
    for target in targets.as_array().into_iter().flatten() {
        let word = |key: &str| target[key].as_str().unwrap_or_default();
        let reason = match word("reason") {
            "" => word("risk"),
            reason => reason,
        };
        table.row([word("name"), word("state"), word("url"), reason]);
    }
    show::print(&table.to_string())
}

/// Prints a line per ability; whether all are there.
pub(super) fn test(common: &Common, name: &str) -> Result<bool, Failure> {
    let lines = ask::ask_daemon(common, "target-test", json!({ "name": name }))?;
    let mut good = true;
    for ability in lines.as_array().into_iter().flatten() {
        let what = ability["ability"].as_str().unwrap_or_default();
        let result = match &ability["fix"] {
            Value::String(fix) => Err(Failure::new(fix.clone())),
            _ => Ok(ability["note"].as_str().unwrap_or("it works").to_owned()),
        };
        good &= line(&format!("target `{name}`, {what}"), result)?;
    }
    Ok(good)
}

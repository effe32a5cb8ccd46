//! `parked`: what needs a person.

use karez_host::cli::Common;
use karez_host::{Failure, status as show};
use serde_json::json;

use super::args::ParkedVerb;
use super::words::Decision;
use super::{Command, ask};
use crate::status::text;

pub(super) fn parked(common: &Common, verb: ParkedVerb) -> Result<(), Failure> {
    let (item, decision) = match verb {
        ParkedVerb::List(args) => return list(common, args.json),
        ParkedVerb::Export { item, to } => {
            let to = std::path::absolute(&to).map_err(|e| Failure::usage(e.to_string()))?;
            let arguments = json!({ "item": item, "to": to });
            let written = ask::ask_daemon(common, "export", arguments)?;
            let length = show::bytes(written["bytes"].as_u64().unwrap_or(0));
            return show::print(&format!("{length} are written to {}\n", to.display()));
        }
        ParkedVerb::Retry { item } => (item, Decision::Retry),
        ParkedVerb::Release { item } => (item, Decision::Release),
        ParkedVerb::Discard { reason, .. } if reason.trim().is_empty() => {
            let why = Failure::usage("the reason is empty");
            return Err(why.fix("Say with --reason why it is given up"));
        }
        ParkedVerb::Discard { item, reason } => (item, Decision::Discard(reason)),
    };
    ask::print_plain(common, Command::Decide { item, decision })
}

fn list(common: &Common, as_json: bool) -> Result<(), Failure> {
    let parked = ask::ask(common, Command::Parked {})?;
    if as_json {
        return show::print_json(&parked);
    }
    let list = parked.as_array().map_or(&[][..], Vec::as_slice);
    match list {
        [] => show::print("nothing needs a person\n"),
        _ => show::print(&text::parked(list)),
    }
}

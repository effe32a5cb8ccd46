//! `invite`: one line for one clinic.

use karez_host::cli::Common;
use karez_host::{Failure, exit, status};

use super::args::Invite;
use super::{Command, ask};

pub(super) fn invite(common: &Common, args: Invite) -> Result<(), Failure> {
    let answer = ask::ask(
        common,
        Command::Invite {
            name: args.name,
            addresses: args.address,
            replace: args.replace,
        },
    )?;
    if let Some(owed) = answer["replaced"].as_array() {
        let studies = owed.iter().filter_map(|study| {
            let (id, count) = (study["study"].as_str()?, &study["instances"]);
            Some(format!("study {id}: {count} images"))
        });
        let studies: Vec<String> = studies.collect();
        let list = if studies.is_empty() {
            "it had announced nothing that is not here".to_owned()
        } else {
            format!("announced and not delivered: {}", studies.join(", "))
        };
        let note = Failure::new("the clinic's former key is revoked").fix(list);
        exit::say(ask::PROGRAM, &note);
    }
    let line = answer["invitation"].as_str().unwrap_or_default();
    status::print(&format!("{line}\n"))
}

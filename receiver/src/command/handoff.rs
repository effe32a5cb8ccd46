//! `handoff resend`: for the day on which an archive was restored.

use karez_host::calendar::day;
use karez_host::cli::Common;
use karez_host::{Failure, status as show};

use super::args::HandoffVerb;
use super::{Command, ask};

pub(super) fn handoff(common: &Common, verb: HandoffVerb) -> Result<(), Failure> {
    let HandoffVerb::Resend {
        target,
        since,
        study,
    } = verb;
    let since = day(&since).ok_or_else(|| {
        Failure::usage(format!("`{since}` is no day")).fix("Write it as YYYY-MM-DD")
    })?;
    let answer = ask::ask(
        common,
        Command::Resend {
            target,
            since,
            study,
        },
    )?;
    let count = answer["instances"].as_u64().unwrap_or(0);
    let are = if count == 1 {
        "instance is"
    } else {
        "instances are"
    };
    show::print(&format!("{count} {are} handed off again\n"))?;
    match answer["removed"].as_u64().unwrap_or(0) {
        0 => Ok(()),
        removed => show::print(&format!(
            "{removed} more are no longer here: store.keep_stored says how long they stay. A clinic \
             that still has them can send them again\n"
        )),
    }
}

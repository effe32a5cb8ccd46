//! `recover`: a hub's keys from its recovery sheet.

use std::io::Read;

use karez_host::cli::Common;
use karez_host::{Failure, status};
use karez_protocol::seal::HubSeed;
use zeroize::Zeroizing;

use super::args::Identity;
use super::{Command, ask, init};
use crate::daemon::offline;

/// Characters that a sheet can have at most.
const SHEET_MAX: u64 = 64 * 1024;

pub(super) fn recover(common: &Common, identity: Identity) -> Result<(), Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = std::io::stdin().take(SHEET_MAX).read_to_string(&mut text);
    read.map_err(|e| Failure::new(format!("the recovery sheet cannot be read: {e}")))?;
    let seed = HubSeed::from_sheet(&text).map_err(|wrong| {
        Failure::new(wrong).fix("Type its words into standard input, and nothing else")
    })?;
    let dir = ask::directory(common)?;
    let env = ask::world()?;
    let settings = init::establish(common, &env, &dir, &seed, identity)?;
    // Whoever typed it has it.
    offline(env, &dir, settings, Command::ConfirmBackup)?;
    let identity = seed.identity().peer();
    status::print(&format!(
        "The hub's keys are back (identity {}). Clinics must be invited again, and targets added.\n",
        identity.short()
    ))
}

//! `owed`: how many studies still need this store.

use karez_host::cli::Common;
use karez_host::{Failure, status as show};

use super::{Command, ask};

/// Prints the number alone, for scripts: the package asks before it removes anything.
pub(super) fn owed(common: &Common) -> Result<(), Failure> {
    let clinics = ask::ask(common, Command::Clinics {})?;
    let open = |clinic: &serde_json::Value| clinic["studies_open"].as_u64().unwrap_or(0);
    let owed: u64 = clinics.as_array().into_iter().flatten().map(open).sum();
    show::print(&format!("{owed}\n"))
}

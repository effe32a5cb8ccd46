//! `verify`: everything that is stored, read again.

use karez_host::cli::Common;
use karez_host::process::block_on;
use karez_host::{Failure, control};

use super::args::Json;
use super::ask;

pub(super) fn verify(common: &Common, args: &Json) -> Result<(), Failure> {
    let dir = ask::directory(common)?;
    match block_on(control::verify(&dir, args.json))?? {
        0 => Ok(()),
        bad => Err(Failure::new(format!("{bad} stored entries have rotted"))
            .fix("They are asked for again; check the disk")),
    }
}

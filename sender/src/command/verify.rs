//! `verify`: everything that is kept, read again.

use clap::Args;
use karez_host::{Failure, control};

use super::Context;

/// Reads everything that is kept and compares it with its checksums.
#[derive(Args, Debug)]
pub(super) struct Verify {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        match control::verify(&context.dir, self.json).await? {
            0 => Ok(()),
            bad => Err(
                Failure::new(format!("{bad} kept entries have changed on the disk")).fix(
                    "`status` names the images: send them again from the scanner; check the disk",
                ),
            ),
        }
    }
}

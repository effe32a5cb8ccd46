//! `verify`: everything that is kept, read again.

use clap::Args;
use karez_host::control::Client;
use karez_host::{Failure, status as show};
use serde_json::{Value, json};

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
        let mut progress = |event: Value| {
            if !self.json {
                let read = show::bytes(event["bytes"].as_u64().unwrap_or(0));
                // Whoever has seen enough may close the output.
                let _ = show::print(&format!("\r{read} read"));
            }
        };
        let mut client = Client::connect(&context.dir).await?;
        let call = client.call_with("verify", json!({}), None, &mut progress);
        let answer = call.await?;
        let bad = answer["bad"].as_u64().unwrap_or(0);
        if self.json {
            show::print_json(&answer)?;
        } else {
            let read = show::bytes(answer["bytes"].as_u64().unwrap_or(0));
            show::print(&format!("\r{read} read, {bad} entries bad\n"))?;
        }
        match bad {
            0 => Ok(()),
            _ => Err(
                Failure::new(format!("{bad} kept entries have changed on the disk")).fix(
                    "`status` names the images: send them again from the scanner; check the disk",
                ),
            ),
        }
    }
}

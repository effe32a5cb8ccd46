//! `verify`: everything that is stored, read again.

use karez_host::cli::Common;
use karez_host::control::Client;
use karez_host::process::block_on;
use karez_host::{Failure, status as show};
use serde_json::{Value, json};

use super::args::Json;
use super::ask;

pub(super) fn verify(common: &Common, args: &Json) -> Result<(), Failure> {
    let dir = ask::directory(common)?;
    let mut progress = |event: Value| {
        if !args.json {
            let read = show::bytes(event["bytes"].as_u64().unwrap_or(0));
            // Whoever has seen enough may close the output.
            let _ = show::print(&format!("\r{read} read"));
        }
    };
    let answer = block_on(async {
        let mut client = Client::connect(&dir).await?;
        let call = client.call_with("verify", json!({}), None, &mut progress);
        call.await
    })??;
    let bad = answer["bad"].as_u64().unwrap_or(0);
    if args.json {
        show::print_json(&answer)?;
    } else {
        let read = show::bytes(answer["bytes"].as_u64().unwrap_or(0));
        show::print(&format!("\r{read} read, {bad} entries bad\n"))?;
    }
    match bad {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{bad} stored entries have rotted"))
            .fix("They are asked for again; check the disk")),
    }
}

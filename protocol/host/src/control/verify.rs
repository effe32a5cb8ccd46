//! The part of `verify` that both daemons' commands share.

use std::path::Path;

use serde_json::{Value, json};

use super::Client;
use crate::exit::Failure;
use crate::status as show;

/// Has the daemon of the data directory `dir` read everything that it keeps, and prints how far it
/// is and what it found; the number of entries that are not as they were written.
///
/// # Errors
/// No daemon can be spoken to, or what it says.
pub async fn verify(dir: &Path, json: bool) -> Result<u64, Failure> {
    let mut progress = |event: Value| {
        if !json {
            let read = show::bytes(event["bytes"].as_u64().unwrap_or(0));
            // Whoever has seen enough may close the output.
            let _ = show::print(&format!("\r{read} read"));
        }
    };
    let mut client = Client::connect(dir).await?;
    let call = client.call_with("verify", json!({}), None, &mut progress);
    let answer = call.await?;
    let bad = answer["bad"].as_u64().unwrap_or(0);
    if json {
        show::print_json(&answer)?;
    } else {
        let read = show::bytes(answer["bytes"].as_u64().unwrap_or(0));
        show::print(&format!("\r{read} read, {bad} entries bad\n"))?;
    }
    Ok(bad)
}

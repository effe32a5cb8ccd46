//! `pause` and `resume`.

use karez_host::{Failure, status};
use karez_sender::Work;
use serde_json::{Value, json};

use super::Context;
use super::reached::Reached;

/// Sends nothing but STAT from now on, or everything again.
pub(super) async fn run(context: Context, paused: bool) -> Result<(), Failure> {
    let command = if paused { "pause" } else { "resume" };
    let mut to = Reached::open(context, Work::Accept).await?;
    let done: Result<Value, Failure> = to.call(command, json!({})).await;
    to.close().await?;
    done?;
    status::print(match paused {
        true => "Paused: only STAT is sent, until `karez-sender resume`\n",
        false => "Everything is sent again, within link.hours and the budget\n",
    })
}

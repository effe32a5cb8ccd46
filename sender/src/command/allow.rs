//! `allow`: which scanners may send.

use clap::Args;
use karez_host::{Failure, status};
use karez_sender::Work;
use serde_json::{Value, json};

use super::Context;
use super::reached::Reached;

/// Lets a scanner send.
#[derive(Args, Debug)]
pub(super) struct Allow {
    /// The scanner's AE title, as `status` shows it
    #[arg(value_name = "TITLE")]
    title: String,

    /// Let it send no more
    #[arg(long)]
    remove: bool,
}

impl Allow {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        let mut to = Reached::open(context, Work::Accept).await?;
        let arguments = json!({ "title": self.title, "remove": self.remove });
        let done: Result<Value, Failure> = to.call("allow", arguments).await;
        to.close().await?;
        done?;
        let may = if self.remove { "may not" } else { "may" };
        status::print(&format!("Scanner {} {may} send\n", self.title))
    }
}

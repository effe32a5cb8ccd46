//! `prioritise` and `withdraw`.

use clap::Args;
use karez_host::{Failure, status};
use karez_protocol::priority::Class;
use karez_sender::Work;
use serde::Deserialize;
use serde_json::json;

use super::Context;
use super::reached::Reached;

/// Changes how urgent a study is.
#[derive(Args, Debug)]
pub(super) struct Prioritise {
    /// The study's short name, as `status` shows it
    study: String,

    /// stat, urgent, routine or bulk
    class: Class,
}

/// Stops sending a study.
#[derive(Args, Debug)]
pub(super) struct Withdraw {
    /// The study's short name, as `status` shows it
    study: String,

    /// Why; it is kept sealed
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Deserialize)]
struct Named {
    study: String,
}

impl Prioritise {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        let arguments = json!({ "study": self.study, "class": self.class });
        let study = ask(context, "prioritise", arguments).await?;
        status::print(&format!("Study {study} is {} now\n", self.class))
    }
}

impl Withdraw {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        let arguments = json!({ "study": self.study, "reason": self.reason });
        let study = ask(context, "withdraw", arguments).await?;
        status::print(&format!(
            "Study {study} is no longer sent; what the hub already has stays there\n"
        ))
    }
}

async fn ask(
    context: Context,
    command: &str,
    arguments: serde_json::Value,
) -> Result<String, Failure> {
    let mut to = Reached::open(context, Work::Accept).await?;
    let named: Result<Named, Failure> = to.call(command, arguments).await;
    to.close().await?;
    Ok(named?.study)
}

//! `join`: takes an invitation, now or as soon as the hub can be reached.

use clap::Args;
use karez_host::control::{Client, ConnectError};
use karez_host::datadir::DataDir;
use karez_host::{Env, Failure, status};
use karez_protocol::invitation::Invitation;
use karez_sender::{HubInfo, Keys, enrol};
use serde_json::{Value, json};

use super::{Context, init};

/// Makes this clinic one of a hub's.
#[derive(Args, Debug)]
pub(super) struct Join {
    /// The line that the hub's `invite` printed
    #[arg(required = true, value_name = "INVITATION", num_args = 1..)]
    invitation: Vec<String>,
}

impl Join {
    pub(super) async fn run(self, context: Context) -> Result<(), Failure> {
        // A line that was copied with spaces in it arrives as several words.
        let line = self.invitation.join("");
        let invitation = Invitation::from_line(&line).map_err(|e| Failure::usage(e.to_string()))?;
        match Client::connect(&context.dir).await {
            Ok(mut daemon) => {
                let _: Value = daemon.call("join", json!({ "invitation": line })).await?;
                status::print("The daemon has the invitation; `status` says when it has joined\n")
            }
            Err(ConnectError::NoDaemon(_)) => join_here(&context, invitation).await,
            Err(error) => Err(error.into()),
        }
    }
}

async fn join_here(context: &Context, invitation: Invitation) -> Result<(), Failure> {
    init::make(context, "")?;
    let disk = context.env.disk();
    let _held = DataDir::open(&disk, &context.dir)?;
    let keys = Keys::open(&*context.env, &context.dir)?;
    let known = HubInfo::load(&*context.env, &context.dir)?;
    let info = HubInfo::renewed(known.as_ref(), invitation)?;
    info.save(&*context.env, &context.dir)?;
    match enrol(&*context.env, &keys.identity, &context.settings, &info).await {
        Ok(joined) => {
            joined.save(&*context.env, &context.dir)?;
            status::print(&format!(
                "Joined: the hub calls this clinic {}\n",
                joined.name
            ))
        }
        Err(failure) => status::print(&format!(
            "The invitation is kept, and joining goes on once `karez-sender run` reaches the hub: \
             {failure}\n"
        )),
    }
}

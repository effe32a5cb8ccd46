//! Whoever does a command's work: the running daemon, or this process in its place.

use std::io::Read;

use karez_host::control::{Client, ConnectError};
use karez_host::{Failure, process};
use karez_sender::{Commands, Given, Sender, Work};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Context;
use super::files::Source;
use super::run::{LOCK_PAUSE, LOCK_WAIT};

/// A sender that answers.
pub(super) enum Reached {
    /// A daemon, over its control socket.
    Daemon(Client),
    /// This process.
    Here(Sender),
}

impl Reached {
    /// The daemon if one runs, else a sender of our own that does `work`.
    ///
    /// # Errors
    /// Neither can be had, also not after a moment: a daemon that starts or another command has
    /// the directory for so long.
    pub(super) async fn open(context: Context, work: Work) -> Result<Self, Failure> {
        let began = Instant::now();
        loop {
            match Self::open_now(&context, work).await {
                Err(_) if began.elapsed() < LOCK_WAIT => tokio::time::sleep(LOCK_PAUSE).await,
                other => return other,
            }
        }
    }

    async fn open_now(context: &Context, work: Work) -> Result<Self, Failure> {
        match Client::connect(&context.dir).await {
            Ok(client) => Ok(Self::Daemon(client)),
            Err(ConnectError::NoDaemon(_)) => {
                let there = context.env.clone();
                super::init::make(context, "")?;
                let settings = context.settings.clone();
                let sender = Sender::start(there, &context.dir, settings, work)?;
                Ok(Self::Here(sender))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for something that brings no bytes.
    pub(super) async fn call<T: DeserializeOwned>(
        &mut self,
        command: &str,
        arguments: Value,
    ) -> Result<T, Failure> {
        let answer = match self {
            Self::Daemon(client) => client.call(command, arguments).await?,
            Self::Here(sender) => {
                let mine = sender.handle().by(&process::user());
                Commands(mine).call(command, &arguments).await?
            }
        };
        read(answer)
    }

    /// Hands a file in.
    pub(super) async fn send<T: DeserializeOwned>(
        &mut self,
        mut file: Source,
        folder: &str,
        class: Option<karez_protocol::priority::Class>,
    ) -> Result<T, Failure> {
        let arguments = json!({ "folder": folder, "priority": class });
        match self {
            Self::Daemon(client) => {
                let body: &mut (dyn Read + Send) = &mut file;
                read(
                    client
                        .call_with("send", arguments, Some(body), &mut |_| {})
                        .await?,
                )
            }
            Self::Here(sender) => {
                let mut intake = sender.handle().by(&process::user()).intake(Given {
                    folder: folder.as_bytes().to_vec(),
                    class,
                })?;
                let mut piece = vec![0; 64 * 1024];
                loop {
                    let count = file.read(&mut piece);
                    let count = count.map_err(|e| Failure::new(format!("cannot be read: {e}")))?;
                    if count == 0 {
                        break;
                    }
                    intake.write(&piece[..count]).await?;
                }
                let ticket = serde_json::to_value(intake.finish().await?);
                read(ticket.unwrap_or_default())
            }
        }
    }

    /// Ends a sender of our own.
    pub(super) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Daemon(_) => Ok(()),
            Self::Here(sender) => sender.stop().await,
        }
    }
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|_| {
        Failure::new("the daemon and the command line are of different versions")
            .fix("Restart the daemon after an upgrade")
    })
}

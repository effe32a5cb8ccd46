//! What the command line asks a running daemon over the control socket.

use karez_host::Failure;
use karez_host::control::{Body, Call, Events, Handler};
use karez_host::env::BoxFuture;
use karez_protocol::priority::Class;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::daemon::Handle;
use crate::engine::Ticket;
use crate::ingest::Given;
use crate::settings::Settings;

/// Answers commands with a sender's handle.
pub struct Commands(pub Handle);

#[derive(Deserialize)]
struct Send {
    /// Groups files that name no study; hashed, never kept.
    #[serde(default)]
    folder: String,
    #[serde(default)]
    priority: Option<Class>,
}

#[derive(Deserialize)]
struct Orders {
    orders: Vec<(u64, u64)>,
}

#[derive(Deserialize)]
struct Prioritise {
    study: String,
    class: Class,
}

#[derive(Deserialize)]
struct Withdraw {
    study: String,
    reason: String,
}

#[derive(Deserialize)]
struct Allow {
    title: String,
    #[serde(default)]
    remove: bool,
}

#[derive(Deserialize)]
struct Page {
    after: u64,
    xml: bool,
}

#[derive(Deserialize)]
struct Join {
    invitation: String,
}

impl Handler for Commands {
    fn handle<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(self.answer(call))
    }
}

impl Commands {
    async fn answer(&self, call: Call<'_>) -> Result<Value, Failure> {
        let theirs = Self(self.0.by(&call.caller.name()));
        if call.command == "send" {
            let send: Send = arguments(call.arguments)?;
            return value(&theirs.send(send, call.body).await?);
        }
        if call.command == "verify" {
            return theirs.verify(call.events).await;
        }
        theirs.call(call.command, call.arguments).await
    }

    /// Answers a command that brings no bytes.
    ///
    /// # Errors
    /// As the command says; an unknown command, or arguments of another version.
    pub async fn call(&self, command: &str, given: &Value) -> Result<Value, Failure> {
        match command {
            "status" => value(&self.0.status().await?),
            "progress" => {
                let orders: Orders = arguments(given)?;
                value(&self.0.progress(orders.orders).await?)
            }
            "prioritise" => {
                let to: Prioritise = arguments(given)?;
                let study = self.0.prioritise(&to.study, to.class).await?;
                Ok(json!({ "study": study }))
            }
            "withdraw" => {
                let what: Withdraw = arguments(given)?;
                let study = self.0.withdraw(&what.study, &what.reason).await?;
                Ok(json!({ "study": study }))
            }
            "allow" => {
                let allow: Allow = arguments(given)?;
                self.0.allow(&allow.title, !allow.remove).await?;
                Ok(json!({}))
            }
            "pause" | "resume" => {
                self.0.pause(command == "pause").await?;
                Ok(json!({}))
            }
            "audit-lines" => {
                let page: Page = arguments(given)?;
                self.0.audit_lines(page.after, page.xml).await
            }
            "audit-verify" => self.0.audit_verify().await,
            "audit-witnesses" => self.0.audit_witnesses().await,
            "reload" => {
                let settings: Settings = arguments(given)?;
                Ok(json!({ "restart": self.0.reload(settings).await? }))
            }
            "join" => {
                let join: Join = arguments(given)?;
                self.0.join(&join.invitation).await?;
                Ok(json!({}))
            }
            other => Err(Failure::new(format!("the daemon does not know `{other}`"))
                .fix("Restart the daemon after an upgrade")),
        }
    }

    async fn verify(&self, mut events: Events<'_>) -> Result<Value, Failure> {
        let (mut verifying, mut last) = (self.0.verify(), json!({}));
        while let Some((bytes, bad)) = verifying.step().await? {
            last = json!({ "bytes": bytes, "bad": bad });
            if events.send(&last).await.is_err() {
                break;
            }
        }
        Ok(last)
    }

    async fn send(&self, send: Send, mut body: Body<'_>) -> Result<Ticket, Failure> {
        let mut intake = self.0.intake(Given {
            folder: send.folder.into_bytes(),
            class: send.priority,
        })?;
        let cut = |e: karez_host::control::BodyError| Failure::new(e.to_string());
        while let Some(piece) = body.next().await.map_err(cut)? {
            intake.write(&piece).await?;
        }
        intake.finish().await
    }
}

fn arguments<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|_| {
        Failure::new("the daemon and the command line are of different versions")
            .fix("Restart the daemon after an upgrade")
    })
}

fn value<T: serde::Serialize>(from: &T) -> Result<Value, Failure> {
    serde_json::to_value(from).map_err(|e| Failure::new(format!("the answer is not JSON: {e}")))
}

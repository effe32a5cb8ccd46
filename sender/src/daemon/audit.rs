//! The audit log: what is asked of it, and its way to a syslog server.

use std::future::Future;
use std::sync::Arc;

use karez_host::Failure;
use karez_host::audit::Note;
use karez_host::audit::syslog::{self, Batch, Lines};
use karez_host::env::BoxFuture;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::Handle;
use crate::engine::{Command, Shared};

impl Handle {
    /// Adds a line to the audit log, such as of somebody who looks at names. It is durable within
    /// seconds.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn audit(&self, note: Note) -> Result<(), Failure> {
        let sent = self.engine.send(self.mine(Command::Audit(Box::new(note))));
        sent.await
            .map_err(|_| Failure::new("the daemon is stopping"))
    }

    /// Lines of the audit log after the line of this number, the oldest first: as JSON, or as
    /// DICOM audit messages.
    ///
    /// # Errors
    /// The disk's.
    pub async fn audit_lines(&self, after: u64, xml: bool) -> Result<Value, Failure> {
        self.ask(|reply| Command::AuditLines(after, xml, reply))
            .await?
    }

    /// Follows the chain of the audit log from end to end.
    ///
    /// # Errors
    /// The disk's.
    pub async fn audit_verify(&self) -> Result<Value, Failure> {
        self.ask(Command::AuditVerify).await?
    }

    /// The heads of the hub's audit log that receipts have shown.
    ///
    /// # Errors
    /// The disk's.
    pub async fn audit_witnesses(&self) -> Result<Value, Failure> {
        self.ask(Command::AuditWitnesses).await?
    }
}

struct AuditLines(mpsc::Sender<Command>);

/// Sends the audit log to the syslog server that is set, for ever.
pub(super) fn run(
    shared: &Shared,
    engine: mpsc::Sender<Command>,
) -> impl Future<Output = ()> + Send + use<> {
    let (env, dir) = (shared.env.clone(), shared.dir.clone());
    let settings = shared.settings.audit.clone();
    syslog::run(env, dir, settings, Arc::new(AuditLines(engine)))
}

impl Lines for AuditLines {
    fn after(&self, number: u64) -> BoxFuture<'_, Result<Batch, Failure>> {
        Box::pin(async move {
            let stopping = || Failure::new("the daemon is stopping");
            let (reply, answer) = oneshot::channel();
            let sent = self.0.send(Command::AuditBatch(number, reply)).await;
            sent.map_err(|_| stopping())?;
            answer.await.map_err(|_| stopping())?
        })
    }
}

//! How the scanners' way in speaks of storage commitment.

use karez_dimse::commitment::Report;
use karez_host::Failure;

use super::Handle;
use crate::engine::{About, Asked, Command, Due};

impl Handle {
    /// Takes a scanner's request; it is durable on return.
    ///
    /// # Errors
    /// Too many wait; the disk's.
    pub(crate) async fn ask_commitment(&self, asked: Asked) -> Result<(), Failure> {
        self.ask(|reply| Command::Commitment(About::Asked(asked, reply)))
            .await?
    }

    /// The scanners that can be told something.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub(crate) async fn due_commitments(&self) -> Result<Vec<Due>, Failure> {
        self.ask(|reply| Command::Commitment(About::Due(reply)))
            .await
    }

    /// What one is told; nothing once it was.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub(crate) async fn commitment_report(&self, id: u64) -> Result<Option<Report>, Failure> {
        self.ask(|reply| Command::Commitment(About::Report(id, reply)))
            .await
    }

    /// Notes that one was told. Should the daemon stop first, it is told once more.
    pub(crate) async fn commitment_told(&self, id: u64) {
        let told = Command::Commitment(About::Told(id));
        if self.engine.send(told).await.is_err() {
            tracing::debug!("the daemon is stopping; a scanner will be told once more");
        }
    }
}

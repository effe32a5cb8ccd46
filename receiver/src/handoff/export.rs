//! A parked instance as a file, for a person to look at.

use std::path::Path;
use std::sync::Arc;

use karez_host::Env;
use karez_host::Failure;
use karez_protocol::seal::HubKeys;
use karez_store::{File, OpenMode};
use tracing::info;

use crate::engine::{Job, Mailbox};
use crate::rebuild::{Reader, Rebuild, RebuildError, Segments};

/// Writes what can be rebuilt of an instance to a new file; how many bytes that are.
pub(crate) async fn export(
    env: Arc<dyn Env>,
    mailbox: Mailbox,
    ring: Arc<HubKeys>,
    job: &Job,
    to: &Path,
) -> Result<u64, Failure> {
    let file = env.disk().open(to, OpenMode::CreateNew);
    let file = file.map_err(|error| {
        Failure::new(format!("the file cannot be made: {error}"))
            .at(to.display())
            .fix("Give the path of a new file that the daemon's user may write")
    })?;
    let mut segments = Segments::new(env, Reader(mailbox), ring);
    let written = write(&mut segments, job, file).await?;
    info!(place = job.place.short(), "a parked instance was exported");
    Ok(written)
}

async fn write(segments: &mut Segments, job: &Job, file: Box<dyn File>) -> Result<u64, Failure> {
    let records = job.place.first..job.end;
    let rebuild = Rebuild::begin(segments, job.place.segment, records).await;
    let mut rebuild = rebuild.map_err(|e| broken(&e))?;
    let mut at = 0;
    while let Some(piece) = rebuild.next().await.map_err(|e| broken(&e))? {
        let written = file.write_at(at, &piece);
        written.map_err(|error| Failure::new(format!("the file cannot be written: {error}")))?;
        at += piece.len() as u64;
    }
    let synced = file.sync();
    synced.map_err(|error| Failure::new(format!("the file cannot be written: {error}")))?;
    Ok(at)
}

fn broken(error: &RebuildError) -> Failure {
    Failure::new(format!(
        "the instance cannot be rebuilt to its end: {error}"
    ))
    .fix("What was rebuilt is in the file; the clinic has the original")
}

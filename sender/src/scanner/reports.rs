//! Brings to scanners what they asked storage commitment for (PS3.4 J.3.3): on an association of our
//! own, again until the scanner answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use karez_dimse::commitment::Report;
use karez_dimse::scu::{Association, Contexts, Request};
use karez_dimse::{AeTitle, Error, Status};
use karez_host::env::BoxStream;
use karez_host::{Env, tls};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::known::{Caller, Scanners};
use super::settings::Dicom;
use crate::daemon::Handle;
use crate::engine::Due;
use crate::limits::{REPORT_PAUSE, REPORT_PAUSE_MAX};

/// What bringing a report needs.
struct Bringer {
    env: Arc<dyn Env>,
    dicom: Dicom,
    handle: Handle,
    scanners: Arc<Scanners>,
    pauses: BTreeMap<Caller, Pause>,
}

/// A scanner that could not be told.
struct Pause {
    until: Instant,
    length: Duration,
}

/// Works for ever; `bell` says that a request can be answered.
pub(crate) async fn bring(
    env: Arc<dyn Env>,
    dicom: Dicom,
    handle: Handle,
    (scanners, bell): (Arc<Scanners>, Arc<Notify>),
) {
    let mut bringer = Bringer {
        env,
        dicom,
        handle,
        scanners,
        pauses: BTreeMap::new(),
    };
    loop {
        match bringer.round().await {
            None => bell.notified().await,
            Some(next) => tokio::select! {
                biased;
                () = bell.notified() => {}
                () = bringer.env.sleep_until(next) => {}
            },
        }
    }
}

impl Bringer {
    /// Tries every scanner that can be told something and is not resting; when to look again.
    async fn round(&mut self) -> Option<Instant> {
        let due = self.handle.due_commitments().await.ok()?;
        let callers: Vec<Caller> = due.iter().map(caller).collect();
        self.pauses.retain(|caller, _| callers.contains(caller));
        for (one, caller) in due.iter().zip(callers) {
            let rests = self.pauses.get(&caller);
            if rests.is_none_or(|pause| pause.until <= self.env.now()) {
                self.tell(one, caller).await;
            }
        }
        self.pauses.values().map(|pause| pause.until).min()
    }

    async fn tell(&mut self, due: &Due, caller: Caller) {
        let Ok(Some(report)) = self.handle.commitment_report(due.id).await else {
            return;
        };
        let at = self.dicom.reports_at(&due.scanner, due.address);
        match self.brought(&at, &due.scanner, &report).await {
            Ok(status) => {
                let (kept, failed) = (report.committed.len(), report.failed.len());
                tracing::info!(scanner = due.scanner, kept, failed, %status, "a scanner was told what is kept");
                self.pauses.remove(&caller);
                self.scanners.told(&caller);
                self.handle.commitment_told(due.id).await;
            }
            Err(why) => {
                tracing::debug!(
                    scanner = due.scanner,
                    at,
                    why,
                    "a scanner could not be told"
                );
                self.scanners.untold(&caller, &at, &why);
                self.rest(caller);
            }
        }
    }

    fn rest(&mut self, caller: Caller) {
        let now = self.env.now();
        let pause = self.pauses.entry(caller).or_insert(Pause {
            until: now,
            length: REPORT_PAUSE,
        });
        pause.until = now + pause.length;
        pause.length = (pause.length * 2).min(REPORT_PAUSE_MAX);
    }

    /// One try: what the scanner answered, whatever that is, or why it heard nothing.
    async fn brought(&self, at: &str, title: &str, report: &Report) -> Result<Status, String> {
        let request = self.request(title)?;
        let stream = self.connect(at).await?;
        let said = |error: Error| error.to_string();
        let mut association = Association::open(stream, &request).await.map_err(said)?;
        let answer = association.report(report).await.map_err(said)?;
        if let Err(error) = association.release().await {
            tracing::debug!(%error, "an association for a report did not end in good order");
        }
        Ok(answer.status)
    }

    fn request(&self, called: &str) -> Result<Request, String> {
        let mut contexts = Contexts::new();
        let added = contexts.add_commitment();
        added.map_err(|error| error.to_string())?;
        let title = |text: &str| AeTitle::new(text).map_err(|error| error.to_string());
        Ok(Request {
            calling: title(&self.dicom.ae_title)?,
            called: title(called)?,
            contexts,
            reports: true,
            timeouts: self.dicom.config().timeouts,
        })
    }

    async fn connect(&self, at: &str) -> Result<BoxStream, String> {
        let connecting = self.env.connect_stream(at);
        let patience = self.dicom.config().timeouts.associate;
        let stream = tokio::time::timeout(patience, connecting).await;
        let stream = stream.map_err(|_| "no connection comes up".to_owned())?;
        let stream = stream.map_err(|error| error.to_string())?;
        match self.dicom.tls() {
            None => Ok(stream),
            Some(files) => {
                let secured =
                    tokio::time::timeout(patience, tls::connect(&self.env, &files, at, stream))
                        .await;
                let secured = secured.map_err(|_| "TLS does not come about".to_owned())?;
                secured.map_err(|error| error.to_string())
            }
        }
    }
}

fn caller(due: &Due) -> Caller {
    Caller {
        title: due.scanner.clone(),
        address: due.address,
    }
}

//! Works off instances: proves each, then hands it to every target that lacks it.

use std::sync::Arc;

use karez_host::Env;
use karez_protocol::manifest::Proof;
use karez_protocol::seal::HubKeys;
use tracing::{debug, warn};

use super::{Delivery, Item, Look, TargetError};
use crate::engine::{Express, Job, JobTarget, Mailbox, Message, News, Outcome};
use crate::rebuild::{Reader, Rebuild, RebuildError, Segments, prove};

/// One line of work.
pub(crate) struct Worker {
    env: Arc<dyn Env>,
    mailbox: Mailbox,
    segments: Segments,
    express: Express,
}

/// Why a hand-off stopped.
enum Stop {
    Rebuild(RebuildError),
    Target(TargetError),
    /// The engine could not make a step durable, or has ended.
    Engine,
}

impl Worker {
    pub(crate) fn new(
        env: Arc<dyn Env>,
        mailbox: Mailbox,
        ring: Arc<HubKeys>,
        express: Express,
    ) -> Self {
        let segments = Segments::new(env.clone(), Reader(mailbox.clone()), ring);
        Self {
            env,
            mailbox,
            segments,
            express,
        }
    }

    /// Works until the engine has ended.
    pub(crate) async fn run(mut self) {
        let express = self.express;
        while let Ok(job) = self.mailbox.ask(|job| Message::Idle(express, job)).await {
            let outcome = self.work(&job).await;
            if outcome != Outcome::Through {
                self.segments.forget();
            }
            let done = Message::Done(job.report(News::Through), outcome);
            if self.mailbox.tell(done).await.is_err() {
                return;
            }
        }
    }

    async fn work(&mut self, job: &Job) -> Outcome {
        let kept = match self.prove(job).await {
            Ok(kept) => kept,
            Err(stop) => return self.stopped(job, "", stop).await,
        };
        for target in &job.targets {
            let handed = self.hand_off(job, target, kept.as_deref()).await;
            let outcome = match handed {
                Ok(proof) => {
                    let news = News::Stored(target.name.clone(), proof);
                    self.report(job, news).await
                }
                Err(stop) => self.stopped(job, &target.name, stop).await,
            };
            if outcome != Outcome::Through {
                return outcome;
            }
        }
        Outcome::Through
    }

    async fn prove(&mut self, job: &Job) -> Result<Option<Vec<u8>>, Stop> {
        if !job.verify {
            return Ok(None);
        }
        let records = job.place.first..job.end;
        let expected = (job.fingerprint, job.length);
        let segment = job.place.segment;
        let proved = prove(&self.env, &mut self.segments, segment, records, expected).await;
        let kept = proved.map_err(Stop::Rebuild)?;
        match self.report(job, News::Verified).await {
            Outcome::Through => Ok(kept),
            _ => Err(Stop::Engine),
        }
    }

    async fn hand_off(
        &mut self,
        job: &Job,
        to: &JobTarget,
        kept: Option<&[u8]>,
    ) -> Result<Proof, Stop> {
        let item = Item {
            clinic: job.clinic_name.clone(),
            study: job.study,
            fingerprint: job.fingerprint,
            length: job.length,
        };
        let look = to.target.look(&item).await.map_err(Stop::Target)?;
        match look {
            Look::Same(proof) => return Ok(proof),
            Look::Other(what) if !to.replace => {
                return Err(Stop::Target(TargetError::Refused(what)));
            }
            Look::Other(_) | Look::Absent => {}
        }
        if self.report(job, News::Sending(to.name.clone())).await != Outcome::Through {
            return Err(Stop::Engine);
        }
        let mut delivery = to.target.begin(&item).await.map_err(Stop::Target)?;
        match kept {
            Some(bytes) => delivery.write(bytes.to_vec()).await.map_err(Stop::Target)?,
            None => self.stream(job, &mut *delivery).await?,
        }
        delivery.finish().await.map_err(Stop::Target)
    }

    /// The second pass. It is proved as well: bytes that changed on the disk since the first
    /// are not handed off.
    async fn stream(&mut self, job: &Job, to: &mut dyn Delivery) -> Result<(), Stop> {
        let records = job.place.first..job.end;
        let segment = job.place.segment;
        let rebuild = Rebuild::begin(&mut self.segments, segment, records).await;
        let mut rebuild = rebuild.map_err(Stop::Rebuild)?;
        let mut hasher = blake3::Hasher::new();
        while let Some(piece) = rebuild.next().await.map_err(Stop::Rebuild)? {
            hasher.update(&piece);
            to.write(piece).await.map_err(Stop::Target)?;
        }
        if hasher.finalize().as_bytes() == job.fingerprint.as_bytes() {
            Ok(())
        } else {
            Err(Stop::Rebuild(RebuildError::Fingerprint))
        }
    }

    async fn stopped(&self, job: &Job, target: &str, stop: Stop) -> Outcome {
        let place = job.place.short();
        let news = match stop {
            Stop::Rebuild(RebuildError::Lacks(segment, record)) => {
                return Outcome::Lacks(segment, record);
            }
            Stop::Rebuild(RebuildError::Later(why)) => return Outcome::Later(why),
            Stop::Engine => return Outcome::Later("the step could not be made durable".into()),
            Stop::Rebuild(error) => {
                warn!(place, %error, "an instance is parked: it cannot be rebuilt");
                News::Parked(String::new(), error.to_string())
            }
            Stop::Target(TargetError::Refused(why)) => {
                warn!(place, target, why, "an instance is parked by its target");
                News::Parked(target.to_owned(), why)
            }
            Stop::Target(TargetError::Down(why)) => {
                debug!(place, target, why, "a target takes nothing now");
                News::Down(target.to_owned(), why)
            }
        };
        // A target that is down says nothing of the others.
        self.report(job, news).await
    }

    async fn report(&self, job: &Job, news: News) -> Outcome {
        let report = job.report(news);
        let asked = self.mailbox.ask(|done| Message::Report(report, done));
        match asked.await {
            Ok(Ok(())) => Outcome::Through,
            Ok(Err(why)) => Outcome::Later(why),
            Err(ended) => Outcome::Later(ended.to_string()),
        }
    }
}

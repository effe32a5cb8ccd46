//! Works off instances: proves each, then hands it to every target that lacks it.

use std::sync::Arc;

use karez_host::Env;
use karez_protocol::id::Fingerprint;
use karez_protocol::manifest::Proof;
use karez_protocol::seal::HubKeys;
use tracing::{debug, warn};

use super::identity::{Content, first};
use super::item::item;
use super::{Delivery, Identity, Item, Look, NoIdentity, Seen, TargetError};
use crate::engine::{
    Claim, Express, Job, JobTarget, Mailbox, Message, News, Outcome, PatientClaim, Standing,
    Trouble,
};
use crate::rebuild::{Reader, Rebuild, RebuildError, Segments, prove};

/// It was read back.
const OTHER: &str = "the PACS has other bytes under this UID: leave them there (discard this one), or \
     delete them at the PACS and then release this one";

/// Of a patient number that is another's elsewhere.
pub(crate) const CONTESTED: &str = "another clinic has given this patient number to somebody else (other \
     name or birth date), and the archive would make one patient of the two: release it if it is the \
     same person or the archive tells them apart; else correct the number at the clinic, send again, and \
     discard this";

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
    /// The target was given all bytes and did not say what it did with them.
    Unknown(String),
    /// It was given all bytes and said that it did not take them; it may have kept them all the same.
    Denied(String),
    /// Another instance of the same UID is on its way there.
    Busy,
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
        let identity = match self.identity(job, kept.as_deref()).await {
            Ok(identity) => identity,
            Err(stop) => return self.stopped(job, "", stop).await,
        };
        for target in &job.targets {
            let item = item(job, target, &identity);
            let handed = self.hand_off(job, target, item, kept.as_deref()).await;
            let outcome = match handed {
                Ok((proof, content)) => {
                    let news = News::Stored(target.name.clone(), proof, content);
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

    /// What DICOM calls the instance, if a target wants to know.
    async fn identity(
        &mut self,
        job: &Job,
        kept: Option<&[u8]>,
    ) -> Result<Result<Identity, NoIdentity>, Stop> {
        if !job.targets.iter().any(|to| to.target.keeps_by_uid()) {
            return Ok(Err(NoIdentity::NotPart10));
        }
        if let Some(bytes) = kept {
            return Ok(Identity::read(bytes));
        }
        first(&mut self.segments, job).await.map_err(Stop::Rebuild)
    }

    async fn hand_off(
        &mut self,
        job: &Job,
        to: &JobTarget,
        mut item: Item,
        kept: Option<&[u8]>,
    ) -> Result<(Proof, Option<Fingerprint>), Stop> {
        let standing = self.standing(job, to, &item, kept).await?;
        self.patient(job, to, &item).await?;
        item.other_given = matches!(standing, Standing::Other(_));
        let look = to.target.look(&item).await.map_err(Stop::Target)?;
        let look = self.compared(job, &item, look, kept).await?;
        #[cfg(feature = "mutants")]
        let look = match karez_store::mutant::is_on(karez_store::mutant::Mutant::NoQuestion) {
            true => Look::Absent,
            false => look,
        };
        if matches!(look, Look::There(_) | Look::Same(_)) {
            let (place, ours) = (job.place.short(), standing == Standing::Ours);
            debug!(place, target = to.name, ours, "the target has it already");
        }
        match look {
            Look::Same(proof) => return Ok((proof, None)),
            // Put there before a crash, or for a record before this one.
            Look::There(_) if standing == Standing::Ours => return Ok((Proof::Query, None)),
            Look::There(what) => return Err(Stop::Target(TargetError::Refused(what))),
            Look::Other(what) if !to.replace => {
                return Err(Stop::Target(TargetError::Refused(what)));
            }
            Look::Other(_) | Look::Absent | Look::Holds(_) => {}
        }
        if self.report(job, News::Sending(to.name.clone())).await != Outcome::Through {
            return Err(Stop::Engine);
        }
        #[cfg(feature = "mutants")]
        if karez_store::mutant::is_on(karez_store::mutant::Mutant::LedgerFirst) {
            let news = News::Stored(to.name.clone(), Proof::Status, None);
            self.report(job, news).await;
        }
        match self.send(job, to, &item, kept).await {
            Err(Stop::Target(TargetError::There(_))) if standing == Standing::Ours => {
                Ok((Proof::Query, None))
            }
            // What it was given in full, or before this attempt, it may have: a question tells.
            Err(stop @ (Stop::Unknown(_) | Stop::Denied(_))) => Err(stop),
            Err(stop) if standing != Standing::Ours => {
                match self.report(job, News::NotGiven(to.name.clone())).await {
                    Outcome::Through => Err(stop),
                    _ => Err(Stop::Engine),
                }
            }
            other => other,
        }
    }

    /// Whether the archive may hear of this patient number.
    async fn patient(&self, job: &Job, to: &JobTarget, item: &Item) -> Result<(), Stop> {
        let patient = item.identity.as_ref().ok().and_then(|i| i.patient.clone());
        let Some(patient) = patient.filter(|_| to.target.keeps_by_uid()) else {
            return Ok(());
        };
        let claim = Box::new(PatientClaim {
            clinic: job.clinic,
            place: job.place,
            patient,
            released: to.replace,
        });
        let asked = self.mailbox.ask(|answer| Message::Patient(claim, answer));
        match asked.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Stop::Target(TargetError::Refused(CONTESTED.into()))),
            Err(_) => Err(Stop::Engine),
        }
    }

    /// Compares what was read back with the instance: its bytes, or else what counts of them.
    async fn compared(
        &mut self,
        job: &Job,
        item: &Item,
        look: Look,
        kept: Option<&[u8]>,
    ) -> Result<Look, Stop> {
        let Look::Holds(seen) = look else {
            return Ok(look);
        };
        let same = Look::Same(Proof::ReadBack);
        if seen.iter().any(|seen| seen.whole == job.fingerprint) {
            return Ok(same);
        }
        let mut content = Content::of(item);
        match kept {
            Some(bytes) => content.take(bytes),
            None => self.read(job, &mut content).await?,
        }
        let ours = content.finish();
        let same_content = |seen: &Seen| seen.content.is_some() && seen.content == ours;
        let same_content = seen.iter().any(same_content);
        #[cfg(feature = "mutants")]
        let same_content =
            same_content || karez_store::mutant::is_on(karez_store::mutant::Mutant::OtherBytesOurs);
        match same_content {
            true => Ok(same),
            // Releasing it helps only when they are gone: a PACS keeps the first and says success.
            false => Ok(Look::There(OTHER.into())),
        }
    }

    /// Asks the engine for the UID, where the target keeps by UID, and what was given under it.
    /// The same content in a file of another form is no other version (FIELD T1).
    async fn standing(
        &mut self,
        job: &Job,
        to: &JobTarget,
        item: &Item,
        kept: Option<&[u8]>,
    ) -> Result<Standing, Stop> {
        let Ok(identity) = &item.identity else {
            return Ok(Standing::New);
        };
        if !to.target.keeps_by_uid() {
            return Ok(Standing::New);
        }
        let mut claim = Claim {
            clinic: job.clinic,
            place: job.place,
            fingerprint: job.fingerprint,
            target: to.name.clone(),
            uid: identity.sop_instance.clone(),
        };
        let standing = self.claim(&claim).await?;
        let Standing::Other(Some(version)) = standing else {
            return Ok(standing);
        };
        let mut content = Content::of(item);
        match kept {
            Some(bytes) => content.take(bytes),
            None => self.read(job, &mut content).await?,
        }
        if content.finish() != Some(version.content) {
            return Ok(standing);
        }
        claim.fingerprint = version.fingerprint;
        self.claim(&claim).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Standing, Stop> {
        let claim = Box::new(claim.clone());
        let asked = self.mailbox.ask(|answer| Message::Claim(claim, answer));
        match asked.await {
            Ok(Standing::Busy) => Err(Stop::Busy),
            Ok(standing) => Ok(standing),
            Err(_) => Err(Stop::Engine),
        }
    }

    async fn send(
        &mut self,
        job: &Job,
        to: &JobTarget,
        item: &Item,
        kept: Option<&[u8]>,
    ) -> Result<(Proof, Option<Fingerprint>), Stop> {
        let mut delivery = to.target.begin(item).await.map_err(Stop::Target)?;
        let mut content = Content::of(item);
        match kept {
            Some(bytes) => {
                content.take(bytes);
                delivery.write(bytes.to_vec()).await.map_err(Stop::Target)?;
            }
            None => self.stream(job, &mut *delivery, &mut content).await?,
        }
        let proof = delivery.finish().await.map_err(|error| match error {
            TargetError::Broke(why) => Stop::Unknown(why),
            TargetError::Later(why) => Stop::Denied(why),
            error => Stop::Target(error),
        })?;
        Ok((proof, content.finish()))
    }

    /// A pass for the content alone.
    async fn read(&mut self, job: &Job, content: &mut Content) -> Result<(), Stop> {
        let records = job.place.first..job.end;
        let rebuild = Rebuild::begin(&mut self.segments, job.place.segment, records).await;
        let mut rebuild = rebuild.map_err(Stop::Rebuild)?;
        while let Some(piece) = rebuild.next().await.map_err(Stop::Rebuild)? {
            content.take(&piece);
        }
        Ok(())
    }

    /// The second pass. It is proved as well: the last piece goes only when all were right, so
    /// that bytes that changed on the disk since the first pass never make a whole instance.
    async fn stream(
        &mut self,
        job: &Job,
        to: &mut dyn Delivery,
        content: &mut Content,
    ) -> Result<(), Stop> {
        let records = job.place.first..job.end;
        let segment = job.place.segment;
        let rebuild = Rebuild::begin(&mut self.segments, segment, records).await;
        let mut rebuild = rebuild.map_err(Stop::Rebuild)?;
        let mut hasher = blake3::Hasher::new();
        let mut held = Vec::new();
        while let Some(piece) = rebuild.next().await.map_err(Stop::Rebuild)? {
            hasher.update(&piece);
            content.take(&piece);
            let before = std::mem::replace(&mut held, piece);
            to.write(before).await.map_err(Stop::Target)?;
        }
        let right = hasher.finalize().as_bytes() == job.fingerprint.as_bytes();
        #[cfg(feature = "mutants")]
        let right =
            right || karez_store::mutant::is_on(karez_store::mutant::Mutant::FingerprintUnproved);
        if !right {
            return Err(Stop::Rebuild(RebuildError::Fingerprint));
        }
        to.write(held).await.map_err(Stop::Target)
    }

    async fn stopped(&self, job: &Job, target: &str, stop: Stop) -> Outcome {
        let place = job.place.short();
        let news = match stop {
            Stop::Rebuild(RebuildError::Lacks(segment, record)) => {
                return Outcome::Lacks(segment, record);
            }
            Stop::Rebuild(RebuildError::Later(why)) => return Outcome::Later(why),
            Stop::Engine => return Outcome::Later("the step could not be made durable".into()),
            Stop::Busy => return Outcome::Later("another of its UID is on its way".into()),
            Stop::Rebuild(error) => {
                warn!(place, %error, "an instance is parked: it cannot be rebuilt");
                News::Parked(String::new(), error.to_string())
            }
            Stop::Target(TargetError::Refused(why) | TargetError::There(why)) => {
                warn!(place, target, why, "an instance is parked by its target");
                News::Parked(target.to_owned(), why)
            }
            Stop::Target(TargetError::Down(why)) => {
                debug!(place, target, why, "a target takes nothing now");
                News::Down(target.to_owned(), why)
            }
            Stop::Target(TargetError::Later(why)) | Stop::Denied(why) => {
                News::Trouble(target.to_owned(), Trouble::Unwilling, why)
            }
            Stop::Target(TargetError::Broke(why)) | Stop::Unknown(why) => {
                News::Trouble(target.to_owned(), Trouble::Broke, why)
            }
        };
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

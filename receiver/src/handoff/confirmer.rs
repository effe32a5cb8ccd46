//! Asks targets whether they keep what they have stored.

use std::sync::Arc;

use karez_dimse::Uid;
use karez_host::Env;
use karez_protocol::manifest::Proof;
use karez_protocol::seal::HubKeys;

use super::identity::{Content, first};
use super::reports::Reports;
use super::{Item, Verdict};
use crate::engine::{ConfirmJob, Confirmed, Job, Mailbox, Message};
use crate::rebuild::{Reader, Rebuild, RebuildError, Segments};

/// One line of questions.
pub(crate) struct Confirmer {
    env: Arc<dyn Env>,
    mailbox: Mailbox,
    segments: Segments,
    reports: Arc<Reports>,
}

impl Confirmer {
    pub(crate) fn new(
        env: Arc<dyn Env>,
        mailbox: Mailbox,
        ring: Arc<HubKeys>,
        reports: Arc<Reports>,
    ) -> Self {
        let segments = Segments::new(env.clone(), Reader(mailbox.clone()), ring);
        Self {
            env,
            mailbox,
            segments,
            reports,
        }
    }

    /// Works until the engine has ended.
    pub(crate) async fn run(mut self) {
        while let Ok(job) = self.mailbox.ask(Message::ConfirmerIdle).await {
            let answers = self.ask(&job).await;
            self.segments.forget();
            let done = Message::ConfirmerDone(job.name, answers);
            if self.mailbox.tell(done).await.is_err() {
                return;
            }
        }
    }

    async fn ask(&mut self, job: &ConfirmJob) -> Vec<(super::Whose, Confirmed)> {
        let (mut answers, mut whose, mut items) = (Vec::new(), Vec::new(), Vec::new());
        for one in &job.jobs {
            let place = (one.clinic, one.place);
            match self.item(one, job.target.reads_back()).await {
                Ok(item) if item.identity.is_ok() => {
                    whose.push(place);
                    items.push(item);
                }
                Ok(_) => answers.push((place, Confirmed::No("it has no UIDs".into()))),
                Err(error) => answers.push((place, Confirmed::No(error.to_string()))),
            }
        }
        let transaction = self.transaction();
        let named = items.iter().filter_map(|item| item.identity.as_ref().ok());
        let uids = named.map(|identity| identity.sop_instance.clone());
        let expected = uids.zip(whose.iter().copied()).collect();
        self.reports.expect(&transaction, &job.name, expected);
        let verdicts = job.target.confirm(&items, &transaction).await;
        if !verdicts.contains(&Verdict::Asked) {
            self.reports.forget(&transaction);
        }
        answers.extend(whose.into_iter().zip(verdicts.into_iter().map(confirmed)));
        answers
    }

    /// What a target is told of an instance, with its content where it is to be compared.
    async fn item(&mut self, job: &Job, with_content: bool) -> Result<Item, RebuildError> {
        let identity = first(&mut self.segments, job).await?;
        let mut item = Item {
            clinic: job.clinic_name.clone(),
            study: job.study,
            fingerprint: job.fingerprint,
            content: None,
            length: job.length,
            identity,
            other_given: false,
            released: false,
            alone: false,
            calling: None,
            in_doubt: true,
        };
        if with_content && item.identity.is_ok() {
            let mut content = Content::of(&item);
            let records = job.place.first..job.end;
            let segment = job.place.segment;
            let mut rebuild = Rebuild::begin(&mut self.segments, segment, records).await?;
            while let Some(piece) = rebuild.next().await? {
                content.take(&piece);
            }
            item.content = content.finish();
        }
        Ok(item)
    }

    /// A new name for a transaction: a UUID-derived UID (PS3.5 B.2).
    fn transaction(&self) -> Uid {
        let mut random = [0; 16];
        self.env.entropy(&mut random);
        Uid::new(&format!("2.25.{}", u128::from_le_bytes(random)))
    }
}

fn confirmed(verdict: Verdict) -> Confirmed {
    match verdict {
        Verdict::Kept(proof) => Confirmed::Yes(proof),
        Verdict::Asked => Confirmed::Asked,
        Verdict::NotKept(why) => Confirmed::No(why),
    }
}

/// What a commitment report says of one instance.
pub(super) fn reported(failed: Option<karez_dimse::commitment::Reason>) -> Confirmed {
    match failed {
        None => Confirmed::Yes(Proof::Commitment),
        Some(reason) => Confirmed::No(format!(
            "the PACS does not commit to it (reason {reason}): if it was deleted there by mistake, \
             hand it off again with `handoff resend`"
        )),
    }
}

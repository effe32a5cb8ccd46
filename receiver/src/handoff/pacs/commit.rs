//! "Do you keep it?" By storage commitment where the PACS and our own port allow it, else by C-FIND.

use std::sync::Arc;

use karez_dimse::commitment::{Reference, Transaction};
use karez_dimse::scu::{Association, Contexts};
use karez_dimse::{Error, Status, Uid};
use karez_host::env::BoxStream;
use karez_protocol::manifest::Proof;

use super::ask::{self, Asked};
use super::pool::Pool;
use super::words;
use crate::handoff::reports::Port;
use crate::handoff::{Item, Look, Verdict};

/// It is in no answer.
const GONE: &str = "the PACS does not have it any more: if it was deleted there by mistake, hand it \
     off again with `handoff resend`";

/// Whether a PACS keeps these; one verdict each.
pub(super) async fn confirm(
    pool: &Arc<Pool>,
    asked: &Asked,
    items: &[Item],
    transaction: &Uid,
    port: &Port,
) -> Vec<Verdict> {
    if pool.peer().commitment && matches!(port, Port::Open(_)) {
        match by_commitment(pool, items, transaction).await {
            // It does not do that at all.
            Err(Error::ContextNotAccepted(_)) => {}
            Err(error) => return all(items, words::silent_on_commitment(pool.peer(), &error)),
            Ok(Status::SUCCESS) => return vec![Verdict::Asked; items.len()],
            Ok(status) => {
                return all(items, words::evasive_on_commitment(status));
            }
        }
    }
    if !pool.peer().find {
        return all(items, words::CANNOT_CONFIRM.to_owned());
    }
    let mut verdicts = Vec::new();
    for item in items {
        verdicts.push(by_question(pool, asked, item).await);
    }
    verdicts
}

/// Whether the PACS takes requests for commitment.
pub(super) async fn offered(pool: &Arc<Pool>) -> Result<(), Error> {
    let association = open(pool).await?;
    let class = Uid::new(karez_dimse::uid::STORAGE_COMMITMENT);
    let syntax = Uid::new(karez_dimse::uid::IMPLICIT_LE);
    let accepted = association.accepts(&class, &syntax);
    done(association).await;
    accepted.map_err(Error::ContextNotAccepted)
}

fn all(items: &[Item], why: String) -> Vec<Verdict> {
    vec![Verdict::NotKept(why); items.len()]
}

async fn by_commitment(
    pool: &Arc<Pool>,
    items: &[Item],
    transaction: &Uid,
) -> Result<Status, Error> {
    let named = items.iter().filter_map(|item| item.identity.as_ref().ok());
    let reference = |identity: &crate::handoff::Identity| Reference {
        sop_class: identity.sop_class.clone(),
        sop_instance: identity.sop_instance.clone(),
    };
    let transaction = Transaction {
        uid: transaction.clone(),
        references: named.map(reference).collect(),
    };
    let mut association = open(pool).await?;
    let answer = association.commit(&transaction).await?;
    done(association).await;
    Ok(answer.status)
}

async fn open(pool: &Arc<Pool>) -> Result<Association<BoxStream>, Error> {
    let mut contexts = Contexts::new();
    contexts.add_commitment()?;
    pool.open(&contexts).await
}

async fn done(association: Association<BoxStream>) {
    if let Err(error) = association.release().await {
        tracing::debug!(%error, "an association for commitment did not end in good order");
    }
}

async fn by_question(pool: &Arc<Pool>, asked: &Asked, item: &Item) -> Verdict {
    let Ok(identity) = &item.identity else {
        return Verdict::NotKept(words::CANNOT_CONFIRM.to_owned());
    };
    match ask::look(pool, asked, item, identity).await {
        Ok(Look::Absent) => Verdict::NotKept(GONE.to_owned()),
        Ok(_) => Verdict::Kept(Proof::Query),
        Err(error) => Verdict::NotKept(error.to_string()),
    }
}

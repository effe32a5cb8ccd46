//! One C-STORE: the instance's data set, byte for byte as it came in pieces.

use std::io;
use std::sync::Arc;

use karez_dimse::Error;
use karez_dimse::command::Priority;
use karez_dimse::scu::{Answer, Outgoing};
use karez_host::env::BoxFuture;
use karez_protocol::manifest::Proof;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::ask::Asked;
use super::pool::{Lease, Pool};
use super::{pair, want, words};
use crate::handoff::{Delivery, Identity, Item, TargetError};
use crate::limits::PACS_PIPE;

/// An instance on its way. Dropped before its end, its association is aborted.
struct Sending {
    pool: Arc<Pool>,
    asked: Arc<Asked>,
    identity: Identity,
    /// Bytes before the data set that are still to be passed over.
    head: u64,
    /// A byte that makes the length even.
    pad: bool,
    pipe: DuplexStream,
    exchange: Exchange,
}

type Exchange = JoinHandle<(Lease, Result<Answer, Error>)>;

/// Begins to hand an instance over.
pub(super) async fn begin(
    pool: &Arc<Pool>,
    asked: &Arc<Asked>,
    item: &Item,
    identity: &Identity,
) -> Result<Box<dyn Delivery>, TargetError> {
    let lease = pool.lease(&pair(identity), &want(item)).await;
    let lease = lease.map_err(|error| words::unreachable(pool.peer(), &error))?;
    let accepted = lease
        .association
        .accepts(&identity.sop_class, &identity.transfer_syntax);
    if let Err(why) = accepted {
        pool.give_back(lease);
        return Err(TargetError::Refused(format!("{}: {why}", words::CLASS)));
    }
    let length = item.length.saturating_sub(identity.data_set);
    let outgoing = Outgoing {
        sop_class: identity.sop_class.clone(),
        sop_instance: identity.sop_instance.clone(),
        transfer_syntax: identity.transfer_syntax.clone(),
        priority: Priority::Medium,
        length: length + length % 2,
    };
    let (pipe, end) = duplex(PACS_PIPE);
    Ok(Box::new(Sending {
        pool: pool.clone(),
        asked: asked.clone(),
        identity: identity.clone(),
        head: identity.data_set,
        pad: length % 2 == 1,
        pipe,
        exchange: tokio::spawn(exchange(lease, outgoing, end)),
    }))
}

async fn exchange(
    mut lease: Lease,
    outgoing: Outgoing,
    mut data: DuplexStream,
) -> (Lease, Result<Answer, Error>) {
    let answer = lease.association.store(&outgoing, &mut data).await;
    (lease, answer)
}

impl Delivery for Sending {
    fn write(&mut self, piece: Vec<u8>) -> BoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async move {
            let skip = usize::try_from(self.head)
                .unwrap_or(usize::MAX)
                .min(piece.len());
            self.head -= skip as u64;
            let rest = piece.get(skip..).unwrap_or_default();
            match self.pipe.write_all(rest).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.why_it_ended(&error).await),
            }
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<Proof, TargetError>> {
        Box::pin(async move {
            if self.pad {
                // An error here is the exchange's, which is asked next.
                let _ = self.pipe.write_all(&[0]).await;
            }
            let ended = (&mut self.exchange).await;
            let (lease, answer) = ended.map_err(|_| bug())?;
            let answer = answer.map_err(|error| {
                self.asked.given(&self.identity, false);
                words::broke_off(&error)
            })?;
            let verdict = words::judged(self.pool.peer(), answer.status);
            self.pool.give_back(lease);
            if verdict.is_ok() {
                self.asked.given(&self.identity, true);
            }
            verdict.map(|()| Proof::Status)
        })
    }
}

impl Sending {
    /// The exchange no longer takes bytes: it ended before its time.
    async fn why_it_ended(&mut self, error: &io::Error) -> TargetError {
        self.asked.given(&self.identity, false);
        match (&mut self.exchange).await {
            Ok((_, Err(error))) => words::broke_off(&error),
            Ok((_, Ok(_))) => TargetError::Broke(format!("more bytes than announced: {error}")),
            Err(_) => bug(),
        }
    }
}

fn bug() -> TargetError {
    TargetError::Broke("the exchange with the PACS ended by a bug: see the log".into())
}

//! A PACS as a target: asked by C-FIND before it is given anything, given data set bytes untouched
//! by C-STORE, each in its own transfer syntax.

mod ask;
mod commit;
mod delivery;
mod peer;
mod pool;
mod test;
mod words;

use std::sync::Arc;

use karez_dimse::Uid;
use karez_dimse::uid::DEFLATED_LE;
use karez_host::Env;
use karez_host::env::BoxFuture;

pub use peer::{Peer, PeerError};

use super::{Ability, Delivery, Identity, Item, Look, Port, Reports, Target, TargetError, Verdict};
use ask::Asked;
use pool::{Pool, Want};

/// A PACS.
pub(crate) struct Pacs {
    pool: Arc<Pool>,
    asked: Arc<Asked>,
    reports: Arc<Reports>,
}

impl Pacs {
    /// The PACS at `peer`.
    #[must_use]
    pub(crate) fn new(env: Arc<dyn Env>, peer: Peer, reports: Arc<Reports>) -> Self {
        Self {
            pool: Arc::new(Pool::new(env, peer)),
            asked: Arc::default(),
            reports,
        }
    }
}

impl Target for Pacs {
    fn look<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Result<Look, TargetError>> {
        Box::pin(async move {
            let identity = sendable(item)?;
            if self.pool.peer().find {
                return ask::look(&self.pool, &self.asked, item, identity).await;
            }
            let collides = item.other_given && !self.pool.peer().all_versions;
            let doubtful = collides && !item.released;
            Ok(match doubtful {
                true => Look::There(words::CANNOT_BE_ASKED.into()),
                false => Look::Absent,
            })
        })
    }

    fn begin<'a>(
        &'a self,
        item: &'a Item,
    ) -> BoxFuture<'a, Result<Box<dyn Delivery>, TargetError>> {
        Box::pin(async move {
            let identity = sendable(item)?;
            delivery::begin(&self.pool, &self.asked, item, identity).await
        })
    }

    fn test(&self) -> BoxFuture<'_, Vec<Ability>> {
        Box::pin(test::test(&self.pool, self.reports.port()))
    }

    fn confirms(&self) -> bool {
        let peer = self.pool.peer();
        peer.find || (peer.commitment && self.reports.port() != Port::Off)
    }

    fn confirm<'a>(
        &'a self,
        items: &'a [Item],
        transaction: &'a Uid,
    ) -> BoxFuture<'a, Vec<Verdict>> {
        let port = self.reports.port();
        Box::pin(async move {
            commit::confirm(&self.pool, &self.asked, items, transaction, &port).await
        })
    }

    fn keeps_by_uid(&self) -> bool {
        true
    }

    fn stores_after_a_cut(&self) -> bool {
        self.pool.peer().find
    }
}

/// What DICOM needs to know of an item; an item that no PACS can take is refused here.
fn sendable(item: &Item) -> Result<&Identity, TargetError> {
    let refused = |why: &dyn std::fmt::Display| TargetError::Refused(why.to_string());
    let identity = item.identity.as_ref().map_err(|why| refused(why))?;
    let length = item.length.saturating_sub(identity.data_set);
    let deflated = identity.transfer_syntax.as_str() == DEFLATED_LE;
    match length % 2 == 1 && !deflated {
        true => Err(refused(&words::ODD)),
        false => Ok(identity),
    }
}

fn want(item: &Item) -> Want {
    Want {
        new: item.alone,
        calling: item.calling.clone(),
    }
}

fn pair(identity: &Identity) -> pool::Pair {
    (identity.sop_class.clone(), identity.transfer_syntax.clone())
}

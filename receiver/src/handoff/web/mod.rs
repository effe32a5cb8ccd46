//! A DICOMweb service as a target: asked by QIDO-RS and WADO-RS before it is given anything, given
//! whole files untouched by STOW-RS, one in a request.

mod answer;
mod ask;
mod boundary;
mod client;
mod parts;
mod service;
mod stow;
mod words;

use std::sync::Arc;

use karez_dimse::Uid;
use karez_host::Env;
use karez_host::env::BoxFuture;
use karez_protocol::manifest::Proof;

pub use service::{Service, ServiceError};
pub(super) use service::{file, named, own};

use super::{Ability, Delivery, Identity, Item, Look, Seen, Target, TargetError, Verdict};
use client::Client;

/// A DICOMweb service.
pub(crate) struct Web {
    client: Arc<Client>,
}

impl Web {
    /// The service at this address.
    #[must_use]
    pub(crate) fn new(env: Arc<dyn Env>, service: Service) -> Self {
        let client = Arc::new(Client { env, service });
        Self { client }
    }
}

impl Target for Web {
    fn look<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Result<Look, TargetError>> {
        Box::pin(async move {
            let identity = sendable(item)?;
            if self.client.service.find {
                return ask::look(&self.client, item, identity).await;
            }
            Ok(match item.other_given && !item.released {
                true => Look::There(words::CANNOT_BE_ASKED.into()),
                false => Look::Absent,
            })
        })
    }

    fn begin<'a>(
        &'a self,
        item: &'a Item,
    ) -> BoxFuture<'a, Result<Box<dyn Delivery>, TargetError>> {
        Box::pin(async move { stow::begin(&self.client, item, sendable(item)?).await })
    }

    fn test(&self) -> BoxFuture<'_, Vec<Ability>> {
        Box::pin(async {
            let service = &self.client.service;
            let (fault, note) = match service.find {
                true => (ask::answers(&self.client).await.err(), None),
                false => (None, service.risk()),
            };
            vec![Ability {
                name: "QIDO",
                fault: fault.map(|error| error.to_string()),
                note: note.map(|risk| format!("switched off (find=no): {risk}")),
            }]
        })
    }

    fn confirms(&self) -> bool {
        self.client.service.find
    }

    fn reads_back(&self) -> bool {
        self.client.service.find
    }

    fn confirm<'a>(&'a self, items: &'a [Item], _: &'a Uid) -> BoxFuture<'a, Vec<Verdict>> {
        Box::pin(async move {
            let mut verdicts = Vec::new();
            for item in items {
                verdicts.push(self.kept(item).await);
            }
            verdicts
        })
    }

    fn keeps_by_uid(&self) -> bool {
        true
    }

    fn stores_after_a_cut(&self) -> bool {
        self.client.service.find
    }
}

impl Web {
    /// Whether what it gives out is what it was given.
    pub(super) async fn kept(&self, item: &Item) -> Verdict {
        let looked = match sendable(item) {
            Ok(identity) => ask::look(&self.client, item, identity).await,
            Err(error) => Err(error),
        };
        let same = |seen: &Seen| {
            let content = seen.content.is_some() && seen.content == item.content;
            content || seen.whole == item.fingerprint
        };
        match looked {
            Ok(Look::Holds(seen)) if seen.iter().any(same) => Verdict::Kept(Proof::ReadBack),
            Ok(Look::Absent) => Verdict::NotKept(words::GONE.into()),
            Ok(_) => Verdict::NotKept(words::OTHER.into()),
            Err(error) => Verdict::NotKept(error.to_string()),
        }
    }
}

/// What DICOM needs to know of an item; what no PACS can take is refused here.
fn sendable(item: &Item) -> Result<&Identity, TargetError> {
    let identity = item.identity.as_ref();
    identity.map_err(|why| TargetError::Refused(why.to_string()))
}

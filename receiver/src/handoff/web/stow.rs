//! One STOW-RS request for one instance, piece by piece, its length told first.

use std::sync::Arc;

use bytes::Bytes;
use karez_dimse::Uid;
use karez_host::env::BoxFuture;
use karez_protocol::manifest::Proof;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::judged;
use super::boundary::Boundary;
use super::client::{Client, Fault};
use super::words;
use crate::handoff::{Delivery, Identity, Item, TargetError};
use crate::limits::{PACS_SILENCE, WEB_ANSWER, WEB_PIECES};

/// An instance on its way. Dropped before its end, its connection is cut.
struct Sending {
    client: Arc<Client>,
    uid: Uid,
    boundary: Boundary,
    pipe: mpsc::Sender<Bytes>,
    exchange: Exchange,
}

/// The task of a request: the answer's status and body.
struct Exchange(JoinHandle<Result<(u16, Vec<u8>), Fault>>);

/// Begins to hand an instance over.
pub(super) async fn begin(
    client: &Arc<Client>,
    item: &Item,
    identity: &Identity,
) -> Result<Box<dyn Delivery>, TargetError> {
    let boundary = Boundary::new(&*client.env);
    let (opening, closing) = (boundary.opening(), boundary.closing());
    let length = item.length + (opening.len() + closing.len()) as u64;
    let (pipe, from) = mpsc::channel(WEB_PIECES);
    let kinds = (&*boundary.kind(), "application/dicom+json");
    let request = client.post("/studies", kinds, (from, length));
    let request = request.map_err(|fault| words::unreachable(&client.service, &fault))?;
    let asking = client.clone();
    let exchange = Exchange(tokio::spawn(async move {
        let reply = asking.exchange(request).await?;
        let status = reply.status();
        Ok((status, reply.whole(WEB_ANSWER).await?))
    }));
    let mut sending = Sending {
        client: client.clone(),
        uid: identity.sop_instance.clone(),
        boundary,
        pipe,
        exchange,
    };
    sending.give(opening.into_bytes()).await?;
    Ok(Box::new(sending))
}

impl Delivery for Sending {
    fn write(&mut self, piece: Vec<u8>) -> BoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async move {
            if piece.is_empty() {
                return Ok(());
            }
            if self.boundary.occurs(&piece) {
                return Err(TargetError::Later(
                    "a random text occurs in the instance".into(),
                ));
            }
            self.give(piece).await
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<Proof, TargetError>> {
        Box::pin(async move {
            self.give(self.boundary.closing().into_bytes()).await?;
            self.answered().await.map(|()| Proof::Status)
        })
    }
}

impl Sending {
    async fn give(&mut self, piece: Vec<u8>) -> Result<(), TargetError> {
        let given = timeout(PACS_SILENCE, self.pipe.send(piece.into())).await;
        match given {
            Ok(Ok(())) => Ok(()),
            // The service has answered before the end, or broke off.
            Ok(Err(_)) => match self.answered().await {
                Ok(()) => Err(TargetError::Broke("it answered before the end".into())),
                Err(error) => Err(error),
            },
            Err(_) => Err(words::broke_off(&self.client.service, &Fault::Silent)),
        }
    }

    async fn answered(&mut self) -> Result<(), TargetError> {
        let ended = timeout(PACS_SILENCE, &mut self.exchange.0).await;
        let answer = match ended {
            Err(_) => Err(Fault::Silent),
            Ok(Err(_)) => Err(Fault::Broke("by a bug: see the log".into())),
            Ok(Ok(answer)) => answer,
        };
        let (status, body) =
            answer.map_err(|fault| words::broke_off(&self.client.service, &fault))?;
        judged(&self.uid, status, &body)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! One association, from its request to its end.

use std::net::IpAddr;
use std::sync::Arc;

use karez_dimse::commitment::Transaction;
use karez_dimse::scp::{Association, Peer, Policy, Request};
use karez_dimse::uid::{STORAGE_COMMITMENT, VERIFICATION};
use karez_dimse::{ContextRefusal, Error, RejectReason, Rejection, Status, Uid};
use karez_host::env::BoxStream;

use super::known::Caller;
use super::{Door, instance};
use crate::engine::Asked;
use crate::ingest::Given;

/// Characters of a UID (PS3.5 9.1).
const UID_LONGEST: usize = 64;

/// Who may do what on a connection.
struct Doorman<'a> {
    door: &'a Door,
    from: IpAddr,
    crowded: bool,
}

impl Doorman<'_> {
    fn caller(&self, peer: &Peer) -> Caller {
        Caller {
            title: peer.calling.as_str().to_owned(),
            address: self.from,
        }
    }
}

impl Policy for Doorman<'_> {
    fn admit(&self, peer: &Peer) -> Result<(), Rejection> {
        let caller = self.caller(peer);
        if self.door.titles.class(&peer.called).is_none() {
            let titles = self.door.titles.listed();
            self.door
                .scanners
                .miscalled(&caller, peer.called.as_str(), &titles);
            return Err(Rejection {
                transient: false,
                reason: RejectReason::CalledAe,
            });
        }
        self.door.scanners.called(&caller);
        if self.crowded {
            return Err(Rejection {
                transient: true,
                reason: RejectReason::LocalLimit,
            });
        }
        Ok(())
    }

    fn allow(&self, peer: &Peer, class: &Uid) -> Result<(), ContextRefusal> {
        if class.as_str() == VERIFICATION {
            return Ok(());
        }
        if !class.may_be_storage() && class.as_str() != STORAGE_COMMITMENT {
            return Err(ContextRefusal::SopClass);
        }
        // Refused before a byte of the patient's has come.
        match self.door.scanners.may_send(peer.calling.as_str()) {
            true => Ok(()),
            false => Err(ContextRefusal::User),
        }
    }
}

/// Serves an association until it ends, in whatever way.
pub(super) async fn serve(door: Arc<Door>, stream: BoxStream, from: IpAddr, crowded: bool) {
    let doorman = Doorman {
        door: &door,
        from,
        crowded,
    };
    let association = match Association::accept(stream, &door.config, &doorman).await {
        Ok(association) => association,
        Err(error) => return tracing::debug!(%error, "no association came about"),
    };
    let caller = doorman.caller(association.peer());
    if let Err(error) = requests(&door, association, &caller).await {
        tracing::info!(scanner = caller.title, %error, "an association broke off");
    }
}

/// Takes a request for storage commitment; what the scanner is answered at once.
async fn promised(door: &Door, transaction: &Transaction, caller: &Caller) -> Status {
    let sound = |uid: &Uid| !uid.is_empty() && uid.as_str().len() <= UID_LONGEST;
    let mut named = transaction.references.iter();
    let all = named.all(|one| sound(&one.sop_class) && sound(&one.sop_instance));
    if !sound(&transaction.uid) || transaction.references.is_empty() || !all {
        return Status::PROCESSING_FAILURE;
    }
    let asked = Asked {
        scanner: caller.title.clone(),
        address: caller.address,
        transaction: transaction.clone(),
    };
    match door.handle.ask_commitment(asked).await {
        Ok(()) => Status::SUCCESS,
        Err(failure) => {
            tracing::warn!(scanner = caller.title, %failure, "no storage commitment");
            door.scanners.unpromised(caller, &failure.cause);
            Status::RESOURCE_LIMITATION
        }
    }
}

async fn requests(
    door: &Door,
    mut association: Association<BoxStream>,
    caller: &Caller,
) -> Result<(), Error> {
    let class = door.titles.class(&association.peer().called).flatten();
    // Images that name no study are together if they came together.
    let mut folder = vec![0; 16];
    door.env.entropy(&mut folder);
    let given = Given { folder, class };
    loop {
        match association.next().await? {
            Request::Store(store) => instance::take(door, store, caller, given.clone()).await?,
            Request::Find(find) => find.finish(Status::UNRECOGNIZED_OPERATION).await?,
            Request::Commit(heard) => {
                let status = promised(door, &heard.said, caller).await;
                heard.answer(status).await?;
            }
            Request::Report(heard) => heard.answer(Status::UNRECOGNIZED_OPERATION).await?,
            Request::Echo | Request::Refused(..) => {}
            Request::Released => return Ok(()),
        }
    }
}

//! Where rebuilt instances go. A target says what it has, takes an instance piece by piece, and
//! says on what its word rests.

mod address;
mod confirmer;
mod doors;
mod export;
mod folder;
mod identity;
mod item;
mod pacs;
mod reports;
mod web;
mod worker;

use karez_dimse::{AeTitle, Uid};
use karez_host::env::BoxFuture;
use karez_protocol::id::{Fingerprint, PeerId, StudyId};
use karez_protocol::manifest::Proof;

pub(crate) use address::is_name;
pub use address::{Address, AddressError};
pub(crate) use confirmer::Confirmer;
pub(crate) use export::export;
pub(crate) use folder::Folder;
pub use identity::{Identity, NoIdentity, Patient};
pub use pacs::{Peer, PeerError};
pub(crate) use reports::{Port, Reports, listen};
pub use web::{Service, ServiceError};
pub(crate) use worker::{CONTESTED, Worker};

use crate::registry::Place;

/// A clinic's instance.
type Whose = (PeerId, Place);

/// What a target is told of an instance. Its `Debug` shows no patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What people call the clinic.
    pub clinic: String,
    /// The study.
    pub study: StudyId,
    /// BLAKE3 of the instance.
    pub fingerprint: Fingerprint,
    /// BLAKE3 of what counts of it, where it is to be compared with what a target gives out.
    pub content: Option<Fingerprint>,
    /// Its length in bytes.
    pub length: u64,
    /// What DICOM calls it, for targets that keep by UID.
    pub identity: Result<Identity, NoIdentity>,
    /// The target was given other bytes under this UID.
    pub other_given: bool,
    /// A person has decided that it goes there.
    pub released: bool,
    /// It has broken off several exchanges: it goes by itself.
    pub alone: bool,
    /// The AE title under which it goes, where the target's own is not meant.
    pub calling: Option<AeTitle>,
    /// An exchange about it ended without an answer: only what the target says now counts.
    pub in_doubt: bool,
}

/// What a target has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing of it.
    Absent,
    /// These very bytes.
    Same(Proof),
    /// Other bytes in its place.
    Other(String),
    /// These versions in its place.
    Holds(Vec<Seen>),
    /// Something in its place that cannot be read back: why it must not be sent.
    There(String),
}

/// What was read back from a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// BLAKE3 of the whole instance.
    pub whole: Fingerprint,
    /// BLAKE3 of what counts of it, when it is a DICOM file.
    pub content: Option<Fingerprint>,
}

/// Whether a target keeps an instance that it has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does; on what that rests.
    Kept(Proof),
    /// It was asked by storage commitment; its report comes later.
    Asked,
    /// It does not say so: why.
    NotKept(String),
}

/// Why a target did not do it. Texts for people, without patient data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It takes nothing now; tried again for ever.
    #[error("{0}")]
    Down(String),
    /// It will never take this instance as it is.
    #[error("{0}")]
    Refused(String),
    /// It did not take this instance, nor perhaps any now. It may take it later, or it never will.
    #[error("{0}")]
    Later(String),
    /// The exchange broke off while it was given this instance: nobody knows what it has.
    #[error("{0}")]
    Broke(String),
    /// It has something in its place.
    #[error("{0}")]
    There(String),
}

/// One line of a target's test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// What was tried.
    pub name: &'static str,
    /// What to do about it when it did not work.
    pub fault: Option<String>,
    /// What to know about it when it did.
    pub note: Option<String>,
}

/// A place to hand off to.
pub trait Target: Send + Sync + 'static {
    /// Whether it has an instance.
    fn look<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Result<Look, TargetError>>;

    /// Begins to hand an instance over.
    fn begin<'a>(&'a self, item: &'a Item)
    -> BoxFuture<'a, Result<Box<dyn Delivery>, TargetError>>;

    /// What it can do, one line each.
    fn test(&self) -> BoxFuture<'_, Vec<Ability>>;

    /// Whether it can confirm later that it keeps what it has stored.
    fn confirms(&self) -> bool {
        false
    }

    /// Whether [`Target::confirm`] compares what it gives out, so that the items need their content.
    fn reads_back(&self) -> bool {
        false
    }

    /// Asks whether it keeps what it has stored: one verdict for each item. A request for storage
    /// commitment goes by the name of `transaction`.
    fn confirm<'a>(
        &'a self,
        items: &'a [Item],
        _transaction: &'a Uid,
    ) -> BoxFuture<'a, Vec<Verdict>> {
        let why = "it cannot be asked";
        Box::pin(async move { vec![Verdict::NotKept(why.into()); items.len()] })
    }

    /// Whether it knows instances by their UIDs, so that two versions of one collide.
    fn keeps_by_uid(&self) -> bool {
        false
    }

    /// Whether it may still be storing what it was given on a line that was cut, so that what it
    /// says it has counts only a while later.
    fn stores_after_a_cut(&self) -> bool {
        false
    }
}

/// An instance on its way into a target. Dropped before its end, it was never there.
pub trait Delivery: Send {
    /// The next bytes.
    fn write(&mut self, piece: Vec<u8>) -> BoxFuture<'_, Result<(), TargetError>>;

    /// All bytes were given: makes them stay, and says on what that word rests.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Proof, TargetError>>;
}

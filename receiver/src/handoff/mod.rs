//! Where rebuilt instances go. A target says what it has, takes an instance piece by piece, and
//! says on what its word rests.

mod address;
mod export;
mod folder;
mod worker;

use karez_host::env::BoxFuture;
use karez_protocol::id::{Fingerprint, StudyId};
use karez_protocol::manifest::Proof;

pub(crate) use address::is_name;
pub use address::{Address, AddressError};
pub(crate) use export::export;
pub(crate) use folder::Folder;
pub(crate) use worker::Worker;

/// What a target is told of an instance. No patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What people call the clinic.
    pub clinic: String,
    /// The study.
    pub study: StudyId,
    /// BLAKE3 of the instance.
    pub fingerprint: Fingerprint,
    /// Its length in bytes.
    pub length: u64,
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
}

/// One line of a target's test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// What was tried.
    pub name: &'static str,
    /// What to do about it when it did not work.
    pub fault: Option<String>,
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
}

/// An instance on its way into a target. Dropped before its end, it was never there.
pub trait Delivery: Send {
    /// The next bytes.
    fn write(&mut self, piece: Vec<u8>) -> BoxFuture<'_, Result<(), TargetError>>;

    /// All bytes were given: makes them stay, and says on what that word rests.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Proof, TargetError>>;
}

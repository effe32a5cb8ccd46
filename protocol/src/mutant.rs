//! Bugs that tests switch on, to see that they are caught. In no shipped build: only the feature
//! `mutants` compiles them in. One is on for the whole process, by [`switch_on`] or by the
//! environment's `KAREZ_MUTANT=NAME`.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::id::PartTag;
use crate::session::PartPlace;

/// A bug, named for the rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// What is written counts as durable without a sync.
    AckBeforeSync,
    /// After a restart the hub does not know which chunks it holds.
    Forgetful,
    /// The hub's ledger says stored before the archive has answered.
    LedgerFirst,
    /// A have-set releases.
    ReleaseByHave,
    /// A receipt's root is not compared.
    RootUnchecked,
    /// A receipt for another clinic counts.
    ForeignReceipt,
    /// What a cut connection had taken counts as on its way for ever.
    DoubtNothing,
    /// A receiver's new epoch is not heeded.
    EpochIgnored,
    /// A chunk is claimed when it comes, not when it is durable.
    HaveBeforeDurable,
    /// What the disk refused is not asked for again.
    NotStoredKept,
    /// The epoch stays the same after rot.
    EpochKept,
    /// One target of several is enough for STORED.
    StoredAnywhere,
    /// An invitation is burnt also to the key that used it, whose answer was lost.
    BurntForGood,
    /// The archive is given an image without being asked for it first.
    NoQuestion,
    /// What the hub evicted is not noted.
    EvictForgets,
    /// An ingest file goes before its sealed chunks are durable.
    DeleteBeforeSync,
    /// An image is accepted before its entry is durable.
    AcceptBeforeSync,
    /// After a restart a study goes on under the name and the key of its segment before.
    SegmentAgain,
    /// A segment's key is written down.
    KeyWritten,
    /// An image that repeats a stored one gets its receipt without a look at the archive.
    RepeatUnopened,
    /// A part of another clinic stands in for one with the same tag.
    TagAnywhere,
    /// QUIC's first bit is greased, so that questions on a silent link look like QUIC.
    BitGreased,
    /// A signature counts whatever it was made for.
    AnyPurpose,
    /// A rebuilt image counts whatever its fingerprint is.
    FingerprintUnproved,
    /// A chunk is taken whatever its hash is.
    ChunkUnproved,
    /// A revoked clinic's live connection stays.
    RevokedStays,
    /// What a clinic announces does not count against its quota.
    ClaimsUncounted,
    /// Other bytes that the archive has under the same UID are taken for ours.
    OtherBytesOurs,
    /// An audit line need not follow on the one before it.
    ChainUnlinked,
    /// What no receipt has released may go when its room is wanted.
    UnreleasedEvicted,
}

/// Every bug, by the name that scripts use.
pub const ALL: [(&str, Mutant); 30] = [
    ("ack-before-sync", Mutant::AckBeforeSync),
    ("forgetful", Mutant::Forgetful),
    ("ledger-first", Mutant::LedgerFirst),
    ("release-by-have", Mutant::ReleaseByHave),
    ("root-unchecked", Mutant::RootUnchecked),
    ("foreign-receipt", Mutant::ForeignReceipt),
    ("doubt-nothing", Mutant::DoubtNothing),
    ("epoch-ignored", Mutant::EpochIgnored),
    ("have-before-durable", Mutant::HaveBeforeDurable),
    ("not-stored-kept", Mutant::NotStoredKept),
    ("epoch-kept", Mutant::EpochKept),
    ("stored-anywhere", Mutant::StoredAnywhere),
    ("burnt-for-good", Mutant::BurntForGood),
    ("no-question", Mutant::NoQuestion),
    ("evict-forgets", Mutant::EvictForgets),
    ("delete-before-sync", Mutant::DeleteBeforeSync),
    ("accept-before-sync", Mutant::AcceptBeforeSync),
    ("segment-again", Mutant::SegmentAgain),
    ("key-written", Mutant::KeyWritten),
    ("repeat-unopened", Mutant::RepeatUnopened),
    ("tag-anywhere", Mutant::TagAnywhere),
    ("bit-greased", Mutant::BitGreased),
    ("any-purpose", Mutant::AnyPurpose),
    ("fingerprint-unproved", Mutant::FingerprintUnproved),
    ("chunk-unproved", Mutant::ChunkUnproved),
    ("revoked-stays", Mutant::RevokedStays),
    ("claims-uncounted", Mutant::ClaimsUncounted),
    ("other-bytes-ours", Mutant::OtherBytesOurs),
    ("chain-unlinked", Mutant::ChainUnlinked),
    ("unreleased-evicted", Mutant::UnreleasedEvicted),
];

static ON: OnceLock<Option<Mutant>> = OnceLock::new();
/// Parts of all clinics, for [`Mutant::TagAnywhere`].
static PARTS: Mutex<BTreeMap<PartTag, PartPlace>> = Mutex::new(BTreeMap::new());

/// The bug of this name.
#[must_use]
pub fn named(name: &str) -> Option<Mutant> {
    let known = ALL.iter().find(|(known, _)| *known == name);
    known.map(|(_, mutant)| *mutant)
}

/// Switches a bug on; false when one was asked about before.
pub fn switch_on(mutant: Mutant) -> bool {
    ON.set(Some(mutant)).is_ok()
}

/// Whether it is on.
#[must_use]
pub fn is_on(mutant: Mutant) -> bool {
    let on = ON.get_or_init(|| named(&std::env::var("KAREZ_MUTANT").ok()?));
    *on == Some(mutant)
}

/// Remembers a part for all clinics.
pub(crate) fn part_is(tag: PartTag, place: PartPlace) {
    let mut parts = PARTS.lock().unwrap_or_else(PoisonError::into_inner);
    parts.entry(tag).or_insert(place);
}

/// A part of any clinic.
pub(crate) fn part_anywhere(tag: &PartTag) -> Option<PartPlace> {
    let parts = PARTS.lock().unwrap_or_else(PoisonError::into_inner);
    parts
        .get(tag)
        .copied()
        .filter(|_| is_on(Mutant::TagAnywhere))
}

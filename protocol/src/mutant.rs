//! Bugs that tests switch on, to see that they are caught. In no shipped build: only the feature
//! `mutants` compiles them in. One is on for the whole process, by [`switch_on`] or by the
//! environment's `KAREZ_MUTANT=NAME`.

use std::sync::OnceLock;

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
}

/// Every bug, by the name that scripts use.
pub const ALL: [(&str, Mutant); 17] = [
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
];

static ON: OnceLock<Option<Mutant>> = OnceLock::new();

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

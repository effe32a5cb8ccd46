//! What to do after a failure (ARCHITECTURE I9): every error of the project answers `retry()`.

/// Whether the same work can succeed if it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once: the cause has passed.
    Now,
    /// After a while, for ever: the cause is outside (a link, a disk, a PACS).
    Later,
    /// Never by itself: the item is parked with its reason, for a person.
    Never,
}

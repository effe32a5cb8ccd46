//! A full or failing disk: said to everybody, over by itself when there is room again.

use karez_host::status::bytes;
use karez_store::Error;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Engine;
use crate::limits::{EVICT_SOON, FULL_CHECK, FULL_CHECK_MAX, RESERVE_SHARE, SPACE_CHECK};

/// Why nothing is taken in.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    /// In words, for clinics and people.
    pub(crate) reason: String,
    /// Bytes free when it was last looked at.
    pub(crate) free: u64,
    /// Bytes that must be free.
    pub(crate) needed: u64,
    /// When it is looked at again.
    pub(crate) check_at: Instant,
    /// The disk itself refused; else the reserve is reached and journals still have room.
    refused: bool,
}

impl Engine {
    /// An error of the store: of the disk, for all, or of one file, for itself.
    pub(super) fn disk_failed(&mut self, error: &Error) {
        let (free, needed) = match error {
            Error::Full { free, needed, .. } => (*free, *needed),
            Error::Io { .. } | Error::ReadOnly { .. } => (self.free(), 0),
            other => return warn!(error = %other, "an entry is not stored"),
        };
        let needed = needed.max(self.wanted().1);
        let reason = match error {
            Error::Full { .. } => full_reason(free, needed),
            _ => "the hub's disk failed: it takes nothing until the disk works again".into(),
        };
        if self.disk_refuses() {
            return;
        }
        warn!(%error, "the disk refuses");
        self.set_full(Full {
            reason,
            free,
            needed,
            check_at: self.now() + self.full_pause,
            refused: true,
        });
        // A disk that refuses again at once is asked more and more seldom.
        self.full_pause = (self.full_pause * 2).min(FULL_CHECK_MAX);
    }

    /// Watches the reserve, and whether a full disk has room again.
    pub(super) fn keep_room(&mut self) {
        let now = self.now();
        match &self.full {
            Some(full) if full.check_at <= now => self.look_again(),
            None if self.space_at <= now => {
                self.space_at = now + SPACE_CHECK;
                self.look_at_reserve();
                self.keep_quotas(true);
                self.bound_classes();
            }
            _ => {}
        }
        self.keep_quotas(false);
    }

    /// Whether the disk itself has just refused bytes.
    pub(super) fn disk_refuses(&self) -> bool {
        self.full.as_ref().is_some_and(|full| full.refused)
    }

    fn look_at_reserve(&mut self) {
        let (reserve, needed) = self.wanted();
        let free = self.free();
        if self.wants_room(free) {
            self.evict_at = self.evict_at.min(self.now() + EVICT_SOON);
        }
        if free < reserve {
            self.set_full(Full {
                reason: full_reason(free, needed),
                free,
                needed,
                check_at: self.now() + FULL_CHECK,
                refused: false,
            });
        }
    }

    fn look_again(&mut self) {
        let (free, now) = (self.free(), self.now());
        let Some(full) = &mut self.full else { return };
        full.free = free;
        if free < full.needed {
            full.check_at = now + FULL_CHECK;
            return;
        }
        info!(free, "there is room on the disk again");
        self.full = None;
        let peers: Vec<_> = self.clinics.keys().copied().collect();
        for peer in peers {
            let reason = self.quota_reason(peer);
            match self.clinics.get_mut(&peer) {
                Some(clinic) if clinic.over_quota => clinic.sink.set_full(&reason),
                Some(clinic) => clinic.sink.set_free(),
                None => {}
            }
        }
        self.space_at = now + SPACE_CHECK;
    }

    fn set_full(&mut self, full: Full) {
        warn!(full.free, full.needed, "nothing more is taken in");
        for clinic in self.clinics.values_mut() {
            clinic.sink.set_full(&full.reason);
        }
        self.full = Some(full);
    }

    /// Room that must stay free, and room that must be there to go on after it was not.
    fn wanted(&self) -> (u64, u64) {
        let total = self.store.space().map_or(0, |space| space.total);
        let reserve = self.settings.store.reserve.0.min(total / RESERVE_SHARE);
        (reserve, reserve + reserve / 2)
    }

    pub(super) fn free(&self) -> u64 {
        self.store.space().map_or(0, |space| space.free)
    }
}

fn full_reason(free: u64, needed: u64) -> String {
    let (free, needed) = (bytes(free), bytes(needed));
    format!("the hub's disk is full: {free} free, {needed} needed")
}

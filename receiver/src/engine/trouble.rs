//! Instances that a target does not take while it takes others. None stands before others; none
//! is parked because the target itself is full or ill.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use karez_protocol::id::PeerId;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use super::Engine;
use super::work::answered;
use crate::limits::{
    BROKEN_IN_A_ROW, FULL_PAUSE, PARKED_DAY, SETTLING, TROUBLE_PAUSE, TROUBLE_ROUNDS,
};
use crate::registry::{HandOff, Place, Step};

/// What a target did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It said no, for now.
    Unwilling,
    /// It broke off.
    Broke,
}

/// An instance's trouble with a target.
#[derive(Clone, Debug)]
pub(crate) struct Troubled {
    pub(crate) target: String,
    /// The target's words.
    pub(crate) why: String,
    /// How often in a row.
    pub(crate) rounds: u32,
    /// Instances that the target had taken when it began.
    mark: u64,
    /// It is left alone until then.
    pub(crate) until: Instant,
}

/// When which instance is tried again at which target.
pub(super) type Again = BTreeMap<(Instant, PeerId, Place), String>;

/// What is known of a target in this life of the process.
#[derive(Default)]
pub(super) struct Record {
    /// Instances that it took.
    pub(super) taken: u64,
    /// Exchanges that broke off since.
    pub(super) broken: u32,
    /// Instances that it does not take.
    pub(super) troubled: BTreeSet<(PeerId, Place)>,
}

impl Troubled {
    /// It goes by itself, after all others.
    pub(crate) const fn is_last(&self) -> bool {
        self.rounds >= TROUBLE_ROUNDS - 1
    }
}

impl Engine {
    /// A target did not take an instance: again later, or parked when the target shows by others
    /// that it is well (FIELD, "A700 and aborts are not always the PACS").
    pub(super) fn has_trouble(
        &mut self,
        (peer, place): (PeerId, Place),
        target: &str,
        (trouble, why): (Trouble, String),
        done: oneshot::Sender<Result<(), String>>,
    ) {
        let now = self.now();
        let Some(record) = self.targets.record(target) else {
            return answered(done);
        };
        record.troubled.insert((peer, place));
        record.broken += u32::from(trouble == Trouble::Broke);
        let ill = trouble == Trouble::Unwilling || record.broken >= BROKEN_IN_A_ROW;
        let taken = record.taken;
        let only_it = record.troubled.len() == 1 && taken > 0;
        let Some(instance) = self.instance(peer, place) else {
            return answered(done);
        };
        let before = instance.trouble.take().filter(|t| t.target == target);
        let (rounds, mark) = before.map_or((1, taken), |t| (t.rounds + 1, t.mark));
        let is_well = taken > mark || (trouble == Trouble::Broke && only_it);
        if rounds >= TROUBLE_ROUNDS && is_well {
            let step = parked(trouble, &why);
            return match self.hand_off(peer, place, target.to_owned(), step) {
                Some(entry) => self.stage_for(entry, done),
                None => answered(done),
            };
        }
        let pause = TROUBLE_PAUSE.0 * 2_u32.saturating_pow(rounds - 1).min(1 << 16);
        let pause = pause.min(TROUBLE_PAUSE.1);
        debug!(
            place = place.short(),
            target, why, rounds, "an instance is put last"
        );
        instance.trouble = Some(Troubled {
            target: target.to_owned(),
            why: why.clone(),
            rounds,
            mark,
            until: now + pause,
        });
        instance.settled_at = (trouble == Trouble::Broke).then(|| now + SETTLING);
        self.queue.retry_later(now, pause);
        self.queue.retry_later(now, SETTLING);
        if ill {
            self.target_is_down(target, why, FULL_PAUSE);
        }
        answered(done);
    }

    /// A target takes instances again: those that it did not take are tried as soon as others.
    pub(super) fn end_pauses(&mut self, target: &str) {
        let now = self.now();
        let Some(record) = self.targets.record(target) else {
            return;
        };
        let all: Vec<(PeerId, Place)> = record.troubled.iter().copied().collect();
        for (peer, place) in all {
            let trouble = self.instance(peer, place).and_then(|i| i.trouble.as_mut());
            if let Some(trouble) = trouble.filter(|t| t.target == target) {
                trouble.until = now;
            }
        }
    }

    /// An instance that was parked for a day is to be tried again when that is over.
    pub(super) fn again_tomorrow(&mut self, hand_off: &HandOff) {
        if !matches!(hand_off.step, Step::ParkedForADay(_)) {
            return;
        }
        // The wall clock may be wrong: it shortens the day, and never prolongs it.
        let since = self
            .env
            .wall()
            .saturating_sub(hand_off.wall)
            .max(0)
            .unsigned_abs();
        let left = PARKED_DAY.saturating_sub(Duration::from_secs(since));
        let whose = (hand_off.clinic, hand_off.place);
        self.again.insert(
            (self.now() + left, whose.0, whose.1),
            hand_off.target.clone(),
        );
    }

    /// When the next of them is due.
    pub(super) fn again_due_at(&self) -> Option<Instant> {
        self.again.keys().next().map(|(at, _, _)| *at)
    }

    /// Tries again those that are due and still parked.
    pub(super) fn try_again(&mut self) {
        let now = self.now();
        while let Some(entry) = self.again.first_entry().filter(|e| e.key().0 <= now) {
            let ((_, peer, place), target) = entry.remove_entry();
            let parked = self.instance(peer, place).and_then(|i| i.parked.as_ref());
            if parked.is_some_and(|(at, _)| *at == target) {
                let retry = self.hand_off(peer, place, target, Step::Retry);
                retry.into_iter().for_each(|entry| self.stage(entry));
            }
        }
    }

    /// An instance's trouble with a target is over, one way or the other.
    pub(super) fn trouble_ends(&mut self, whose: (PeerId, Place), target: &str) {
        if let Some(record) = self.targets.record(target) {
            record.troubled.remove(&whose);
        }
        if let Some(instance) = self.instance(whose.0, whose.1) {
            instance.trouble.take_if(|t| t.target == target);
        }
    }
}

fn parked(trouble: Trouble, why: &str) -> Step {
    match trouble {
        Trouble::Unwilling => Step::ParkedForADay(format!(
            "{why}, but it takes others: is a study or patient number missing, or is this one too \
             large for it? It is tried again every day"
        )),
        Trouble::Broke => Step::Parked(format!(
            "{why}; so it was {TROUBLE_ROUNDS} times, at last by itself"
        )),
    }
}

//! What a source believes of one numbered kind of thing (records, or chunks) of one segment.

use std::ops::Range;

use crate::resume::RunSet;

/// A partition of `0..end`: every number is in exactly one of the sets.
#[derive(Clone, Debug, Default)]
pub struct SegmentLedger {
    /// To be sent.
    todo: RunSet,
    /// Repeats that wait for the receiver to say whether it needs them.
    waiting: RunSet,
    /// Sent on this connection, no word yet.
    sent: RunSet,
    /// Perhaps sent by an earlier connection or process; no word yet.
    doubt: RunSet,
    /// The receiver said that it has them.
    acked: RunSet,
    end: u64,
}

impl SegmentLedger {
    /// New numbers at the end: to be sent, or, as repeats, to be asked about first.
    pub fn extend(&mut self, count: u64, repeat: bool) {
        let range = self.end..self.end + count;
        self.end = range.end;
        if repeat {
            &mut self.waiting
        } else {
            &mut self.todo
        }
        .insert(range);
    }

    /// Takes back the numbers from `end` on.
    pub fn cut_off(&mut self, end: u64) {
        for set in [
            &mut self.todo,
            &mut self.waiting,
            &mut self.sent,
            &mut self.doubt,
            &mut self.acked,
        ] {
            set.remove(end..u64::MAX);
        }
        self.end = self.end.min(end);
    }

    /// All that an earlier process may have sent.
    pub fn doubt_all(&mut self) {
        let all = 0..self.end;
        *self = Self {
            end: self.end,
            ..Self::default()
        };
        self.doubt.insert(all);
    }

    /// The next number to send below `bound`.
    #[must_use]
    pub fn next(&self, bound: u64) -> Option<u64> {
        self.todo
            .first()
            .map(|run| run.start)
            .filter(|n| *n < bound)
    }

    /// `number` was handed to the connection.
    pub fn sent(&mut self, number: u64) {
        self.todo.remove(number..number + 1);
        self.sent.add(number);
    }

    /// The connection is gone: nobody knows what arrived.
    pub fn cut(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        self.doubt.union(&sent);
    }

    /// The receiver has a new memory: what it had is in doubt.
    pub fn forget(&mut self) {
        let acked = std::mem::take(&mut self.acked);
        self.doubt.union(&acked);
    }

    /// No word came in time: send what is in doubt.
    pub fn give_up_doubt(&mut self) {
        let doubt = std::mem::take(&mut self.doubt);
        self.todo.union(&doubt);
    }

    /// The receiver said that of `said` it has exactly `have`. What is on its way stays so.
    pub fn heard(&mut self, said: &Range<u64>, have: &RunSet) {
        let said = said.start..said.end.min(self.end);
        let missing = self.doubt.within(&said);
        for run in have.iter() {
            self.ack(run);
        }
        for run in missing.iter() {
            for gap in have.missing(&run).iter() {
                self.doubt.remove(gap.clone());
                self.todo.insert(gap);
            }
        }
    }

    /// These arrived for good.
    pub fn ack(&mut self, run: Range<u64>) {
        let run = run.start..run.end.min(self.end);
        for set in [
            &mut self.todo,
            &mut self.waiting,
            &mut self.sent,
            &mut self.doubt,
        ] {
            set.remove(run.clone());
        }
        self.acked.insert(run);
    }

    /// The receiver wants these (again), whatever was believed.
    pub fn want(&mut self, run: Range<u64>) {
        let run = run.start..run.end.min(self.end);
        for set in [
            &mut self.waiting,
            &mut self.sent,
            &mut self.doubt,
            &mut self.acked,
        ] {
            set.remove(run.clone());
        }
        self.todo.insert(run);
    }

    /// The receiver has answered about the record of these repeats: send what it lacks.
    pub fn answered(&mut self, run: &Range<u64>) {
        let owed = self.waiting.within(run);
        self.waiting.remove(run.clone());
        self.todo.union(&owed);
    }

    /// Whether anything can be sent now.
    #[must_use]
    pub fn has_todo(&self) -> bool {
        !self.todo.is_empty()
    }

    /// How many can be sent now.
    #[must_use]
    pub fn todo(&self) -> u64 {
        self.todo.count()
    }

    /// The first number that is neither on its way nor arrived.
    #[must_use]
    pub fn first_unplaced(&self) -> Option<u64> {
        let first = |set: &RunSet| set.first().map(|run| run.start);
        [first(&self.todo), first(&self.doubt)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether repeats wait for an answer.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether word from the receiver would change anything.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        !self.doubt.is_empty()
    }

    /// Whether the receiver has all.
    #[must_use]
    pub fn all_acked(&self) -> bool {
        self.acked.covers(&(0..self.end))
    }

    /// What the receiver is known to have.
    #[must_use]
    pub const fn acked(&self) -> &RunSet {
        &self.acked
    }

    /// One past the last number.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Extend(u64, bool),
        Send,
        Cut,
        Forget,
        Heard(u64, u64, Vec<(u64, u64)>),
        Want(u64, u64),
        Answered(u64, u64),
        GiveUp,
        DoubtAll,
        CutOff(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = 0_u64..40;
        prop_oneof![
            1 => (1_u64..5, any::<bool>()).prop_map(|(n, r)| Step::Extend(n, r)),
            4 => Just(Step::Send),
            1 => Just(Step::Cut),
            1 => Just(Step::Forget),
            1 => (at.clone(), 0_u64..30, prop::collection::vec((0_u64..40, 1_u64..6), 0..4))
                .prop_map(|(a, n, h)| Step::Heard(a, a + n, h)),
            1 => (at.clone(), 0_u64..6).prop_map(|(a, n)| Step::Want(a, a + n)),
            1 => (at.clone(), 0_u64..6).prop_map(|(a, n)| Step::Answered(a, a + n)),
            1 => at.prop_map(Step::CutOff),
            1 => Just(Step::GiveUp),
            1 => Just(Step::DoubtAll),
        ]
    }

    fn apply(ledger: &mut SegmentLedger, step: Step) {
        match step {
            Step::Extend(n, repeat) => ledger.extend(n, repeat),
            Step::Send => {
                if let Some(n) = ledger.next(u64::MAX) {
                    ledger.sent(n);
                }
            }
            Step::Cut => ledger.cut(),
            Step::Forget => ledger.forget(),
            Step::Heard(from, to, have) => {
                let have: RunSet = have.into_iter().map(|(a, n)| a..a + n).collect();
                ledger.heard(&(from..to), &have.within(&(from..to)));
            }
            Step::Want(from, to) => ledger.want(from..to),
            Step::Answered(from, to) => ledger.answered(&(from..to)),
            Step::GiveUp => ledger.give_up_doubt(),
            Step::DoubtAll => ledger.doubt_all(),
            Step::CutOff(end) => ledger.cut_off(end),
        }
    }

    proptest! {
        #[test]
        fn every_number_is_in_exactly_one_set(steps in prop::collection::vec(step(), 0..60)) {
            let mut ledger = SegmentLedger::default();
            for step in steps {
                apply(&mut ledger, step);
                let sets = [&ledger.todo, &ledger.waiting, &ledger.sent, &ledger.doubt, &ledger.acked];
                for n in 0..ledger.end {
                    let places = sets.iter().filter(|s| s.contains(n)).count();
                    prop_assert_eq!(places, 1, "number {} in {:?}", n, &ledger);
                }
                let total: u64 = sets.iter().map(|s| s.count()).sum();
                prop_assert_eq!(total, ledger.end);
            }
        }
    }
}

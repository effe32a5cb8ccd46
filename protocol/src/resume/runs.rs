//! A set of numbers as sorted, disjoint, non-touching runs.

use std::collections::BTreeMap;
use std::ops::Range;

/// Numbers as runs. Costs memory by the number of runs, not of members.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RunSet {
    /// start -> end, exclusive.
    runs: BTreeMap<u64, u64>,
}

impl RunSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds every number of `range`.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        if let Some((&s, &e)) = self.runs.range(..=start).next_back()
            && e >= start
        {
            start = s;
            end = end.max(e);
        }
        while let Some((&s, &e)) = self.runs.range(start..=end).next() {
            self.runs.remove(&s);
            end = end.max(e);
        }
        self.runs.insert(start, end);
    }

    /// Adds one number.
    pub fn add(&mut self, number: u64) {
        self.insert(number..number + 1);
    }

    /// Takes every number of `range` out.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let touched: Vec<(u64, u64)> = self.overlapping(&range);
        for (start, end) in touched {
            self.runs.remove(&start);
            if start < range.start {
                self.runs.insert(start, range.start);
            }
            if end > range.end {
                self.runs.insert(range.end, end);
            }
        }
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &Self) {
        for run in other.iter() {
            self.insert(run);
        }
    }

    /// Whether `number` is in.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.covers(&(number..number + 1))
    }

    /// Whether all of `range` is in. An empty range is.
    #[must_use]
    pub fn covers(&self, range: &Range<u64>) -> bool {
        range.is_empty()
            || self
                .runs
                .range(..=range.start)
                .next_back()
                .is_some_and(|(_, &end)| end >= range.end)
    }

    /// The first number of `range` that is not in.
    #[must_use]
    pub fn first_gap(&self, range: &Range<u64>) -> Option<u64> {
        let gap = match self.runs.range(..=range.start).next_back() {
            Some((_, &end)) if end > range.start => end,
            _ => range.start,
        };
        (gap < range.end).then_some(gap)
    }

    /// The members of `range`, as runs cut to it.
    #[must_use]
    pub fn within(&self, range: &Range<u64>) -> Self {
        let mut cut = Self::new();
        for (start, end) in self.overlapping(range) {
            cut.insert(start.max(range.start)..end.min(range.end));
        }
        cut
    }

    /// What of `range` is not in.
    #[must_use]
    pub fn missing(&self, range: &Range<u64>) -> Self {
        let mut gaps = Self::new();
        gaps.insert(range.clone());
        for (start, end) in self.overlapping(range) {
            gaps.remove(start..end);
        }
        gaps
    }

    /// How many numbers are in.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|(start, end)| end - start).sum()
    }

    /// How many runs the set takes.
    #[must_use]
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Whether nothing is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs.iter().map(|(&start, &end)| start..end)
    }

    /// The first run, if any.
    #[must_use]
    pub fn first(&self) -> Option<Range<u64>> {
        self.iter().next()
    }

    fn overlapping(&self, range: &Range<u64>) -> Vec<(u64, u64)> {
        if range.is_empty() {
            return Vec::new();
        }
        let before = self
            .runs
            .range(..range.start)
            .next_back()
            .filter(|(_, end)| **end > range.start);
        before
            .into_iter()
            .chain(self.runs.range(range.clone()))
            .map(|(&start, &end)| (start, end))
            .collect()
    }
}

impl FromIterator<Range<u64>> for RunSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

impl std::fmt::Debug for RunSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn steps() -> impl Strategy<Value = Vec<(bool, u64, u64)>> {
        prop::collection::vec((any::<bool>(), 0_u64..80, 0_u64..20), 0..60)
    }

    proptest! {
        #[test]
        fn runs_behave_as_a_set_of_numbers(steps in steps(), from in 0_u64..90, len in 0_u64..30) {
            let (mut set, mut model) = (RunSet::new(), BTreeSet::new());
            for (add, start, len) in steps {
                if add {
                    set.insert(start..start + len);
                    model.extend(start..start + len);
                } else {
                    set.remove(start..start + len);
                    model.retain(|n| !(start..start + len).contains(n));
                }
            }
            let range = from..from + len;
            prop_assert_eq!(set.count(), model.len() as u64);
            prop_assert_eq!(set.covers(&range), range.clone().all(|n| model.contains(&n)));
            prop_assert_eq!(set.first_gap(&range), range.clone().find(|n| !model.contains(n)));
            let inside: Vec<u64> = set.within(&range).iter().flatten().collect();
            let expected: Vec<u64> = model.range(range.clone()).copied().collect();
            prop_assert_eq!(&inside, &expected);
            prop_assert_eq!(set.missing(&range).count() + inside.len() as u64, len);
            let runs: Vec<_> = set.iter().collect();
            prop_assert!(runs.windows(2).all(|w| w[0].end < w[1].start));
        }
    }
}

//! Where numbered entries stand, as runs: consecutive numbers of equal length at equal distance
//! cost one extent, however many they are.

use std::collections::BTreeMap;
use std::ops::Range;

/// Numbers of one kind and their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extents(BTreeMap<u64, Extent>);

/// A run of consecutive numbers; the first one is its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) count: u32,
    pub(crate) stride: u32,
    pub(crate) length: u32,
}

/// Where one entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

impl Extents {
    /// Adds a number; its latest place counts.
    pub(crate) fn insert(&mut self, number: u64, spot: Spot) {
        if let Some((&first, last)) = self.0.range_mut(..=number).next_back() {
            if number - first < u64::from(last.count) {
                self.remove(number);
            } else if number - first == u64::from(last.count) && last.take(spot) {
                return;
            }
        }
        let alone = Extent {
            offset: spot.offset,
            count: 1,
            stride: 0,
            length: spot.length,
        };
        self.0.insert(number, alone);
    }

    pub(crate) fn get(&self, number: u64) -> Option<Spot> {
        let (first, extent) = self.0.range(..=number).next_back()?;
        extent.spot(number - first)
    }

    /// Forgets a number; a run splits around it.
    pub(crate) fn remove(&mut self, number: u64) {
        let Some((&first, &extent)) = self.0.range(..=number).next_back() else {
            return;
        };
        let Ok(index) = u32::try_from(number - first) else {
            return;
        };
        if index >= extent.count {
            return;
        }
        self.0.remove(&first);
        if index > 0 {
            self.0.insert(
                first,
                Extent {
                    count: index,
                    ..extent
                },
            );
        }
        if let Some(after) = extent.spot(u64::from(index) + 1) {
            let rest = Extent {
                offset: after.offset,
                count: extent.count - index - 1,
                ..extent
            };
            self.0.insert(number + 1, rest);
        }
    }

    /// The numbers, as ascending ranges that do not touch.
    pub(crate) fn runs(&self) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for (&first, extent) in &self.0 {
            let end = first + u64::from(extent.count);
            match runs.last_mut() {
                Some(last) if last.end == first => last.end = end,
                _ => runs.push(first..end),
            }
        }
        runs
    }

    /// The first number at or after `number`.
    pub(crate) fn next(&self, number: u64) -> Option<(u64, Spot)> {
        if let Some(spot) = self.get(number) {
            return Some((number, spot));
        }
        let (&first, extent) = self.0.range(number..).next()?;
        Some((first, extent.spot(0)?))
    }

    /// The runs as they stand, by first number.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, Extent)> {
        self.0.iter().map(|(&first, &extent)| (first, extent))
    }

    /// Takes a run that [`Extents::iter`] gave; false when it overlaps or overflows.
    pub(crate) fn push(&mut self, first: u64, extent: Extent) -> bool {
        let last = extent.count.checked_sub(1).map(u64::from);
        let fits = last.is_some_and(|last| {
            let far = last.checked_mul(u64::from(extent.stride));
            first.checked_add(last + 1).is_some()
                && far.and_then(|far| far.checked_add(extent.offset)).is_some()
        });
        let free = self
            .0
            .last_key_value()
            .is_none_or(|(&before, run)| before < first && first - before >= u64::from(run.count));
        if fits && free {
            self.0.insert(first, extent);
        }
        fits && free
    }
}

impl Extent {
    fn spot(&self, index: u64) -> Option<Spot> {
        (index < u64::from(self.count)).then(|| Spot {
            offset: self.offset + index * u64::from(self.stride),
            length: self.length,
        })
    }

    /// Lengthens the run by one if the spot continues it.
    fn take(&mut self, spot: Spot) -> bool {
        let Some(distance) = spot.offset.checked_sub(self.offset) else {
            return false;
        };
        let Ok(stride) = u32::try_from(distance / u64::from(self.count)) else {
            return false;
        };
        let even = stride > 0 && distance == u64::from(stride) * u64::from(self.count);
        let fits = even && (self.count == 1 || stride == self.stride);
        if !fits || spot.length != self.length || self.count == u32::MAX {
            return false;
        }
        self.stride = stride;
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spot(offset: u64) -> Spot {
        Spot { offset, length: 10 }
    }

    #[test]
    fn a_long_run_costs_one_extent() {
        let mut extents = Extents::default();
        for n in 0..164_000 {
            extents.insert(n, spot(8192 + n * 32_848));
        }
        assert_eq!(extents.iter().len(), 1);
        assert_eq!(extents.get(163_999), Some(spot(8192 + 163_999 * 32_848)));
        assert_eq!(extents.get(164_000), None);
        assert!(extents.runs().iter().eq(std::iter::once(&(0..164_000))));
    }

    proptest! {
        #[test]
        fn extents_answer_as_a_plain_map_does(
            steps in prop::collection::vec((0u64..40, 0u64..6, any::<bool>()), 0..200)
        ) {
            let mut extents = Extents::default();
            let mut model = BTreeMap::new();
            for (number, at, add) in steps {
                if add {
                    extents.insert(number, spot(number * 100 + at / 4 * 7));
                    model.insert(number, spot(number * 100 + at / 4 * 7));
                } else {
                    extents.remove(number);
                    model.remove(&number);
                }
                for n in 0..41 {
                    prop_assert_eq!(extents.get(n), model.get(&n).copied());
                    let next = model.range(n..).next().map(|(n, s)| (*n, *s));
                    prop_assert_eq!(extents.next(n), next);
                }
                let flat: Vec<u64> = extents.runs().into_iter().flatten().collect();
                prop_assert_eq!(flat, model.keys().copied().collect::<Vec<_>>());
                let mut copy = Extents::default();
                for (first, extent) in extents.iter() {
                    prop_assert!(copy.push(first, extent));
                }
                prop_assert_eq!(&copy, &extents);
            }
        }
    }
}

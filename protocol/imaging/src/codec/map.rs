//! Samples to small numbers without holes: the lowest value 0, a gap above it closed, and, when
//! less than half of the range is used at all, only used values.
use super::{Corrupt, bytes, varint};

const VALUES: usize = 1 << 16;
/// More than this share of the lowest value (1 / 200) makes it padding.
const MASK_SHARE: usize = 200;

#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Map {
    low: u16,
    /// The second lowest value; the lowest again when there is none.
    second: u16,
    high: u16,
    /// All values in order; empty when they are dense.
    used: Vec<u16>,
}

/// What the samples of one part need.
pub(crate) struct Found {
    used: Vec<u16>,
    pub(crate) mask: bool,
}

pub(crate) fn find(samples: &[u16]) -> Found {
    let mut counts = vec![0u32; VALUES];
    for &sample in samples {
        counts[usize::from(sample)] += 1;
    }
    let used: Vec<u16> = (0..=u16::MAX)
        .filter(|&v| counts[usize::from(v)] > 0)
        .collect();
    let lowest = used.first().map_or(0, |&v| counts[usize::from(v)] as usize);
    Found {
        used,
        mask: lowest > samples.len() / MASK_SHARE,
    }
}

impl Map {
    /// The map for a first part.
    pub(crate) fn new(found: &Found) -> Self {
        let used = &found.used;
        let low = used.first().copied().unwrap_or(0);
        let second = used.get(1).copied().unwrap_or(low);
        let high = used.last().copied().unwrap_or(low);
        let sparse = used.len() * 2 <= usize::from(high - second) + 2;
        let used = if sparse { used.clone() } else { Vec::new() };
        Self {
            low,
            second,
            high,
            used,
        }
    }

    /// The map of `0..=max` to itself.
    pub(crate) fn identity(max: u16) -> Self {
        Self {
            low: 0,
            second: 1.min(max),
            high: max,
            used: Vec::new(),
        }
    }

    /// The map that also takes another part's samples.
    pub(crate) fn widened(&self, found: &Found) -> Self {
        if self.used.is_empty() {
            let dense = Self {
                used: Vec::new(),
                ..Self::new(found)
            };
            let low = self.low.min(dense.low);
            let all = [self.low, self.second, dense.low, dense.second];
            let second = all.into_iter().filter(|&v| v > low).min().unwrap_or(low);
            return Self {
                low,
                second,
                high: self.high.max(dense.high),
                used: Vec::new(),
            };
        }
        let mut used = [self.used.as_slice(), &found.used].concat();
        used.sort_unstable();
        used.dedup();
        Self::of_used(used)
    }

    fn of_used(used: Vec<u16>) -> Self {
        let low = used.first().copied().unwrap_or(0);
        let second = used.get(1).copied().unwrap_or(low);
        Self {
            low,
            second,
            high: used.last().copied().unwrap_or(low),
            used,
        }
    }

    /// The largest number that a sample maps to.
    pub(crate) fn max(&self) -> u16 {
        match self.used.len() {
            0 if self.second == self.low => 0,
            0 => (self.high - self.second).saturating_add(1),
            n => (n - 1) as u16,
        }
    }

    /// Samples to numbers, in place.
    pub(crate) fn apply(&self, samples: &mut [u16]) {
        let forward = self.forward();
        for sample in samples {
            *sample = forward[usize::from(*sample)];
        }
    }

    /// Numbers to samples, in place.
    pub(crate) fn invert(&self, numbers: &mut [u16]) {
        for number in numbers {
            *number = self.back(*number);
        }
    }

    /// Numbers by sample.
    pub(crate) fn forward(&self) -> Vec<u16> {
        let mut table = vec![0; VALUES];
        for n in 0..=self.max() {
            table[usize::from(self.back(n))] = n;
        }
        table
    }

    /// The sample of a number.
    #[inline]
    pub(crate) fn back(&self, n: u16) -> u16 {
        if !self.used.is_empty() {
            return self.used.get(usize::from(n)).copied().unwrap_or(self.high);
        }
        if n == 0 {
            self.low
        } else {
            self.second.saturating_add(n - 1)
        }
    }

    /// `0` | low | second - low | high - second, or
    /// `1` | length of the list | length packed | zstd of the varints of its steps.
    pub(crate) fn put(&self, to: &mut Vec<u8>) -> Option<()> {
        if self.used.is_empty() {
            to.push(0);
            varint::put(to, u64::from(self.low));
            varint::put(to, u64::from(self.second - self.low));
            varint::put(to, u64::from(self.high - self.second));
            return Some(());
        }
        let mut steps = Vec::new();
        let mut last = 0;
        for &v in &self.used {
            varint::put(&mut steps, u64::from(v - last));
            last = v;
        }
        let packed = bytes::encode(&steps, &[], 19)?;
        to.push(1);
        varint::put(to, steps.len() as u64);
        varint::put(to, packed.len() as u64);
        to.extend_from_slice(&packed);
        Some(())
    }

    pub(crate) fn take(from: &mut &[u8]) -> Result<Self, Corrupt> {
        let (&form, rest) = from.split_first().ok_or(Corrupt)?;
        *from = rest;
        let step = |from: &mut &[u8], base: u16| -> Result<u16, Corrupt> {
            let step = varint::take_u32(from, u32::from(u16::MAX - base))?;
            Ok(base + step as u16)
        };
        if form == 0 {
            let low = step(from, 0)?;
            let second = step(from, low)?;
            let high = step(from, second)?;
            return Ok(Self {
                low,
                second,
                high,
                used: Vec::new(),
            });
        }
        let len = varint::take_u32(from, 3 * VALUES as u32)? as usize;
        let packed_len = varint::take_u32(from, u32::MAX)? as usize;
        let (packed, rest) = from.split_at_checked(packed_len).ok_or(Corrupt)?;
        *from = rest;
        let steps = bytes::decode(packed, &[], len)?;
        let mut steps = steps.as_slice();
        let mut used = Vec::new();
        let mut last = 0;
        while !steps.is_empty() {
            let v = step(&mut steps, last)?;
            if v <= last && !used.is_empty() {
                return Err(Corrupt);
            }
            used.push(v);
            last = v;
        }
        if used.is_empty() {
            Err(Corrupt)
        } else {
            Ok(Self::of_used(used))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: &[u16], map: &Map) {
        let forward = map.forward();
        for &s in samples {
            assert_eq!(map.back(forward[usize::from(s)]), s);
            assert!(forward[usize::from(s)] <= map.max());
        }
        let mut bytes = Vec::new();
        map.put(&mut bytes).unwrap();
        assert!(Map::take(&mut bytes.as_slice()).unwrap() == *map);
    }

    #[test]
    fn maps_are_reversible_and_close_holes() {
        let sets: [&[u16]; 5] = [
            &[5],
            &[0, 65535],
            &[0, 24, 25, 26, 27],
            &[3, 1000, 2000, 3000],
            &[7, 8, 9, 10, 12],
        ];
        for a in sets {
            let map = Map::new(&find(a));
            check(a, &map);
            assert!(usize::from(map.max()) < 2 * a.len());
            for b in sets {
                check(&[a, b].concat(), &map.widened(&find(b)));
            }
        }
    }
}

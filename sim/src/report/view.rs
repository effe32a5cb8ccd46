//! From a timeline to what is drawn: columns, curves, axes in words.

use crate::run::{SiteTimeline, StudyTimeline, Timeline};

/// Classes as the timeline names them, most urgent first.
pub(super) const CLASSES: [&str; 4] = ["stat", "urgent", "routine", "bulk"];

/// Seconds of the units that an axis may count in, and their words.
const UNITS: [(f64, &str); 3] = [(86_400.0, "day"), (3600.0, "hour"), (60.0, "minute")];

/// An axis of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Clock {
    /// Seconds of one unit.
    pub(super) unit_s: f64,
    /// The unit's word.
    pub(super) word: &'static str,
    /// The end, in units.
    pub(super) end: f64,
}

impl Clock {
    /// For a run of so many seconds.
    pub(super) fn of(simulated_s: f64) -> Self {
        let end_s = simulated_s.max(1.0);
        let fits = UNITS.iter().find(|(unit, _)| end_s >= 4.0 * unit);
        let (unit_s, word) = *fits.unwrap_or(&(1.0, "second"));
        Self {
            unit_s,
            word,
            end: end_s / unit_s,
        }
    }

    /// Round steps along the axis, at most `most` of them; hours by the dial.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        let least = self.end / most.max(1) as f64;
        let dial = [1.0, 2.0, 3.0, 6.0, 12.0, 24.0];
        let step = dial.into_iter().find(|step| *step >= least);
        match step.filter(|_| self.word == "hour") {
            Some(step) => multiples(step, self.end),
            None => round_ticks(self.end, most),
        }
    }
}

/// Multiples of a round step from 0 to `end`.
pub(super) fn round_ticks(end: f64, most: usize) -> Vec<f64> {
    let least = end / most.max(1) as f64;
    let scale = 10f64.powf(least.max(1e-9).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let fits = factors.iter().find(|factor| *factor * scale >= least);
    multiples(fits.unwrap_or(&10.0) * scale, end)
}

fn multiples(step: f64, end: f64) -> Vec<f64> {
    let count = (end / step * (1.0 + 1e-9)).floor() as usize;
    (0..=count).map(|n| n as f64 * step).collect()
}

/// The share of each of `columns` equal columns of `[0, end_s]` that lies inside the spans.
pub(super) fn shares(spans: &[(f64, f64)], end_s: f64, columns: usize) -> Vec<f64> {
    let width = end_s / columns.max(1) as f64;
    let mut out = vec![0.0; columns];
    for (from, to) in spans {
        let (from, to) = (from.max(0.0), to.min(end_s));
        let first = (from / width) as usize;
        let last = (to / width).ceil() as usize;
        for (index, share) in out.iter_mut().enumerate().take(last).skip(first) {
            let (left, right) = (index as f64 * width, (index as f64 + 1.0) * width);
            *share += (to.min(right) - from.max(left)).max(0.0) / width;
        }
    }
    out
}

/// Neighbouring columns of one shade, `(from, to, shade)`, shades in steps of a fifth, none of zero.
pub(super) fn shades(shares: &[f64]) -> Vec<(usize, usize, f64)> {
    let step = |share: f64| {
        let fifths = (share * 5.0).round();
        if share > 0.0 && fifths == 0.0 {
            1.0
        } else {
            fifths
        }
    };
    let mut out: Vec<(usize, usize, f64)> = Vec::new();
    for (index, share) in shares.iter().enumerate() {
        let shade = step(*share) / 5.0;
        match out.last_mut() {
            Some((_, to, last)) if *last == shade && *to == index => *to = index + 1,
            _ => out.push((index, index + 1, shade)),
        }
    }
    out.retain(|(_, _, shade)| *shade > 0.0);
    out
}

/// A site's samples in at most `columns` columns: `(time, mean rate, longest queue)`.
pub(super) fn traffic(site: &SiteTimeline, columns: usize) -> Vec<(f64, f64, f64)> {
    let per = site.samples.len().div_ceil(columns.max(1)).max(1);
    let column = |chunk: &[crate::run::Sample]| {
        let rate = chunk.iter().map(|s| s.rate_bits_per_s).sum::<f64>() / chunk.len() as f64;
        let queue = chunk.iter().map(|s| s.queue_p95_s).fold(0.0, f64::max);
        chunk.last().map(|last| (last.at_s, rate, queue))
    };
    site.samples.chunks(per).filter_map(column).collect()
}

/// Bytes of all sites over time: `(time, made at the clinics, at the archive)`.
pub(super) fn delivered(timeline: &Timeline, columns: usize) -> Vec<(f64, f64, f64)> {
    let longest = timeline.sites.iter().map(|site| site.samples.len()).max();
    let count = longest.unwrap_or_default();
    let per = count.div_ceil(columns.max(1)).max(1);
    let picked = (0..count).step_by(per).chain(count.checked_sub(1));
    let mut out: Vec<(f64, f64, f64)> = Vec::new();
    for index in picked {
        let now = timeline
            .sites
            .iter()
            .filter_map(|site| site.samples.get(index));
        let (mut at, mut stored) = (0.0_f64, 0.0);
        for sample in now {
            at = at.max(sample.at_s);
            stored += sample.stored_bytes as f64;
        }
        let made = timeline
            .studies
            .iter()
            .filter(|study| study.arrived_s <= at);
        out.push((at, made.map(|study| study.bytes as f64).sum(), stored));
    }
    out
}

/// Seconds from arrival to the archive, sorted, of the studies of a class that are there; and how
/// many studies of the class there are.
pub(super) fn waits(
    studies: &[StudyTimeline],
    class: &str,
    of: impl Fn(&StudyTimeline) -> Option<f64>,
) -> (Vec<f64>, usize) {
    let own = studies.iter().filter(|study| study.class == class);
    let all = own.clone().count();
    let mut lengths: Vec<f64> = own.filter_map(of).collect();
    lengths.sort_by(f64::total_cmp);
    (lengths, all)
}

/// Wall time from arrival to the archive.
pub(super) fn wall(study: &StudyTimeline) -> Option<f64> {
    study.stored_s.map(|stored| stored - study.arrived_s)
}

/// A length of time in the fewest words.
pub(super) fn length(s: f64) -> String {
    let (unit, word) = match s {
        s if s >= 86_400.0 => (86_400.0, "d"),
        s if s >= 3600.0 => (3600.0, "h"),
        s if s >= 60.0 => (60.0, "min"),
        _ => (1.0, "s"),
    };
    format!("{} {word}", short(s / unit))
}

/// Bytes in decimal units.
pub(super) fn bytes(n: f64) -> String {
    match n {
        0.0 => "0".into(),
        n if n >= 1e9 => format!("{} GB", short(n / 1e9)),
        n if n >= 1e6 => format!("{} MB", short(n / 1e6)),
        n => format!("{} kB", short(n / 1e3)),
    }
}

/// Three digits that count.
pub(super) fn short(x: f64) -> String {
    let digits = match x.abs() {
        x if x >= 100.0 || x == 0.0 => 0,
        x if x >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{x:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

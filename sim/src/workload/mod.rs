//! The studies that a site makes: when, how urgent, how large.
//!
//! [`Workload::studies`] draws them from a seed: Poisson arrivals by hour and weekday, bursts of
//! trauma, X-ray only while the room has electricity (so that work piles up at the start of
//! supply: production and link are correlated). Sizes are those after lossless coding.

mod file;

use std::collections::BTreeMap;
use std::time::Duration;

pub use file::Workload;

use crate::calendar::Spans;
use crate::seed::{Dice, Seed};
use crate::time::{DAY, day, hours, seconds};
use file::{Burst, Modality};

/// How long a patient can wait, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A life hangs on it.
    Stat,
    /// Today.
    Urgent,
    /// In turn.
    Routine,
    /// When there is room: a thin set whose thick one has gone before.
    Bulk,
}

/// A study as it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// Its number at this site, in order of arrival of the patients.
    pub number: u64,
    /// When it is complete.
    pub at: Duration,
    /// Its class.
    pub class: Class,
    /// The modality's key in `modalities.toml`.
    pub modality: String,
    /// Bytes of each instance after lossless coding.
    pub instances: Vec<u64>,
    /// The study whose follow-up this is.
    pub follows: Option<u64>,
}

impl Study {
    /// Bytes of the whole study.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.instances.iter().sum()
    }
}

/// Share of the day's patients from 8 to 14, 14 to 20, and 20 to 8 h (A).
const BY_DAY: [(f64, f64, f64); 3] = [(8.0, 14.0, 0.6), (14.0, 20.0, 0.2), (20.0, 32.0, 0.2)];
/// Outpatients by weekday, Monday first: fewer on Fridays and Sundays (A).
const WEEKDAYS: [f64; 7] = [1.0, 1.0, 1.0, 1.0, 0.6, 1.0, 0.3];
/// One examination in the room (A), and the thin set after the thick one.
const EXAM: Duration = Duration::from_secs(180);
const FOLLOW_UP: Duration = Duration::from_secs(600);

impl Workload {
    /// The studies until `end`, in the order in which they are complete. `room` is when there is
    /// electricity for X-ray; `thin` keeps every so-many-th patient (0 and 1 keep all).
    #[must_use]
    pub fn studies(&self, seed: Seed, room: &Spans, end: Duration, thin: u64) -> Vec<Study> {
        let mut patients = self.patients(&seed, end);
        patients.sort_by_key(|patient| patient.at);
        let mut sizes = seed.child("sizes");
        let mut free_at = Duration::ZERO;
        let mut out = Vec::new();
        for (patient, number) in patients.into_iter().zip(0..) {
            sizes = sizes.nth(0);
            let Some(modality) = self.modality(&patient.modality) else {
                continue;
            };
            let Some(done) = examined(modality, patient.at, room, &mut free_at) else {
                continue;
            };
            if done >= end || (thin > 1 && number % thin != 0) {
                continue;
            }
            out.push(self.study(&patient, number, done, sizes));
            out.extend(
                self.follow_up(modality, number, done, sizes)
                    .filter(|study| study.at < end),
            );
        }
        out.sort_by_key(|study| (study.at, study.number, study.follows));
        out
    }

    fn patients(&self, seed: &Seed, end: Duration) -> Vec<Patient> {
        let mut dice = seed.child("patients").dice();
        let mut out = Vec::new();
        for n in 0..=day(end) {
            let midnight = seconds(n as f64 * 86_400.0);
            for (from, to, share) in BY_DAY {
                let night = to > 24.0;
                let mean = self.mean(n, share, night);
                let mut hour = from + dice.exponential((to - from) / mean);
                while hour < to {
                    out.push(self.patient(midnight + hours(hour), night, &mut dice));
                    hour += dice.exponential((to - from) / mean);
                }
            }
        }
        if let Some(burst) = &self.tier.burst {
            crashes(burst, seed, end, &mut out);
        }
        out
    }

    /// Patients expected in one part of a day. A week holds seven times the daily figure; a camp
    /// keeps the figure of its camp days, and no night.
    fn mean(&self, n: u64, share: f64, night: bool) -> f64 {
        let weekday = usize::try_from(n % 7).unwrap_or(0);
        if let Some(camp) = &self.tier.weekdays {
            let today = camp.iter().any(|d| usize::from(*d) == weekday) && !night;
            return if today {
                self.tier.per_day * share / 0.8
            } else {
                0.0
            };
        }
        let week: f64 = WEEKDAYS.iter().sum::<f64>() / 7.0;
        let outpatients = WEEKDAYS.get(weekday).copied().unwrap_or(1.0) / week;
        self.tier.per_day * share * if night { 1.0 } else { outpatients }
    }

    fn patient(&self, at: Duration, night: bool, dice: &mut Dice) -> Patient {
        let weights: Vec<f64> = self.tier.shares.values().copied().collect();
        let picked = dice.weighted(&weights);
        let modality = self
            .tier
            .shares
            .keys()
            .nth(picked)
            .cloned()
            .unwrap_or_default();
        let mix = self
            .modality(&modality)
            .map_or([0.0, 0.0, 1.0], |modality| modality.mix);
        let class = class(mix, night, dice);
        Patient {
            at,
            modality,
            class,
        }
    }

    fn study(&self, patient: &Patient, number: u64, at: Duration, sizes: Seed) -> Study {
        let instances = self
            .modality(&patient.modality)
            .map_or_else(Vec::new, |modality| {
                modality.instances(&mut sizes.child("images").dice())
            });
        Study {
            number,
            at,
            class: patient.class,
            modality: patient.modality.clone(),
            instances,
            follows: None,
        }
    }

    fn follow_up(&self, of: &Modality, number: u64, at: Duration, sizes: Seed) -> Option<Study> {
        let name = of.follow_up.clone()?;
        let instances = self
            .modality(&name)?
            .instances(&mut sizes.child("follow-up").dice());
        Some(Study {
            number,
            at: at + FOLLOW_UP,
            class: Class::Bulk,
            modality: name,
            instances,
            follows: Some(number),
        })
    }
}

struct Patient {
    at: Duration,
    modality: String,
    class: Class,
}

/// Nights see emergencies only: what would be routine is urgent then.
fn class(mix: [f64; 3], night: bool, dice: &mut Dice) -> Class {
    match dice.weighted(&mix) {
        0 if mix[0] > 0.0 => Class::Stat,
        1 => Class::Urgent,
        _ if night => Class::Urgent,
        _ => Class::Routine,
    }
}

/// When an examination is done: one after the other, and only with electricity where it needs it.
fn examined(
    modality: &Modality,
    arrived: Duration,
    room: &Spans,
    free_at: &mut Duration,
) -> Option<Duration> {
    if !modality.powered {
        return Some(arrived + EXAM);
    }
    let earliest = arrived.max(*free_at);
    let (from, _) = room
        .within(earliest, Duration::MAX)
        .longer_than(EXAM)
        .as_slice()
        .first()
        .copied()?;
    *free_at = from + EXAM;
    Some(*free_at)
}

/// Bus crashes: a Poisson process; each brings its victims within hours.
fn crashes(burst: &Burst, seed: &Seed, end: Duration, out: &mut Vec<Patient>) {
    let mut dice = seed.child("crashes").dice();
    let mut at = Duration::ZERO;
    loop {
        at += seconds(dice.exponential(burst.every_days.0) * DAY.as_secs_f64());
        if at >= end {
            return;
        }
        let (low, high) = burst.patients;
        for _ in 0..u64::from(low) + dice.below(u64::from(high.saturating_sub(low)) + 1) {
            let arrives = at + hours(dice.uniform() * burst.hours.0);
            let class = if dice.chance(0.6) {
                Class::Stat
            } else {
                Class::Urgent
            };
            out.push(Patient {
                at: arrives,
                modality: "trauma_xr".into(),
                class,
            });
            if dice.chance(burst.ct_share.0) {
                out.push(Patient {
                    at: arrives + EXAM,
                    modality: "ct_body".into(),
                    class,
                });
            }
        }
    }
}

/// Totals by class, for reports: studies and bytes.
#[must_use]
pub fn by_class(studies: &[Study]) -> BTreeMap<Class, (u64, u64)> {
    let mut out = BTreeMap::new();
    for study in studies {
        let entry: &mut (u64, u64) = out.entry(study.class).or_default();
        entry.0 += 1;
        entry.1 += study.bytes();
    }
    out
}

#[cfg(test)]
mod tests;

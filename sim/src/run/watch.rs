//! Looks at a running world at even distances, and sums up.

use std::time::Duration;

use karez_sender::{Handle, Progress};

use super::model::Study;
use super::outcome::{Outcome, Waits};
use super::timeline::{Sample, SiteTimeline, StudyTimeline, Timeline};
use super::world::World;
use crate::bench::{Latency, Queue};
use crate::calendar::{SiteCalendar, Spans};
use crate::link::{Counters, Delays, Direction};
use crate::workload::Class;

/// Samples of a run, about.
const SAMPLES: u32 = 2880;
/// Samples are never nearer to each other, nor further apart.
const GRAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(900));

/// What was seen so far.
pub(super) struct Watch {
    grain: Duration,
    sites: Vec<Site>,
}

#[derive(Default)]
struct Site {
    samples: Vec<Sample>,
    /// The queue's waits as of the sample before.
    waits: Delays,
    progress: Option<Progress>,
    /// IP bytes sent both ways, at the bundle's hours of the day and of the night.
    by_day: u64,
    by_night: u64,
}

impl Watch {
    pub(super) fn new(world: &World<'_>) -> Self {
        Self {
            grain: (world.run.horizon() / SAMPLES).clamp(GRAIN.0, GRAIN.1),
            sites: world.clinics.iter().map(|_| Site::default()).collect(),
        }
    }

    pub(super) fn grain(&self) -> Duration {
        self.grain
    }

    /// Takes a sample of every site.
    pub(super) async fn look(&mut self, world: &World<'_>) {
        for (clinic, site) in world.clinics.iter().zip(&mut self.sites) {
            site.sample(world, clinic.index);
            if let Some(handle) = clinic.running() {
                site.progress(world, clinic.index, &handle).await;
            }
        }
    }

    /// Sums up. What only the daemons know is left at zero.
    pub(super) fn outcome(self, world: &World<'_>, end: Duration) -> Outcome {
        let run = world.run;
        let model = world.model.state();
        let mut hash = blake3::Hasher::new();
        let (mut resumes, mut queue, mut queue_max) = (Vec::new(), 0.0_f64, 0.0_f64);
        let mut outcome = Outcome {
            profile: run.name.clone(),
            seed: run.seed,
            sites: run.sites.len(),
            simulated_s: end.as_secs_f64(),
            ..Outcome::default()
        };
        let mut timeline = Timeline {
            grain_s: self.grain.as_secs_f64(),
            ..Timeline::default()
        };
        for (index, site) in self.sites.into_iter().enumerate() {
            let (line, counters) = site.timeline(world, index, end);
            outcome.link_up_s += line.link_up_s;
            outcome.capacity_bytes += line.capacity_bytes;
            outcome.wire_bytes_up += line.wire_bytes_up;
            outcome.wire_bytes_down += line.wire_bytes_down;
            outcome.kills += line.kills;
            timeline.sites.push(SiteTimeline {
                stored_bytes: model.bytes_of(index).1,
                ..line
            });
            queue = queue.max(counters.queue_delay.quantile(0.95).as_secs_f64());
            queue_max = queue_max.max(counters.queue_delay.max().as_secs_f64());
            let id = world.clinics[index].site;
            hash.update(
                world
                    .air
                    .link(id, crate::link::Link::trace_hash)
                    .unwrap_or_default()
                    .as_bytes(),
            );
            world.air.meter(id, |meter| {
                resumes.extend_from_slice(meter.resumes());
                outcome.disconnects += meter.connections().saturating_sub(1);
            });
        }
        hash.update(&model.trace());
        outcome.trace_hash = hash.finalize().to_hex().to_string();
        outcome.link_up_share =
            outcome.link_up_s / (end.as_secs_f64() * run.sites.len() as f64).max(1e-9);
        outcome.resume_idle_s = Latency::of(resumes);
        outcome.queue_s = Queue {
            p95: queue,
            max: queue_max,
        };
        let usable: Vec<Spans> = world.calendars.iter().map(|c| c.usable()).collect();
        let waits = |class| waits(&model.studies, class, &usable, end);
        outcome.stat_s = waits(Class::Stat);
        outcome.urgent_s = waits(Class::Urgent);
        outcome.routine_s = waits(Class::Routine);
        outcome.bulk_s = waits(Class::Bulk);
        let studies = model.studies.iter().filter(|study| study.arrived <= end);
        timeline.studies = studies.map(|study| bar(study, &usable)).collect();
        outcome.timeline = timeline;
        outcome
    }
}

impl Site {
    fn sample(&mut self, world: &World<'_>, index: usize) {
        let Some(clinic) = world.clinics.get(index) else {
            return;
        };
        let (up, down) = counters(world, index);
        let at = world.air.elapsed().as_secs_f64();
        let before = self.samples.last().copied().unwrap_or_default();
        let (backlog, stored) = world.model.state().bytes_of(clinic.index);
        let fresh = up.queue_delay.since(&self.waits);
        let arrived = up.delivered.bytes - before.delivered_bytes;
        self.samples.push(Sample {
            at_s: at,
            sent_bytes: up.offered.bytes,
            delivered_bytes: up.delivered.bytes,
            delivered_bytes_down: down.delivered.bytes,
            rate_bits_per_s: arrived as f64 * 8.0 / (at - before.at_s).max(1e-9),
            queue_p95_s: match fresh.count() {
                0 => 0.0,
                _ => fresh.quantile(0.95).as_secs_f64(),
            },
            backlog_bytes: backlog,
            stored_bytes: stored,
        });
        self.waits = up.queue_delay;
        let sent = up.offered.bytes + down.offered.bytes - self.by_day - self.by_night;
        let bundle = world
            .run
            .sites
            .get(index)
            .and_then(|s| s.profile.bundle.as_ref());
        if bundle.is_some_and(|bundle| bundle.is_night(world.air.elapsed())) {
            self.by_night += sent;
        } else {
            self.by_day += sent;
        }
    }

    /// Notes which studies the sender now knows to be received and verified.
    async fn progress(&mut self, world: &World<'_>, index: usize, handle: &Handle) {
        let now = world.air.elapsed();
        let Ok(all) = handle.progress(vec![(0, u64::MAX)]).await else {
            return;
        };
        if self.progress.replace(all) == Some(all) {
            return;
        }
        let open: Vec<(usize, Vec<(u64, u64)>)> = {
            let model = world.model.state();
            let own = model.studies.iter().enumerate();
            let open = own
                .filter(|(_, s)| s.site == index && s.accepted.is_some() && s.verified.is_none());
            let ranges = |s: &Study| s.orders.iter().map(|o| (*o, *o + 1)).collect();
            open.map(|(at, study)| (at, ranges(study))).collect()
        };
        for (at, orders) in open {
            let Ok(progress) = handle.progress(orders).await else {
                return;
            };
            if let Some(study) = world.model.state().studies.get_mut(at) {
                if progress.received >= study.instances {
                    study.received.get_or_insert(now);
                }
                if progress.verified >= study.instances {
                    study.verified.get_or_insert(now);
                }
            }
        }
    }

    fn timeline(self, world: &World<'_>, index: usize, end: Duration) -> (SiteTimeline, Counters) {
        let (up, down) = counters(world, index);
        let (plan, calendar) = (&world.run.sites[index], &world.calendars[index]);
        let id = world.clinics[index].site;
        let capacity = world.air.link(id, |link| {
            let bytes = link.capacity(Direction::Up, Duration::ZERO, end);
            (bytes, link.up_time(Duration::ZERO, end))
        });
        let (capacity, up_time) = capacity.unwrap_or_default();
        let line = SiteTimeline {
            name: plan.name.clone(),
            profile: plan.profile.name.clone(),
            rupees: plan.profile.bundle.as_ref().map(|bundle| {
                let days = end.as_secs_f64() / 86_400.0;
                bundle.rupees(days, self.by_day, self.by_night)
            }),
            up: spans(&calendar.usable(), end),
            power: spans(&calendar.box_on, end),
            ordered_off: ordered_off(calendar, end),
            samples: self.samples,
            wire_bytes_up: up.offered.bytes,
            wire_bytes_down: down.offered.bytes,
            stored_bytes: 0,
            capacity_bytes: capacity,
            link_up_s: up_time.as_secs_f64(),
            kills: calendar.kills.iter().filter(|at| **at <= end).count() as u64,
        };
        (line, up)
    }
}

fn counters(world: &World<'_>, index: usize) -> (Counters, Counters) {
    let both = world.clinics.get(index).and_then(|clinic| {
        world.air.link(clinic.site, |link| {
            let of = |direction| link.counters(direction).clone();
            (of(Direction::Up), of(Direction::Down))
        })
    });
    both.unwrap_or_default()
}

fn ordered_off(calendar: &SiteCalendar, end: Duration) -> Vec<(f64, f64)> {
    let first = calendar.lines.first();
    first.map_or_else(Vec::new, |line| spans(&line.order.not(), end))
}

fn spans(spans: &Spans, end: Duration) -> Vec<(f64, f64)> {
    let within = spans.within(Duration::ZERO, end);
    let pair = |(from, to): &(Duration, Duration)| (from.as_secs_f64(), to.as_secs_f64());
    within.as_slice().iter().map(pair).collect()
}

fn waits(studies: &[Study], class: Class, usable: &[Spans], end: Duration) -> Waits {
    let due = studies
        .iter()
        .filter(|study| study.class == class && study.arrived <= end);
    let (mut stored, mut waiting) = (Vec::new(), 0);
    for study in due {
        match study.stored {
            Some(at) => stored.push((at.saturating_sub(study.arrived), up_time(study, usable, at))),
            None => waiting += 1,
        }
    }
    Waits::of(stored, waiting)
}

fn up_time(study: &Study, usable: &[Spans], until: Duration) -> Duration {
    let spans = usable.get(study.site);
    spans.map_or(Duration::ZERO, |spans| spans.total(study.arrived, until))
}

fn bar(study: &Study, usable: &[Spans]) -> StudyTimeline {
    let seconds = |at: Option<Duration>| at.map(|at| at.as_secs_f64());
    StudyTimeline {
        site: study.site,
        class: match study.class {
            Class::Stat => "stat",
            Class::Urgent => "urgent",
            Class::Routine => "routine",
            Class::Bulk => "bulk",
        },
        modality: study.modality.clone(),
        bytes: study.bytes,
        instances: study.instances,
        arrived_s: study.arrived.as_secs_f64(),
        accepted_s: seconds(study.accepted),
        received_s: seconds(study.received),
        verified_s: seconds(study.verified),
        stored_s: seconds(study.stored),
        stored_link_up_s: seconds(study.stored.map(|at| up_time(study, usable, at))),
    }
}

//! A bar for each study, from its arrival to the archive.

use plotters::prelude::*;

use crate::report::ReportError;
use crate::report::draw::{Axis, INK, Sheet, class_colour, fault};
use crate::report::view::{CLASSES, Clock, short};
use crate::run::{StudyTimeline, Timeline};

/// A bar is never drawn shorter than this share of the axis.
const SHORTEST: f64 = 0.004;
/// Steps in which the bar of a study that is not there yet fades.
const FADE: [f64; 4] = [0.7, 0.5, 0.35, 0.2];

pub(super) fn draw<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    timeline: &Timeline,
    clock: Clock,
) -> Result<(), ReportError> {
    let words = CLASSES.map(str::to_uppercase);
    let legend = CLASSES.map(class_colour);
    let legend: Vec<_> = words.iter().map(String::as_str).zip(legend).collect();
    let sheet = sheet.titled("Every study, from arrival to the archive", &legend)?;
    let mut studies: Vec<&StudyTimeline> = timeline.studies.iter().collect();
    studies.sort_by(|a, b| {
        (a.site, a.arrived_s)
            .partial_cmp(&(b.site, b.arrived_s))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let rows = studies.len().max(1) as f64;
    let middles = middles(&studies, timeline.sites.len());
    let name = |y: &f64| {
        let nearest = middles.iter().find(|(at, _)| (rows - at - y).abs() < 0.5);
        let site = nearest.and_then(|(_, site)| timeline.sites.get(*site));
        site.map_or_else(String::new, |site| site.name.clone())
    };
    let words = |x: &f64| short(*x);
    let x = Axis {
        from: 0.0,
        to: clock.end,
        ticks: clock.ticks(12),
        words: &words,
        name: clock.word,
    };
    let y = Axis {
        from: 0.0,
        to: rows,
        ticks: middles.iter().map(|(at, _)| rows - at).collect(),
        words: &name,
        name: "",
    };
    let mut chart = sheet.axes(&x, &y)?;
    let lines = studies
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair.first().map(|s| s.site) != pair.last().map(|s| s.site));
    let lines = lines.map(|(index, _)| {
        let y = rows - index as f64 - 1.0;
        PathElement::new([(0.0, y), (clock.end, y)], INK.mix(0.4))
    });
    chart.draw_series(lines).map_err(fault)?;
    let bars = studies
        .iter()
        .enumerate()
        .flat_map(|(index, study)| bar(study, rows - index as f64, clock));
    chart.draw_series(bars).map_err(fault)?;
    Ok(())
}

/// The middle row of each site that has studies, and its index.
fn middles(studies: &[&StudyTimeline], sites: usize) -> Vec<(f64, usize)> {
    let middle = |site: usize| {
        let own = |study: &&StudyTimeline| study.site == site;
        let first = studies.iter().position(own)?;
        let count = studies.iter().filter(|study| own(study)).count();
        Some((first as f64 + count as f64 / 2.0, site))
    };
    (0..sites).filter_map(middle).collect()
}

fn bar(study: &StudyTimeline, top: f64, clock: Clock) -> Vec<Rectangle<(f64, f64)>> {
    let colour = class_colour(study.class);
    let from = study.arrived_s / clock.unit_s;
    let piece = |from: f64, to: f64, shade: f64| {
        Rectangle::new(
            [(from, top - 0.08), (to, top - 0.92)],
            colour.mix(shade).filled(),
        )
    };
    let least = clock.end * SHORTEST;
    if let Some(stored) = study.stored_s {
        let to = (stored / clock.unit_s).max(from + least).min(clock.end);
        return vec![piece((to - least).min(from), to, 1.0)];
    }
    let step = (clock.end - from).max(least) / FADE.len() as f64;
    let fading = FADE.iter().enumerate();
    let part = |(n, shade): (usize, &f64)| {
        let left = from.min(clock.end - least) + n as f64 * step;
        piece(left, (left + step).min(clock.end), *shade)
    };
    fading.map(part).collect()
}

//! Rate and queue over time, a row for each site.

use plotters::prelude::*;

use crate::report::ReportError;
use crate::report::draw::{AMBER, Axis, BLUE, Sheet, fault};
use crate::report::view::{Clock, round_ticks, short, traffic};
use crate::run::{SiteTimeline, Timeline};

/// Columns of one of two charts side by side.
const COLUMNS: usize = 420;

pub(super) fn draw<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    timeline: &Timeline,
    clock: Clock,
) -> Result<(), ReportError> {
    let legend = [
        ("arriving at the hub", BLUE),
        ("wait in the queue, p95", AMBER),
    ];
    let sheet = sheet.titled("Rate and queue", &legend)?;
    let parts = sheet.split(timeline.sites.len(), 2);
    for (site, pair) in timeline.sites.iter().zip(parts.chunks(2)) {
        let [left, right] = pair else { continue };
        let columns = traffic(site, COLUMNS);
        let at = |s: f64| s / clock.unit_s;
        let rate = columns.iter().map(|(t, rate, _)| (at(*t), rate / 1e3));
        curve(left, site, clock, "kbit/s", &rate.collect::<Vec<_>>(), BLUE)?;
        let queue = columns.iter().map(|(t, _, queue)| (at(*t), *queue));
        curve(right, site, clock, "s", &queue.collect::<Vec<_>>(), AMBER)?;
    }
    Ok(())
}

fn curve<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    site: &SiteTimeline,
    clock: Clock,
    unit: &str,
    points: &[(f64, f64)],
    colour: RGBColor,
) -> Result<(), ReportError> {
    let highest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let to = if highest > 0.0 { highest * 1.08 } else { 1.0 };
    let words = |x: &f64| short(*x);
    let x = Axis {
        from: 0.0,
        to: clock.end,
        ticks: clock.ticks(8),
        words: &words,
        name: "",
    };
    let y = Axis {
        from: 0.0,
        to,
        ticks: round_ticks(to, 4),
        words: &words,
        name: &format!("{}, {unit}", site.name),
    };
    let mut chart = sheet.axes(&x, &y)?;
    let area = AreaSeries::new(points.iter().copied(), 0.0, colour.mix(0.25));
    chart
        .draw_series(area.border_style(colour.stroke_width(sheet.px(1.0).unsigned_abs())))
        .map_err(fault)?;
    Ok(())
}

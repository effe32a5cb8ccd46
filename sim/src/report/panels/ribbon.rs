//! When line and power were there, a row for each site.

use plotters::prelude::*;

use super::COLUMNS;
use crate::report::ReportError;
use crate::report::draw::{AMBER, Axis, GREEN, RED, Sheet, fault};
use crate::report::view::{Clock, shades, shares, short};
use crate::run::Timeline;

/// Stripes of a row, from its top, in parts of its height: line, power, order.
const STRIPES: [(f64, f64); 3] = [(0.08, 0.52), (0.58, 0.74), (0.80, 0.92)];

pub(super) fn draw<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    timeline: &Timeline,
    clock: Clock,
) -> Result<(), ReportError> {
    let legend = [
        ("line up", GREEN),
        ("box has power", AMBER),
        ("switched off by order", RED),
    ];
    let sheet = sheet.titled("When there was a line", &legend)?;
    let rows = timeline.sites.len() as f64;
    let name = |y: &f64| {
        let site = timeline.sites.get((rows - 0.5 - y).round() as usize);
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
        to: rows.max(1.0),
        ticks: (0..timeline.sites.len()).map(|n| n as f64 + 0.5).collect(),
        words: &name,
        name: "",
    };
    let mut chart = sheet.axes(&x, &y)?;
    let width = clock.end / COLUMNS as f64;
    for (index, site) in timeline.sites.iter().enumerate() {
        let top = rows - index as f64;
        let layers = [
            (&site.up, GREEN),
            (&site.power, AMBER),
            (&site.ordered_off, RED),
        ];
        for ((spans, colour), (from, to)) in layers.into_iter().zip(STRIPES) {
            let columns = shades(&shares(spans, clock.end * clock.unit_s, COLUMNS));
            let stripe = columns.into_iter().map(|(left, right, shade)| {
                let corners = [
                    (left as f64 * width, top - from),
                    (right as f64 * width, top - to),
                ];
                Rectangle::new(corners, colour.mix(shade).filled())
            });
            chart.draw_series(stripe).map_err(fault)?;
        }
    }
    Ok(())
}

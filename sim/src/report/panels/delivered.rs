//! Bytes made and bytes at the archive, over all sites.

use plotters::prelude::*;

use super::COLUMNS;
use crate::report::ReportError;
use crate::report::draw::{Axis, GREEN, INK, Sheet, fault};
use crate::report::view::{Clock, bytes, delivered, round_ticks, short};
use crate::run::Timeline;

pub(super) fn draw<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    timeline: &Timeline,
    clock: Clock,
) -> Result<(), ReportError> {
    let legend = [("made at the clinics", INK), ("at the archive", GREEN)];
    let sheet = sheet.titled("Bytes delivered", &legend)?;
    let columns = delivered(timeline, COLUMNS);
    let highest = columns.iter().map(|(_, made, _)| *made).fold(1e3, f64::max);
    let to = highest * 1.06;
    let (days, amount) = (|x: &f64| short(*x), |y: &f64| bytes(*y));
    let x = Axis {
        from: 0.0,
        to: clock.end,
        ticks: clock.ticks(12),
        words: &days,
        name: clock.word,
    };
    let y = Axis {
        from: 0.0,
        to,
        ticks: round_ticks(to, 5),
        words: &amount,
        name: "",
    };
    let mut chart = sheet.axes(&x, &y)?;
    let at = |s: f64| s / clock.unit_s;
    let stored = columns.iter().map(|(t, _, stored)| (at(*t), *stored));
    let area = AreaSeries::new(stored, 0.0, GREEN.mix(0.25));
    let thick = sheet.px(2.0).unsigned_abs();
    chart
        .draw_series(area.border_style(GREEN.stroke_width(thick)))
        .map_err(fault)?;
    let made = columns.iter().map(|(t, made, _)| (at(*t), *made));
    chart
        .draw_series(LineSeries::new(made, INK.stroke_width(thick)))
        .map_err(fault)?;
    Ok(())
}

//! How long studies took: the share that was there within a time, by class.

use plotters::prelude::*;

use crate::report::ReportError;
use crate::report::draw::{Axis, Sheet, class_colour, fault};
use crate::report::view::{CLASSES, length, waits, wall};
use crate::run::{StudyTimeline, Timeline};

/// Where numbers stand on the axis of time, s.
const TICKS: [f64; 12] = [
    1.0,
    10.0,
    60.0,
    600.0,
    3600.0,
    21_600.0,
    86_400.0,
    259_200.0,
    604_800.0,
    2_592_000.0,
    7_776_000.0,
    31_536_000.0,
];

pub(super) fn draw<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    timeline: &Timeline,
) -> Result<(), ReportError> {
    let words = CLASSES.map(str::to_uppercase);
    let legend = CLASSES.map(class_colour);
    let legend: Vec<_> = words.iter().map(String::as_str).zip(legend).collect();
    let sheet = sheet.titled("How long studies took", &legend)?;
    let parts = sheet.split(1, 2);
    let [left, right] = parts.as_slice() else {
        return Ok(());
    };
    curves(left, timeline, "as the clock on the wall counts", wall)?;
    curves(right, timeline, "only while the line was up", |study| {
        study.stored_link_up_s
    })
}

fn curves<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    timeline: &Timeline,
    name: &str,
    of: impl Fn(&StudyTimeline) -> Option<f64>,
) -> Result<(), ReportError> {
    let all: Vec<f64> = timeline.studies.iter().filter_map(&of).collect();
    let least = all
        .iter()
        .copied()
        .fold(f64::MAX, f64::min)
        .clamp(1.0, 60.0);
    let most = all.iter().copied().fold(600.0, f64::max);
    let (from, to) = (least.log10(), most.log10() + 0.08);
    let ticks = TICKS.map(f64::log10);
    let (words, percent) = (
        |x: &f64| length(10f64.powf(*x).round()),
        |y: &f64| format!("{:.0} %", y * 100.0),
    );
    let x = Axis {
        from,
        to,
        ticks: ticks
            .into_iter()
            .filter(|x| (from..=to).contains(x))
            .collect(),
        words: &words,
        name,
    };
    let y = Axis {
        from: 0.0,
        to: 1.0,
        ticks: vec![0.0, 0.25, 0.5, 0.75, 1.0],
        words: &percent,
        name: "",
    };
    let mut chart = sheet.axes(&x, &y)?;
    for class in CLASSES {
        let (lengths, count) = waits(&timeline.studies, class, &of);
        let steps = lengths.iter().enumerate().flat_map(|(index, length)| {
            let x = length.max(least).log10();
            let share = |n: usize| n as f64 / count.max(1) as f64;
            [(x, share(index)), (x, share(index + 1))]
        });
        let style = class_colour(class).stroke_width(sheet.px(2.0).unsigned_abs());
        chart
            .draw_series(LineSeries::new(steps, style))
            .map_err(fault)?;
    }
    Ok(())
}

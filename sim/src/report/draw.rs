//! What all panels share: colours, letters, axes.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::ReportError;

/// Letters, axes. Inside a page it stands for the reader's own colour of text.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x26, 0x2a);
pub(super) const GREEN: RGBColor = RGBColor(0x2a, 0x9d, 0x62);
pub(super) const BLUE: RGBColor = RGBColor(0x2e, 0x86, 0xc1);
pub(super) const AMBER: RGBColor = RGBColor(0xe0, 0x9a, 0x1f);
pub(super) const RED: RGBColor = RGBColor(0xd6, 0x3a, 0x3a);
const GREY: RGBColor = RGBColor(0x8a, 0x8f, 0x96);

/// The colour of a class.
pub(super) fn class_colour(class: &str) -> RGBColor {
    match class {
        "stat" => RED,
        "urgent" => AMBER,
        "routine" => BLUE,
        _ => GREY,
    }
}

/// A place to draw in, and how large a pixel is there.
pub(super) struct Sheet<DB: DrawingBackend> {
    /// Where.
    pub(super) area: DrawingArea<DB, Shift>,
    /// 1 in a page, 2 in a picture of double resolution.
    pub(super) scale: f64,
}

/// An axis.
pub(super) struct Axis<'a> {
    /// Where it ends; it starts at `from`.
    pub(super) to: f64,
    /// Where it starts.
    pub(super) from: f64,
    /// Where numbers stand.
    pub(super) ticks: Vec<f64>,
    /// How they are written.
    pub(super) words: &'a dyn Fn(&f64) -> String,
    /// What it counts; may be empty.
    pub(super) name: &'a str,
}

impl Axis<'_> {
    fn scale(&self) -> Scale {
        Scale {
            from: self.from,
            to: self.to,
            ticks: self.ticks.clone(),
        }
    }
}

/// A panel with axes.
pub(super) type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<Scale, Scale>>;

/// A straight scale whose numbers stand where they are told to.
pub(super) struct Scale {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Ranged for Scale {
    type ValueType = f64;
    type FormatOption = DefaultFormatting;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from).max(f64::MIN_POSITIVE);
        low + (f64::from(high - low) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

/// Turns an error of the library into ours.
pub(super) fn fault<E: std::error::Error>(error: E) -> ReportError {
    ReportError::Drawing(error.to_string())
}

/// Registers the letters, once.
pub(super) fn letters() -> Result<(), ReportError> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = *DONE.get_or_init(|| {
        let regular = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        let bold = register_font("sans-serif", FontStyle::Bold, dejavu::sans::bold());
        regular.is_ok() && bold.is_ok()
    });
    done.then_some(())
        .ok_or_else(|| ReportError::Drawing("its letters cannot be read".into()))
}

impl<DB: DrawingBackend> Sheet<DB> {
    /// Pixels of this sheet.
    pub(super) fn px(&self, n: f64) -> i32 {
        (n * self.scale).round() as i32
    }

    /// Letters of this size.
    pub(super) fn text(&self, size: f64) -> TextStyle<'static> {
        let font = FontDesc::new(FontFamily::SansSerif, size * self.scale, FontStyle::Normal);
        font.color(&INK)
    }

    /// Bold ones.
    pub(super) fn bold(&self, size: f64) -> TextStyle<'static> {
        let font = FontDesc::new(FontFamily::SansSerif, size * self.scale, FontStyle::Bold);
        font.color(&INK)
    }

    /// Writes a line at a place.
    pub(super) fn say(
        &self,
        text: &str,
        at: (i32, i32),
        style: &TextStyle<'static>,
    ) -> Result<(), ReportError> {
        self.area.draw_text(text, style, at).map_err(fault)
    }

    /// A title with its legend behind it; the rest of the sheet is left.
    pub(super) fn titled(
        &self,
        title: &str,
        legend: &[(&str, RGBColor)],
    ) -> Result<Self, ReportError> {
        let style = self.bold(16.0);
        self.say(title, (self.px(8.0), self.px(6.0)), &style)?;
        let (width, _) = self.area.estimate_text_size(title, &style).map_err(fault)?;
        let mut x = self.px(28.0) + i32::try_from(width).unwrap_or(0);
        for (word, colour) in legend {
            let (top, side) = (self.px(9.0), self.px(10.0));
            let square = Rectangle::new([(x, top), (x + side, top + side)], colour.filled());
            self.area.draw(&square).map_err(fault)?;
            let small = self.text(13.0);
            self.say(word, (x + self.px(15.0), self.px(8.0)), &small)?;
            let (width, _) = self.area.estimate_text_size(word, &small).map_err(fault)?;
            x += self.px(32.0) + i32::try_from(width).unwrap_or(0);
        }
        let (_, rest) = self.area.split_vertically(self.px(28.0));
        Ok(Self {
            area: rest,
            scale: self.scale,
        })
    }

    /// Parts of equal size, row by row.
    pub(super) fn split(&self, rows: usize, columns: usize) -> Vec<Self> {
        let parts = self.area.split_evenly((rows.max(1), columns.max(1)));
        let part = |area| Self {
            area,
            scale: self.scale,
        };
        parts.into_iter().map(part).collect()
    }

    /// Axes, with thin lines at the numbers.
    pub(super) fn axes(&self, x: &Axis<'_>, y: &Axis<'_>) -> Result<Chart<'_, DB>, ReportError> {
        let named = |name: &str| if name.is_empty() { 0.0 } else { 14.0 };
        let mut chart = ChartBuilder::on(&self.area)
            .margin(self.px(6.0))
            .margin_right(self.px(16.0))
            .x_label_area_size(self.px(22.0 + named(x.name)))
            .y_label_area_size(self.px(52.0 + named(y.name)))
            .build_cartesian_2d(x.scale(), y.scale())
            .map_err(fault)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.14))
            .axis_style(INK.mix(0.5))
            .x_labels(x.ticks.len() + 1)
            .y_labels(y.ticks.len() + 1)
            .x_label_formatter(x.words)
            .y_label_formatter(y.words)
            .x_desc(x.name)
            .y_desc(y.name)
            .label_style(self.text(12.0))
            .axis_desc_style(self.text(13.0))
            .draw()
            .map_err(fault)?;
        Ok(chart)
    }
}

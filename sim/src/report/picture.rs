//! The pictures as files: SVG for a page, all of them as one PNG.

use plotters::prelude::*;

use super::ReportError;
use super::draw::{INK, Sheet, fault, letters};
use super::panels::Panel;
use crate::run::Outcome;

/// Width of a picture in pixels of a page.
const WIDTH: u32 = 1000;
/// Pixels of the PNG for each pixel of a page.
const DENSITY: u32 = 2;

/// One panel as SVG without a background, letters and axes in the colour of the text around it.
pub(super) fn svg(panel: Panel, outcome: &Outcome) -> Result<String, ReportError> {
    letters()?;
    let (mut text, height) = (String::new(), panel.height(outcome));
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        let sheet = Sheet { area, scale: 1.0 };
        panel.draw(&sheet, outcome)?;
        sheet.area.present().map_err(fault)?;
    }
    let ink = format!("\"#{:02X}{:02X}{:02X}\"", INK.0, INK.1, INK.2);
    let text = text.replace(&ink, "\"currentColor\"");
    Ok(text.replace(
        &format!("width=\"{WIDTH}\" height=\"{height}\""),
        "width=\"100%\" role=\"img\"",
    ))
}

/// All panels in one PNG on white.
///
/// # Errors
/// Says what could not be drawn.
pub fn png(outcome: &Outcome) -> Result<Vec<u8>, ReportError> {
    letters()?;
    let heights = Panel::ALL.map(|panel| panel.height(outcome) * DENSITY);
    let (width, height) = (WIDTH * DENSITY, heights.iter().sum::<u32>());
    let mut pixels = vec![0; width as usize * height as usize * 3];
    {
        let mut rest = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        rest.fill(&WHITE).map_err(fault)?;
        for (panel, height) in Panel::ALL.into_iter().zip(heights) {
            let (area, below) = rest.split_vertically(height);
            let scale = f64::from(DENSITY);
            panel.draw(&Sheet { area, scale }, outcome)?;
            rest = below;
        }
        rest.present().map_err(fault)?;
    }
    encode(&pixels, width, height).map_err(fault)
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(out)
}

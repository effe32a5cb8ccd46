//! Pixel data cut into parts: by frames, by rows of huge frames, by fragments.
use std::io;
use std::ops::Range;

use super::walk::Walker;
use super::{InstanceInfo, PartPlan};
use crate::part::PART_PACKED_MAX;

/// A part's raw bytes are at most this many, so that even stored ones stay below the bound.
pub(crate) const PART_TARGET: u64 = PART_PACKED_MAX as u64 - 4096;

/// What a part's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Bytes.
    Opaque,
    /// Items of an encapsulated pixel value, whole ones.
    Fragments,
    /// Rows of samples.
    Native {
        pixels: Pixels,
        /// Number of the first row within its frame.
        first_row: u32,
    },
}

/// The shape of native pixel data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pixels {
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    /// Bytes per sample: 1, 2 or 4.
    pub(crate) bytes: u8,
    /// Samples per pixel: 1 or 3.
    pub(crate) samples: u8,
    /// Planes one after the other (planar configuration 1).
    pub(crate) planar: bool,
    pub(crate) signed: bool,
    pub(crate) big: bool,
    /// The first sample is a luminance already.
    pub(crate) luma: bool,
}

impl Pixels {
    fn of(info: &InstanceInfo) -> Option<Self> {
        let bytes = match info.bits_allocated? {
            8 => 1,
            16 => 2,
            32 => 4,
            _ => return None,
        };
        let samples = match info.samples_per_pixel.unwrap_or(1) {
            1 => 1,
            3 => 3,
            _ => return None,
        };
        Some(Self {
            rows: u32::from(info.rows.filter(|&n| n > 0)?),
            columns: u32::from(info.columns.filter(|&n| n > 0)?),
            bytes,
            samples,
            planar: samples == 3 && info.planar == Some(1),
            signed: info.pixel_representation == Some(1),
            big: info.transfer_syntax_uid.as_deref() == Some("1.2.840.10008.1.2.2"),
            luma: info
                .photometric
                .as_deref()
                .is_some_and(|p| p.starts_with("YBR")),
        })
    }

    /// Bytes of one row; of one row of one plane when planar.
    pub(crate) fn row_len(&self) -> u64 {
        let samples = if self.planar {
            1
        } else {
            u64::from(self.samples)
        };
        u64::from(self.columns) * u64::from(self.bytes) * samples
    }

    pub(crate) fn frame_len(&self) -> u64 {
        u64::from(self.rows)
            * u64::from(self.columns)
            * u64::from(self.bytes)
            * u64::from(self.samples)
    }
}

pub(super) fn opaque(range: Range<u64>) -> Vec<PartPlan> {
    pieces(range, PART_TARGET, |_| Layout::Opaque)
}

fn pieces(range: Range<u64>, size: u64, layout: impl Fn(u64) -> Layout) -> Vec<PartPlan> {
    let mut parts = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let len = size.min(range.end - start);
        parts.push(PartPlan {
            start,
            len,
            layout: layout(start - range.start),
        });
        start += len;
    }
    parts
}

/// Whole frames up to the target; rows of a frame that is larger. The value's real length counts,
/// not the one that the head implies: the last part can end anywhere.
pub(super) fn native(range: Range<u64>, info: &InstanceInfo) -> Vec<PartPlan> {
    let Some(pixels) = Pixels::of(info) else {
        return opaque(range);
    };
    let (frame, row) = (pixels.frame_len(), pixels.row_len());
    if frame <= PART_TARGET {
        let size = PART_TARGET / frame * frame;
        return with_tail(
            pieces(range, size, |_| Layout::Native {
                pixels,
                first_row: 0,
            }),
            row,
        );
    }
    if row > PART_TARGET || pixels.planar {
        return opaque(range);
    }
    let rows = PART_TARGET / row;
    let mut parts = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let in_frame = (start - range.start) % frame;
        let len = (rows * row).min(frame - in_frame).min(range.end - start);
        let first_row = (in_frame / row) as u32;
        parts.push(PartPlan {
            start,
            len,
            layout: Layout::Native { pixels, first_row },
        });
        start += len;
    }
    with_tail(parts, row)
}

/// A last part of less than a row (padding, as a rule) joins the one before.
fn with_tail(mut parts: Vec<PartPlan>, row: u64) -> Vec<PartPlan> {
    if let [.., before, last] = &mut parts[..]
        && last.len < row
        && before.len + last.len < PART_PACKED_MAX as u64 - 64
    {
        before.len += last.len;
        parts.pop();
    }
    parts
}

/// Groups whole items up to the target. The offset table's item belongs to the head.
/// Gives the range of the fragments beside the parts.
pub(super) fn fragments(
    walker: &mut Walker<'_>,
    items: u64,
    pixel_element: u64,
    info: &mut InstanceInfo,
) -> io::Result<(Range<u64>, Vec<PartPlan>)> {
    let len = walker.cursor.len();
    let Some(Some(table)) = walker.fragment(items)? else {
        return Ok((pixel_element..len, opaque(pixel_element..len)));
    };
    let mut group = Group {
        parts: Vec::new(),
        start: table.end,
        end: table.end,
    };
    loop {
        match walker.fragment(group.end)? {
            Some(Some(item)) => group.push(item),
            Some(None) => {
                let delimiter = group.end;
                let parts = group.close();
                info.whole = trailer_is_whole(walker, delimiter + 8)?;
                return Ok((table.end..delimiter, parts));
            }
            None => {
                let end = group.end;
                let mut parts = group.close();
                parts.extend(opaque(end..len));
                return Ok((table.end..len, parts));
            }
        }
    }
}

struct Group {
    parts: Vec<PartPlan>,
    start: u64,
    end: u64,
}

impl Group {
    fn push(&mut self, item: Range<u64>) {
        if item.end - self.start > PART_TARGET {
            self.flush();
        }
        self.end = item.end;
        if item.end - item.start > PART_TARGET {
            self.parts.extend(opaque(item));
            self.start = self.end;
        }
    }

    fn flush(&mut self) {
        if self.end > self.start {
            let (start, len) = (self.start, self.end - self.start);
            self.parts.push(PartPlan {
                start,
                len,
                layout: Layout::Fragments,
            });
        }
        self.start = self.end;
    }

    fn close(mut self) -> Vec<PartPlan> {
        self.flush();
        self.parts
    }
}

/// Encapsulated data sets are explicit VR little endian (PS3.5 A.4).
fn trailer_is_whole(walker: &mut Walker<'_>, start: u64) -> io::Result<bool> {
    let syntax = super::Syntax::EXPLICIT;
    let mut at = start;
    while at < walker.cursor.len() {
        let Some(element) = walker.element(at, syntax)? else {
            return Ok(false);
        };
        let Some(end) = walker.end(&element, syntax)? else {
            return Ok(false);
        };
        at = end;
    }
    Ok(true)
}

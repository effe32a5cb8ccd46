use std::fmt;

use super::walk::{Element, Syntax, UNDEFINED};

/// What the top level of the data set says. Text is trimmed of padding, otherwise as it stands.
///
/// `Debug` prints no patient data and no UIDs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct InstanceInfo {
    /// (0002,0010)
    pub transfer_syntax_uid: Option<String>,
    /// (0008,0016), else (0002,0002)
    pub sop_class_uid: Option<String>,
    /// (0008,0018), else (0002,0003)
    pub sop_instance_uid: Option<String>,
    /// (0020,000D)
    pub study_uid: Option<String>,
    /// (0020,000E)
    pub series_uid: Option<String>,
    /// (0008,0050)
    pub accession_number: Option<String>,
    /// (0010,0010)
    pub patient_name: Option<String>,
    /// (0010,0020)
    pub patient_id: Option<String>,
    /// (0010,0030)
    pub birth_date: Option<String>,
    /// (0008,0005): how the text above is encoded.
    pub character_set: Option<String>,
    /// (0008,0060)
    pub modality: Option<String>,
    /// (0040,1003)
    pub requested_procedure_priority: Option<String>,
    /// (0028,0010)
    pub rows: Option<u16>,
    /// (0028,0011)
    pub columns: Option<u16>,
    /// (0028,0008)
    pub frames: Option<u32>,
    /// (0028,0002)
    pub samples_per_pixel: Option<u16>,
    /// (0028,0004)
    pub photometric: Option<String>,
    /// (0028,0006)
    pub planar: Option<u16>,
    /// (0028,0100)
    pub bits_allocated: Option<u16>,
    /// (0028,0101)
    pub bits_stored: Option<u16>,
    /// (0028,0103): 1 = two's complement.
    pub pixel_representation: Option<u16>,
    /// Where the data set starts: behind the file meta information, if there is any.
    pub data_set_offset: u64,
    /// Whether the file was walked to its end without a break or truncation.
    pub whole: bool,
}

impl fmt::Debug for InstanceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceInfo")
            .field("modality", &self.modality)
            .field("rows", &self.rows)
            .field("columns", &self.columns)
            .field("frames", &self.frames)
            .field("whole", &self.whole)
            .finish_non_exhaustive()
    }
}

impl InstanceInfo {
    /// Notes the element's value if it is one of ours. The first one of a tag counts; what the
    /// data set says of its UIDs counts more than the file meta group.
    pub(super) fn note(&mut self, tag: u32, value: &[u8], syntax: Syntax) {
        let counts_more = matches!(tag, 0x0008_0016 | 0x0008_0018);
        if let Some(field) = self.text_field(tag) {
            if field.is_none() || counts_more {
                *field = Some(text(value));
            }
        } else if let Some(field) = self.number_field(tag) {
            if field.is_none() {
                *field = number(value, syntax);
            }
        } else if tag == 0x0028_0008 && self.frames.is_none() {
            self.frames = text(value).trim().parse().ok();
        }
    }

    fn text_field(&mut self, tag: u32) -> Option<&mut Option<String>> {
        Some(match tag {
            0x0002_0010 => &mut self.transfer_syntax_uid,
            0x0002_0002 | 0x0008_0016 => &mut self.sop_class_uid,
            0x0002_0003 | 0x0008_0018 => &mut self.sop_instance_uid,
            0x0008_0005 => &mut self.character_set,
            0x0008_0050 => &mut self.accession_number,
            0x0008_0060 => &mut self.modality,
            0x0010_0010 => &mut self.patient_name,
            0x0010_0020 => &mut self.patient_id,
            0x0010_0030 => &mut self.birth_date,
            0x0020_000D => &mut self.study_uid,
            0x0020_000E => &mut self.series_uid,
            0x0028_0004 => &mut self.photometric,
            0x0040_1003 => &mut self.requested_procedure_priority,
            _ => return None,
        })
    }

    fn number_field(&mut self, tag: u32) -> Option<&mut Option<u16>> {
        Some(match tag {
            0x0028_0002 => &mut self.samples_per_pixel,
            0x0028_0006 => &mut self.planar,
            0x0028_0010 => &mut self.rows,
            0x0028_0011 => &mut self.columns,
            0x0028_0100 => &mut self.bits_allocated,
            0x0028_0101 => &mut self.bits_stored,
            0x0028_0103 => &mut self.pixel_representation,
            _ => return None,
        })
    }
}

/// Whether `note` may want the value: a short one of a group it reads.
pub(super) fn is_wanted(element: &Element) -> bool {
    matches!(
        element.tag >> 16,
        0x0002 | 0x0008 | 0x0010 | 0x0020 | 0x0028 | 0x0040
    ) && element.len != UNDEFINED
        && element.len <= 1024
}

fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.trim_matches(['\0', ' ']).to_owned()
}

fn number(value: &[u8], syntax: Syntax) -> Option<u16> {
    let bytes: [u8; 2] = value.get(..2)?.try_into().ok()?;
    Some(if syntax.big {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    })
}

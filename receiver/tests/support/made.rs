//! DICOM instances that a PACS could take.

use karez_dimse::Uid;
use karez_dimse::part10::Meta;
use karez_dimse::uid::{CT_STORAGE, EXPLICIT_LE};

use super::noise;

pub const STUDY: &str = "1.2.826.0.1.50";
pub const SERIES: &str = "1.2.826.0.1.50.1";

/// An instance to be made.
#[derive(Clone, Debug)]
pub struct Image {
    pub class: String,
    pub syntax: String,
    pub uid: String,
    pub study: String,
    pub patient: String,
    pub pixels: usize,
    pub seed: u64,
}

impl Image {
    /// The `number`th image of a CT.
    pub fn ct(number: u64) -> Self {
        Self {
            class: CT_STORAGE.into(),
            syntax: EXPLICIT_LE.into(),
            uid: format!("{SERIES}.{number}"),
            study: STUDY.into(),
            patient: "CANARY^ONE".into(),
            pixels: 2048,
            seed: number,
        }
    }

    pub fn uid(&self) -> Uid {
        Uid::new(&self.uid)
    }

    /// The data set: explicit, little endian.
    pub fn data_set(&self) -> Vec<u8> {
        let mut bytes = [
            text(8, 0x16, b"UI", &self.class),
            text(8, 0x18, b"UI", &self.uid),
            text(8, 0x60, b"CS", "CT"),
            text(0x10, 0x10, b"PN", &self.patient),
            text(0x10, 0x20, b"LO", "0001"),
            text(0x20, 0x0d, b"UI", &self.study),
            text(0x20, 0x0e, b"UI", SERIES),
        ]
        .concat();
        bytes.extend([0xe0, 0x7f, 0x10, 0]);
        bytes.extend(b"OW\0\0");
        bytes.extend((self.pixels as u32).to_le_bytes());
        bytes.extend(noise(self.seed, self.pixels));
        bytes
    }

    /// The file.
    pub fn file(&self) -> Vec<u8> {
        self.file_of(&self.data_set())
    }

    /// A file of another data set.
    pub fn file_of(&self, data_set: &[u8]) -> Vec<u8> {
        let meta = Meta {
            sop_class: Uid::new(&self.class),
            sop_instance: self.uid(),
            transfer_syntax: Uid::new(&self.syntax),
        };
        [&meta.encode(), data_set].concat()
    }
}

fn text(group: u16, number: u16, vr: &[u8; 2], value: &str) -> Vec<u8> {
    let mut value = value.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == b"UI" { 0 } else { b' ' });
    }
    let mut bytes = [group.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.extend_from_slice(vr);
    bytes.extend((value.len() as u16).to_le_bytes());
    bytes.extend(value);
    bytes
}

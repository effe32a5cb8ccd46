//! The least DICOM file that a PACS takes: Part 10, Explicit VR Little Endian (PS3.5, PS3.10).

/// A gray image of 16 bits allocated.
#[derive(Clone, Debug)]
pub struct Image {
    /// SOP Class UID.
    pub sop_class: &'static str,
    /// (0008,0060)
    pub modality: &'static str,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Instance number.
    pub number: u32,
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Bits stored of 16.
    pub bits_stored: u16,
    /// Row by row.
    pub pixels: Vec<u16>,
}

const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// Implementation class UID: this maker.
const MAKER: &str = "2.25.302718294012847";

impl Image {
    /// The file's bytes.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let meta = self.meta();
        let mut out = vec![0; 128];
        out.extend_from_slice(b"DICM");
        element(
            &mut out,
            0x0002,
            0x0000,
            *b"UL",
            &(meta.len() as u32).to_le_bytes(),
        );
        out.extend(meta);
        self.data_set(&mut out);
        out
    }

    fn meta(&self) -> Vec<u8> {
        let mut meta = Vec::new();
        let out = &mut meta;
        element(out, 0x0002, 0x0001, *b"OB", &[0, 1]);
        element(out, 0x0002, 0x0002, *b"UI", self.sop_class.as_bytes());
        element(out, 0x0002, 0x0003, *b"UI", self.instance.as_bytes());
        element(
            out,
            0x0002,
            0x0010,
            *b"UI",
            EXPLICIT_LITTLE_ENDIAN.as_bytes(),
        );
        element(out, 0x0002, 0x0012, *b"UI", MAKER.as_bytes());
        meta
    }

    fn data_set(&self, out: &mut Vec<u8>) {
        element(out, 0x0008, 0x0016, *b"UI", self.sop_class.as_bytes());
        element(out, 0x0008, 0x0018, *b"UI", self.instance.as_bytes());
        element(out, 0x0008, 0x0020, *b"DA", b"20260101");
        element(out, 0x0008, 0x0030, *b"TM", b"120000");
        element(out, 0x0008, 0x0060, *b"CS", self.modality.as_bytes());
        element(out, 0x0010, 0x0010, *b"PN", b"MADE^NOBODY");
        element(out, 0x0010, 0x0020, *b"LO", b"MADE-1");
        element(out, 0x0020, 0x000d, *b"UI", self.study.as_bytes());
        element(out, 0x0020, 0x000e, *b"UI", self.series.as_bytes());
        element(
            out,
            0x0020,
            0x0013,
            *b"IS",
            self.number.to_string().as_bytes(),
        );
        let number =
            |out: &mut Vec<u8>, e, n: u16| element(out, 0x0028, e, *b"US", &n.to_le_bytes());
        number(out, 0x0002, 1);
        element(out, 0x0028, 0x0004, *b"CS", b"MONOCHROME2");
        number(out, 0x0010, self.rows);
        number(out, 0x0011, self.columns);
        number(out, 0x0100, 16);
        number(out, 0x0101, self.bits_stored);
        number(out, 0x0102, self.bits_stored - 1);
        number(out, 0x0103, 0);
        let bytes: Vec<u8> = self.pixels.iter().flat_map(|p| p.to_le_bytes()).collect();
        element(out, 0x7fe0, 0x0010, *b"OW", &bytes);
    }
}

fn element(out: &mut Vec<u8>, group: u16, number: u16, vr: [u8; 2], value: &[u8]) {
    let padded = value.len() + value.len() % 2;
    out.extend(group.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend(vr);
    if matches!(&vr, b"OB" | b"OW") {
        out.extend([0, 0]);
        out.extend((padded as u32).to_le_bytes());
    } else {
        out.extend((padded as u16).to_le_bytes());
    }
    out.extend_from_slice(value);
    if padded > value.len() {
        out.push(if &vr == b"UI" { 0 } else { b' ' });
    }
}

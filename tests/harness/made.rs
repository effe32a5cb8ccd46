//! DICOM files made for tests: every kind of transfer syntax, sequences, private elements,
//! truncated, empty and foreign ones, and large ones.

use std::io::Write;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How a data set is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Implicit VR, little endian.
    Implicit,
    /// Explicit VR, little endian.
    Explicit,
    /// Explicit VR, big endian.
    Big,
}

const SYNTAXES: [(&str, Encoding, bool); 8] = [
    ("1.2.840.10008.1.2", Encoding::Implicit, false),
    ("1.2.840.10008.1.2.1", Encoding::Explicit, false),
    ("1.2.840.10008.1.2.2", Encoding::Big, false),
    ("1.2.840.10008.1.2.4.50", Encoding::Explicit, true),
    ("1.2.840.10008.1.2.4.70", Encoding::Explicit, true),
    ("1.2.840.10008.1.2.4.90", Encoding::Explicit, true),
    ("1.2.840.10008.1.2.5", Encoding::Explicit, true),
    ("1.2.3.4.5.private", Encoding::Explicit, true),
];

/// What a made file says.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Transfer syntax UID.
    pub syntax: String,
    /// Its encoding.
    pub encoding: Encoding,
    /// Whether pixel data is in fragments.
    pub encapsulated: bool,
    /// Study Instance UID.
    pub study: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Patient's name, as bytes in whatever character set.
    pub patient: Vec<u8>,
    /// Patient's number; left out when empty.
    pub number: Vec<u8>,
    /// Bytes of pixel data.
    pub pixels: usize,
    /// Seed of the pixels.
    pub seed: u64,
}

impl Spec {
    /// An ordinary image of `pixels` random bytes in a study of its own.
    #[must_use]
    pub fn new(seed: u64, pixels: usize) -> Self {
        Self {
            syntax: "1.2.840.10008.1.2.1".into(),
            encoding: Encoding::Explicit,
            encapsulated: false,
            study: format!("1.2.826.0.1.{seed}"),
            instance: format!("1.2.826.0.1.{seed}.1"),
            patient: b"MADE^UP".to_vec(),
            number: Vec::new(),
            pixels: pixels & !1,
            seed,
        }
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.preamble();
        self.data_set(&mut out);
        out
    }

    fn preamble(&self) -> Vec<u8> {
        let mut meta = Writer(Encoding::Explicit, Vec::new());
        meta.element(0x0002, 0x0010, b"UI", self.syntax.as_bytes());
        let mut out = vec![0; 128];
        out.extend_from_slice(b"DICM");
        let mut group = Writer(Encoding::Explicit, Vec::new());
        group.element(0x0002, 0x0000, b"UL", &(meta.1.len() as u32).to_le_bytes());
        out.extend(group.1);
        out.extend(meta.1);
        out
    }

    fn data_set(&self, out: &mut Vec<u8>) {
        let mut w = Writer(self.encoding, Vec::new());
        w.element(0x0008, 0x0016, b"UI", b"1.2.840.10008.5.1.4.1.1.7");
        w.element(0x0008, 0x0018, b"UI", self.instance.as_bytes());
        w.element(0x0008, 0x0060, b"CS", b"OT");
        w.element(0x0009, 0x0010, b"LO", b"KAREZ TEST");
        w.element(0x0010, 0x0010, b"PN", &self.patient);
        if !self.number.is_empty() {
            w.element(0x0010, 0x0020, b"LO", &self.number);
        }
        w.element(0x0020, 0x000d, b"UI", self.study.as_bytes());
        w.element(
            0x0020,
            0x000e,
            b"UI",
            format!("{}.9", self.study).as_bytes(),
        );
        let pixels = random(self.seed, self.pixels);
        if self.encapsulated {
            w.fragments(&pixels);
        } else {
            w.element(0x7fe0, 0x0010, b"OW", &pixels);
        }
        out.extend(w.1);
    }
}

/// Reproducible noise.
#[must_use]
pub fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

struct Writer(Encoding, Vec<u8>);

impl Writer {
    fn number(&mut self, value: u64, bytes: usize) {
        let le = value.to_le_bytes();
        let mut part = le[..bytes].to_vec();
        if self.0 == Encoding::Big {
            part.reverse();
        }
        self.1.extend(part);
    }

    fn tag(&mut self, group: u16, element: u16) {
        self.number(u64::from(group), 2);
        self.number(u64::from(element), 2);
    }

    fn header(&mut self, group: u16, element: u16, vr: &[u8; 2], length: u32) {
        self.tag(group, element);
        let long = matches!(vr, b"OW" | b"OB" | b"SQ" | b"UN");
        if self.0 == Encoding::Implicit {
            self.number(u64::from(length), 4);
        } else if long {
            self.1.extend_from_slice(vr);
            self.number(0, 2);
            self.number(u64::from(length), 4);
        } else {
            self.1.extend_from_slice(vr);
            self.number(u64::from(length), 2);
        }
    }

    fn element(&mut self, group: u16, element: u16, vr: &[u8; 2], value: &[u8]) {
        let padded = value.len() + value.len() % 2;
        self.header(group, element, vr, padded as u32);
        self.1.extend_from_slice(value);
        if value.len() % 2 == 1 {
            self.1.push(if vr == b"UI" { 0 } else { b' ' });
        }
    }

    fn fragments(&mut self, pixels: &[u8]) {
        self.header(0x7fe0, 0x0010, b"OB", u32::MAX);
        self.tag(0xfffe, 0xe000);
        self.number(0, 4);
        for piece in pixels.chunks(60_000) {
            self.tag(0xfffe, 0xe000);
            self.number(piece.len() as u64, 4);
            self.1.extend_from_slice(piece);
        }
        self.tag(0xfffe, 0xe0dd);
        self.number(0, 4);
    }
}

/// Writes one file of each kind below `folder`.
pub fn write_all(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let put = |name: String, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    for (index, (syntax, encoding, encapsulated)) in SYNTAXES.into_iter().enumerate() {
        let mut spec = Spec::new(index as u64, 150_000);
        (spec.syntax, spec.encoding, spec.encapsulated) = (syntax.into(), encoding, encapsulated);
        let bytes = spec.bytes();
        put(format!("whole-{index}"), &bytes);
        put(format!("cut-{index}"), &bytes[..bytes.len() * 2 / 3]);
        put(format!("bare-{index}"), &bytes[132..]);
    }
    put("empty".into(), b"");
    put("one-byte".into(), b"x");
    put("text".into(), b"this is no image\n");
    put("noise".into(), &random(99, 70_000));
}

/// Writes an encapsulated multi-frame file of about `bytes` bytes, without holding it in memory;
/// its BLAKE3.
pub fn write_large(path: &Path, bytes: u64) -> [u8; 32] {
    let mut spec = Spec::new(5, 0);
    (spec.encapsulated, spec.syntax) = (true, "1.2.840.10008.1.2.4.50".into());
    let small = spec.bytes();
    let (head, tail) = small.split_at(small.len() - 8);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let mut hasher = blake3::Hasher::new();
    let mut put = |piece: &[u8]| {
        hasher.update(piece);
        file.write_all(piece).unwrap();
    };
    put(head);
    let frame = 400_000_usize;
    for index in 0..bytes / frame as u64 {
        put(&[0xfe, 0xff, 0x00, 0xe0]);
        put(&(frame as u32).to_le_bytes());
        put(&random(index, frame));
    }
    put(tail);
    file.flush().unwrap();
    *hasher.finalize().as_bytes()
}

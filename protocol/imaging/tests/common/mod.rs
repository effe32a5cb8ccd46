//! Files to test with, and the whole way there and back.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]
use std::path::{Path, PathBuf};

use karez_imaging::{
    HEAD, Level, PART_PACKED_MAX, PackedItem, PackedPart, Packer, PartRef, Unpacker, plan,
};

/// The packed parts of one instance, and where its head is split.
pub struct Packed {
    pub record: u64,
    pub prefix_len: usize,
    pub parts: Vec<PackedPart>,
}

pub fn pack(packer: &mut Packer, record: u64, file: &[u8]) -> Packed {
    let plan = plan(&file).unwrap();
    let mut parts = Vec::new();
    packer
        .pack(record, &file, &plan, &mut |item: PackedItem<'_>| {
            assert_eq!(item.part as usize, parts.len());
            assert!(item.packed.packed.len() <= PART_PACKED_MAX);
            assert!(item.packed.packed.len() <= item.raw.len() + 8);
            parts.push(item.packed);
            Ok::<(), ()>(())
        })
        .unwrap();
    Packed {
        record,
        prefix_len: plan.head.prefix_len as usize,
        parts,
    }
}

/// The restored instance. References are served from `all`.
pub fn unpack(unpacker: &mut Unpacker, packed: &Packed, all: &[Packed]) -> Vec<u8> {
    let mut fetch = |r: PartRef| {
        let instance = all.iter().find(|p| p.record == r.record).ok_or(())?;
        instance.parts.get(r.part as usize).cloned().ok_or(())
    };
    let mut raw = Vec::new();
    for (part, piece) in (HEAD..).zip(&packed.parts) {
        let at = PartRef {
            record: packed.record,
            part,
        };
        raw.push(unpacker.unpack(at, piece, &mut fetch).unwrap());
    }
    let (prefix, suffix) = raw[0].split_at(packed.prefix_len);
    [prefix, &raw[1..].concat(), suffix].concat()
}

pub fn round_trip(level: Level, files: &[Vec<u8>]) {
    let mut packer = Packer::new(level);
    let packed: Vec<Packed> = (1..)
        .zip(files)
        .map(|(record, file)| pack(&mut packer, record, file))
        .collect();
    let mut unpacker = Unpacker::new();
    for (file, packed_file) in files.iter().zip(&packed) {
        assert!(
            unpack(&mut unpacker, packed_file, &packed) == *file,
            "in order"
        );
    }
    for (file, packed_file) in files.iter().zip(&packed).rev().step_by(7) {
        let mut fresh = Unpacker::new();
        assert!(unpack(&mut fresh, packed_file, &packed) == *file, "alone");
    }
}

/// The folders of the corpus, each with its files in order; made ones when there is no corpus.
pub fn studies() -> Vec<Vec<Vec<u8>>> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("KAREZ_CORPUS").map_or(default, PathBuf::from);
    let mut folders: Vec<PathBuf> = entries(&root).into_iter().filter(|p| p.is_dir()).collect();
    folders.push(root);
    let read = |folder: &PathBuf| -> Vec<Vec<u8>> {
        let files = entries(folder).into_iter().filter(|p| p.is_file());
        files.map(|file| std::fs::read(file).unwrap()).collect()
    };
    let mut studies: Vec<_> = folders.iter().map(read).filter(|s| !s.is_empty()).collect();
    studies.push(made::study());
    studies
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(dir) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = dir.filter_map(Result::ok).map(|e| e.path()).collect();
    paths.sort();
    paths
}

pub mod made {
    //! Files made here, in the shapes that matter.

    pub struct Random(pub u64);

    impl Random {
        pub fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ z >> 31
        }

        pub fn below(&mut self, n: usize) -> usize {
            (self.next() % n as u64) as usize
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Syntax {
        Implicit,
        Explicit,
        Big,
        Encapsulated,
    }

    impl Syntax {
        fn uid(self) -> &'static str {
            match self {
                Self::Implicit => "1.2.840.10008.1.2",
                Self::Explicit => "1.2.840.10008.1.2.1",
                Self::Big => "1.2.840.10008.1.2.2",
                Self::Encapsulated => "1.2.840.10008.1.2.4.50",
            }
        }
    }

    /// What a made image looks like.
    #[derive(Clone, Copy)]
    pub struct Shape {
        pub syntax: Syntax,
        pub rows: u16,
        pub columns: u16,
        pub frames: u16,
        pub samples: u16,
        pub bits: u16,
        pub noise: usize,
        pub seed: u64,
    }

    pub const PLAIN: Shape = Shape {
        syntax: Syntax::Explicit,
        rows: 40,
        columns: 52,
        frames: 1,
        samples: 1,
        bits: 16,
        noise: 12,
        seed: 1,
    };

    fn put(out: &mut Vec<u8>, syntax: Syntax, tag: u32, vr: &[u8; 2], value: &[u8]) {
        let (group, element) = ((tag >> 16) as u16, tag as u16);
        let big = syntax == Syntax::Big;
        let u16s = |n: u16| {
            if big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        let u32s = |n: u32| {
            if big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        out.extend(u16s(group));
        out.extend(u16s(element));
        let len = value.len() as u32;
        if syntax == Syntax::Implicit {
            out.extend(u32s(len));
        } else if matches!(vr, b"OB" | b"OW" | b"SQ") {
            out.extend(vr);
            out.extend([0, 0]);
            out.extend(u32s(len));
        } else {
            out.extend(vr);
            out.extend(u16s(len as u16));
        }
        out.extend(value);
    }

    fn text(s: &str) -> Vec<u8> {
        let mut bytes = s.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes
    }

    /// Smooth shapes with noise, a different place in each frame.
    pub fn samples(shape: &Shape) -> Vec<u16> {
        let mut random = Random(shape.seed);
        let mut out = Vec::new();
        let top = if shape.bits == 8 { 200 } else { 3000 };
        for frame in 0..i32::from(shape.frames) {
            for y in 0..i32::from(shape.rows) {
                for x in 0..i32::from(shape.columns) {
                    let (dx, dy) = (x - 25 - frame - shape.seed as i32 % 5, y - 18);
                    let inside = dx * dx + dy * dy < 300;
                    for sample in 0..i32::from(shape.samples) {
                        let base = if inside {
                            top / 2 + dx * 9 + sample * 3
                        } else {
                            0
                        };
                        let noise = if inside {
                            random.below(shape.noise.max(1)) as i32
                        } else {
                            0
                        };
                        out.push((base + noise).clamp(0, top) as u16);
                    }
                }
            }
        }
        out
    }

    pub fn pixel_bytes(shape: &Shape) -> Vec<u8> {
        let wide = samples(shape);
        let mut bytes: Vec<u8> = match (shape.bits, shape.syntax) {
            (8, Syntax::Big) => {
                let narrow: Vec<u8> = wide.iter().map(|&v| v as u8).collect();
                narrow
                    .chunks(2)
                    .flat_map(|pair| pair.iter().rev().copied().collect::<Vec<_>>())
                    .collect()
            }
            (8, _) => wide.iter().map(|&v| v as u8).collect(),
            (_, Syntax::Big) => wide.iter().flat_map(|v| v.to_be_bytes()).collect(),
            _ => wide.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes
    }

    fn head(shape: &Shape) -> Vec<u8> {
        let s = shape.syntax;
        let mut out = vec![0; 128];
        out.extend(b"DICM");
        put(
            &mut out,
            Syntax::Explicit,
            0x0002_0010,
            b"UI",
            &text(s.uid()),
        );
        put(&mut out, s, 0x0008_0060, b"CS", b"OT");
        put(&mut out, s, 0x0010_0010, b"PN", &text("Made^Nobody"));
        put(&mut out, s, 0x0020_000D, b"UI", &text("1.2.3.4"));
        let number = |n: u16| {
            if s == Syntax::Big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        put(&mut out, s, 0x0028_0002, b"US", &number(shape.samples));
        put(
            &mut out,
            s,
            0x0028_0008,
            b"IS",
            &text(&shape.frames.to_string()),
        );
        put(&mut out, s, 0x0028_0010, b"US", &number(shape.rows));
        put(&mut out, s, 0x0028_0011, b"US", &number(shape.columns));
        put(&mut out, s, 0x0028_0100, b"US", &number(shape.bits));
        out
    }

    pub fn file(shape: &Shape) -> Vec<u8> {
        let mut out = head(shape);
        put(
            &mut out,
            shape.syntax,
            0x7FE0_0010,
            b"OW",
            &pixel_bytes(shape),
        );
        put(&mut out, shape.syntax, 0xFFFC_FFFC, b"OB", &[0; 10]);
        out
    }

    /// An encapsulated file with the given fragments.
    pub fn encapsulated(shape: &Shape, fragments: &[Vec<u8>]) -> Vec<u8> {
        let mut out = head(&Shape {
            syntax: Syntax::Encapsulated,
            ..*shape
        });
        out.extend([
            0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
        ]);
        let mut item = |value: &[u8]| {
            out.extend([0xFE, 0xFF, 0x00, 0xE0]);
            out.extend((value.len() as u32).to_le_bytes());
            out.extend(value);
        };
        item(&[]);
        fragments.iter().for_each(|f| item(f));
        out.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        out
    }

    /// Every transfer syntax, several shapes, and things that are no images at all.
    pub fn study() -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        for syntax in [Syntax::Implicit, Syntax::Explicit, Syntax::Big] {
            for (bits, samples) in [(8, 1), (16, 1), (8, 3)] {
                for frames in [1, 3] {
                    files.push(file(&Shape {
                        syntax,
                        bits,
                        samples,
                        frames,
                        ..PLAIN
                    }));
                }
            }
        }
        for seed in 2..22 {
            files.push(file(&Shape { seed, ..PLAIN }));
        }
        let fragments: Vec<Vec<u8>> = (0..5).map(|n| vec![n; 300 * usize::from(n)]).collect();
        files.push(encapsulated(&PLAIN, &fragments));
        files.push(file(&PLAIN)[..900].to_vec());
        files.push(file(&PLAIN)[132..].to_vec());
        files.extend([Vec::new(), vec![0], b"DICM".to_vec(), vec![b'x'; 5000]]);
        files
    }
}

//! Made studies: noise and anatomy enough that they compress as real ones do, and nobody's.

mod dicom;
mod phantom;

pub use dicom::Image;

use crate::seed::Seed;

/// One instance, as a Part 10 file.
#[derive(Clone, Debug)]
pub struct MadeFile {
    /// A name to show; it says nothing of anybody.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A CT of a head: `slices` axial images of 512 x 512 pixels, 12 bits used.
#[must_use]
pub fn head_ct(seed: Seed, slices: u32) -> Vec<MadeFile> {
    let study = uid(seed, "study");
    (0..slices)
        .map(|slice| {
            let depth = f64::from(slice) / f64::from(slices.max(1));
            let pixels = phantom::axial_head(seed.nth(u64::from(slice)), depth);
            let image = Image {
                sop_class: "1.2.840.10008.5.1.4.1.1.2",
                modality: "CT",
                study: study.clone(),
                series: format!("{study}.1"),
                instance: format!("{study}.1.{}", slice + 1),
                number: slice + 1,
                rows: phantom::HEAD as u16,
                columns: phantom::HEAD as u16,
                bits_stored: 12,
                pixels,
            };
            MadeFile {
                name: format!("CT {:03}", slice + 1),
                bytes: image.to_file(),
            }
        })
        .collect()
}

/// A chest radiograph of 1,024 x 1,024 pixels, 12 bits used.
#[must_use]
pub fn chest_radiograph(seed: Seed) -> Vec<MadeFile> {
    let study = uid(seed, "study");
    let image = Image {
        sop_class: "1.2.840.10008.5.1.4.1.1.1.1",
        modality: "DX",
        study: study.clone(),
        series: format!("{study}.1"),
        instance: format!("{study}.1.1"),
        number: 1,
        rows: phantom::CHEST as u16,
        columns: phantom::CHEST as u16,
        bits_stored: 12,
        pixels: phantom::chest(seed),
    };
    vec![MadeFile {
        name: "DX 001".into(),
        bytes: image.to_file(),
    }]
}

/// A UID of the seed's own (PS3.5 B.2: 2.25 and a number of up to 128 bits).
fn uid(seed: Seed, label: &str) -> String {
    let bytes = seed.child(label).bytes();
    let number = bytes
        .iter()
        .take(12)
        .fold(0_u128, |n, b| n << 8 | u128::from(*b));
    format!("2.25.{}", number | 1 << 96)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_studies_differ_by_seed_and_not_by_run() {
        let (one, two) = (head_ct(Seed::new(1), 2), head_ct(Seed::new(1), 2));
        assert_eq!(one[1].bytes, two[1].bytes);
        assert_ne!(one[0].bytes, one[1].bytes);
        assert_ne!(head_ct(Seed::new(2), 1)[0].bytes, one[0].bytes);
        assert!(one[0].bytes.len() > 512 * 512 * 2);
    }

    #[test]
    fn made_pixels_are_neither_constant_nor_noise_alone() {
        let file = chest_radiograph(Seed::new(3)).remove(0).bytes;
        let packed = zstd_len(&file);
        assert!(packed * 5 < file.len() * 4, "{packed} of {}", file.len());
        assert!(packed * 5 > file.len(), "{packed} of {}", file.len());
    }

    /// The entropy of the differences of neighbouring pixels, as a number of bytes.
    fn zstd_len(file: &[u8]) -> usize {
        let pixels: Vec<u16> = file[1000..]
            .chunks_exact(2)
            .map(|p| u16::from_le_bytes([p[0], p[1]]))
            .collect();
        let mut counts = std::collections::BTreeMap::new();
        for pair in pixels.windows(2) {
            *counts.entry(pair[1].wrapping_sub(pair[0])).or_insert(0_u32) += 1;
        }
        let total = f64::from(counts.values().sum::<u32>());
        let bits: f64 = counts
            .values()
            .map(|n| -f64::from(*n) * (f64::from(*n) / total).log2())
            .sum();
        (bits / 8.0) as usize
    }
}

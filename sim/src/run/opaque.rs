//! Instances that a hub can hand to an archive: noise of a given size, or a real file.

use std::io;
use std::path::Path;

use karez_dimse::Uid;
use karez_dimse::part10::{Head, Meta};
use karez_dimse::uid::{DEFLATED_LE, DX_STORAGE, EXPLICIT_LE};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::seed::Seed;

/// One instance, as a Part 10 file.
pub struct Opaque {
    /// Its SOP Instance UID.
    pub uid: Uid,
    /// The file.
    pub file: Vec<u8>,
    /// BLAKE3 of its data set.
    pub fingerprint: [u8; 32],
}

impl Opaque {
    /// The `number`th instance of a study, of about `bytes` bytes: noise, so that it packs as it is.
    #[must_use]
    pub fn new(study: Seed, number: u64, bytes: u64) -> Self {
        let study_uid = uid(study);
        let instance = format!("{study_uid}.1.{}", number + 1);
        let meta = Meta {
            sop_class: Uid::new(DX_STORAGE),
            sop_instance: Uid::new(&instance),
            transfer_syntax: Uid::new(EXPLICIT_LE),
        };
        let mut file = meta.encode();
        let start = file.len();
        text(&mut file, (0x08, 0x16), b"UI", DX_STORAGE);
        text(&mut file, (0x08, 0x18), b"UI", &instance);
        text(&mut file, (0x08, 0x60), b"CS", "DX");
        text(&mut file, (0x20, 0x0d), b"UI", &study_uid);
        text(&mut file, (0x20, 0x0e), b"UI", &format!("{study_uid}.1"));
        let length = usize::try_from(bytes.clamp(2, u64::from(u32::MAX) - 1)).unwrap_or(2) & !1;
        file.extend([0xe0, 0x7f, 0x10, 0]);
        file.extend(b"OW\0\0");
        file.extend((length as u32).to_le_bytes());
        let pixels = file.len();
        file.resize(pixels + length, 0);
        let mut noise = ChaCha8Rng::from_seed(study.nth(number).bytes());
        if let Some(pixels) = file.get_mut(pixels..) {
            noise.fill_bytes(pixels);
        }
        let data_set = file.get(start..).unwrap_or_default();
        Self {
            uid: Uid::new(&instance),
            fingerprint: *blake3::hash(data_set).as_bytes(),
            file,
        }
    }

    /// The same image with other bytes: its last one.
    #[must_use]
    pub fn changed(mut self) -> Self {
        if let Some(last) = self.file.last_mut() {
            *last ^= 1;
        }
        let head = Head::read(&self.file).map_or(0, |head| head.data_set);
        let data_set = self.file.get(head..).unwrap_or_default();
        self.fingerprint = *blake3::hash(data_set).as_bytes();
        self
    }

    /// A real file.
    ///
    /// # Errors
    /// It cannot be read, or is no Part 10 file with a UID.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = std::fs::read(path)?;
        let head = Head::read(&file).map_err(io::Error::other)?;
        let mut data_set = file.get(head.data_set..).unwrap_or_default().to_vec();
        // A deflated one travels with a zero byte where it would be odd (PS3.5 A.5).
        if head.meta.transfer_syntax.as_str() == DEFLATED_LE && data_set.len() % 2 == 1 {
            data_set.push(0);
        }
        Ok(Self {
            uid: super::files::uid(&file).ok_or_else(|| io::Error::other("no SOP Instance UID"))?,
            fingerprint: *blake3::hash(&data_set).as_bytes(),
            file,
        })
    }
}

/// PS3.5 B.2: 2.25 and a number of up to 128 bits; of 80 here, so that two levels fit below it.
fn uid(study: Seed) -> String {
    let bytes = study.child("uid").bytes();
    let number = bytes
        .iter()
        .take(10)
        .fold(1_u128, |n, b| n << 8 | u128::from(*b));
    format!("2.25.{number}")
}

fn text(out: &mut Vec<u8>, (group, element): (u16, u16), vr: &[u8; 2], value: &str) {
    let padding = value.len() % 2;
    out.extend(group.to_le_bytes());
    out.extend(element.to_le_bytes());
    out.extend(vr);
    out.extend(((value.len() + padding) as u16).to_le_bytes());
    out.extend(value.as_bytes());
    out.extend(vec![if vr == b"UI" { 0 } else { b' ' }; padding]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_file_of_its_own_and_the_same_again() {
        let study = Seed::new(1);
        let (one, two) = (Opaque::new(study, 0, 5000), Opaque::new(study, 1, 5000));
        assert_eq!(one.file, Opaque::new(study, 0, 5000).file);
        assert!(one.uid != two.uid && one.fingerprint != two.fingerprint);
        assert!(one.uid.is_well_formed() && (5000..5600).contains(&one.file.len()));
        let read = Head::read(&one.file);
        assert!(read.is_ok());
    }
}

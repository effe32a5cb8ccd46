//! The boundary of a STOW-RS request. Orthanc stores nothing, and says 200, when it occurs in the
//! instance (FIELD T26), so every byte that leaves is looked at.

use karez_host::Env;

/// Characters of a boundary: 192 random bits.
const LENGTH: usize = 32;
/// Each is worth 6 bits; all may stand in a boundary without quotes (RFC 2046 5.1.1).
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// A boundary, and the end of what was compared with it.
pub(super) struct Boundary {
    text: String,
    tail: Vec<u8>,
}

impl Boundary {
    /// A random one.
    pub(super) fn new(env: &dyn Env) -> Self {
        let mut bytes = [0; LENGTH];
        env.entropy(&mut bytes);
        let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 64)]);
        Self::of(bytes.iter().map(letter).collect())
    }

    const fn of(text: String) -> Self {
        let tail = Vec::new();
        Self { text, tail }
    }

    /// What the request says its body is.
    pub(super) fn kind(&self) -> String {
        format!(
            "multipart/related; type=\"application/dicom\"; boundary={}",
            self.text
        )
    }

    /// What stands before the one instance.
    pub(super) fn opening(&self) -> String {
        format!("--{}\r\nContent-Type: application/dicom\r\n\r\n", self.text)
    }

    /// What stands behind it.
    pub(super) fn closing(&self) -> String {
        format!("\r\n--{}--\r\n", self.text)
    }

    /// Whether it occurs in the instance up to the end of this piece.
    pub(super) fn occurs(&mut self, piece: &[u8]) -> bool {
        let text = self.text.as_bytes();
        let most = text.len() - 1;
        let mut seam = std::mem::take(&mut self.tail);
        seam.extend_from_slice(piece.get(..most.min(piece.len())).unwrap_or_default());
        let found = has(&seam, text) || has(piece, text);
        let end = if piece.len() < most { &seam } else { piece };
        self.tail = end[end.len().saturating_sub(most)..].to_vec();
        found
    }
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "abcdefghijklmnopqrstuvwxyz012345";

    #[test]
    fn t26_a_boundary_in_the_bytes_is_seen_however_they_are_cut() {
        let with = [&[7; 40][..], TEXT.as_bytes(), &[9; 40]].concat();
        let without = [&[7; 40][..], &TEXT.as_bytes()[..31], &[9; 40]].concat();
        for cut in 1..with.len() {
            let mut boundary = Boundary::of(TEXT.into());
            let found = with.chunks(cut).any(|piece| boundary.occurs(piece));
            assert!(found, "pieces of {cut}");
            let mut boundary = Boundary::of(TEXT.into());
            let found = without.chunks(cut).any(|piece| boundary.occurs(piece));
            assert!(!found, "pieces of {cut}");
        }
    }

    #[test]
    fn every_letter_may_stand_in_a_boundary_and_there_are_32() {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
        assert!(LETTERS.iter().all(plain));
        assert_eq!((LENGTH, TEXT.len()), (32, 32));
    }
}

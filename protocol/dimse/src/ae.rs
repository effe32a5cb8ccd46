//! Application entity titles: how DICOM peers name themselves. A title proves nothing (FIELD T25).

use std::fmt;

/// An AE title: up to 16 characters, padding removed, case kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AeTitle(String);

/// The text is not an AE title: empty, over 16 characters, a backslash or a control character in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an AE title has 1 to 16 printable ASCII characters and no backslash")]
pub struct NotAnAeTitle;

impl AeTitle {
    /// A title of our own choice (PS3.5 6.2, VR AE).
    ///
    /// # Errors
    /// [`NotAnAeTitle`] when a peer could refuse it.
    pub fn new(text: &str) -> Result<Self, NotAnAeTitle> {
        let text = text.trim_matches(' ');
        let printable = text
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\');
        if printable && (1..=16).contains(&text.len()) {
            Ok(AeTitle(text.to_owned()))
        } else {
            Err(NotAnAeTitle)
        }
    }

    /// A title that a peer gave: whatever it is, with characters that could disturb a page or a log
    /// replaced by `?`.
    pub(crate) fn received(text: &str) -> Self {
        let text = text.trim_matches(|character| character == ' ' || character == '\0');
        AeTitle(visible(text))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AeTitle({})", self.0)
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// At most 16 characters of what a peer says about itself, none of them a control character.
pub(crate) fn visible(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() {
            '?'
        } else {
            character
        }
    };
    text.chars().take(16).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t25_padding_goes_and_case_stays() {
        assert_eq!(AeTitle::received("Karez           ").as_str(), "Karez");
        assert_ne!(AeTitle::received("Karez"), AeTitle::received("KAREZ"));
        assert_eq!(AeTitle::received("CT\n01\0").as_str(), "CT?01");
    }

    #[test]
    fn t25_a_title_of_ours_is_checked() {
        assert!(AeTitle::new("KAREZ_URGENT").is_ok());
        for wrong in ["", "   ", "SEVENTEEN_LETTERS", "A\\B", "A\tB", "Ä"] {
            assert_eq!(AeTitle::new(wrong), Err(NotAnAeTitle));
        }
    }
}

//! Unique identifiers: the ones that this crate names, and how they are compared.

use std::fmt;

/// The one application context of DICOM (PS3.7 A.2.1).
pub const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Implicit VR Little Endian.
pub const IMPLICIT_LE: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT_LE: &str = "1.2.840.10008.1.2.1";
/// Deflated Explicit VR Little Endian.
pub const DEFLATED_LE: &str = "1.2.840.10008.1.2.1.99";
/// Explicit VR Big Endian, retired.
pub const EXPLICIT_BE: &str = "1.2.840.10008.1.2.2";
/// JPEG Baseline (lossy).
pub const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
/// JPEG Lossless, first-order prediction.
pub const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
/// JPEG-LS Lossless.
pub const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
/// JPEG 2000 Lossless Only.
pub const JPEG_2000_LOSSLESS: &str = "1.2.840.10008.1.2.4.90";
/// JPEG 2000.
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.91";
/// RLE Lossless.
pub const RLE: &str = "1.2.840.10008.1.2.5";
/// Verification, the class of C-ECHO.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Storage Commitment Push Model.
pub const STORAGE_COMMITMENT: &str = "1.2.840.10008.1.20.1";
/// Patient Root Query/Retrieve, FIND.
pub const PATIENT_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.1.1";
/// Study Root Query/Retrieve, FIND.
pub const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
/// Computed Radiography Image Storage.
pub const CR_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.1";
/// Digital X-Ray Image Storage, for presentation.
pub const DX_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.1.1";
/// CT Image Storage.
pub const CT_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
/// MR Image Storage.
pub const MR_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.4";
/// Secondary Capture Image Storage.
pub const SC_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Standard classes that store nothing; a trailing dot names a whole family.
const SERVICES: &[&str] = &[
    "1.2.840.10008.1.1",
    "1.2.840.10008.1.3.",
    "1.2.840.10008.1.9",
    "1.2.840.10008.1.20.",
    "1.2.840.10008.1.40",
    "1.2.840.10008.1.42",
    "1.2.840.10008.3.1.2.",
    "1.2.840.10008.4.2",
    "1.2.840.10008.5.1.1.",
    "1.2.840.10008.5.1.4.1.2.",
    "1.2.840.10008.5.1.4.31",
    "1.2.840.10008.5.1.4.32",
    "1.2.840.10008.5.1.4.32.",
    "1.2.840.10008.5.1.4.33",
    "1.2.840.10008.5.1.4.34.5",
    "1.2.840.10008.5.1.4.34.6.",
    "1.2.840.10008.5.1.4.37.",
    "1.2.840.10008.5.1.4.38.2",
    "1.2.840.10008.5.1.4.38.3",
    "1.2.840.10008.5.1.4.38.4",
    "1.2.840.10008.5.1.4.39.2",
    "1.2.840.10008.5.1.4.39.3",
    "1.2.840.10008.5.1.4.39.4",
    "1.2.840.10008.5.1.4.41",
    "1.2.840.10008.5.1.4.42",
    "1.2.840.10008.5.1.4.43.2",
    "1.2.840.10008.5.1.4.43.3",
    "1.2.840.10008.5.1.4.43.4",
    "1.2.840.10008.5.1.4.44.2",
    "1.2.840.10008.5.1.4.44.3",
    "1.2.840.10008.5.1.4.44.4",
    "1.2.840.10008.5.1.4.45.2",
    "1.2.840.10008.5.1.4.45.3",
    "1.2.840.10008.5.1.4.45.4",
];

/// A UID as a key: trailing NULs and spaces and leading spaces are gone, nothing else is judged.
///
/// Never used as a file name, never written back into a data set. Its `Debug` hides all but the
/// standard's own UIDs, because an instance UID is patient data.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(String);

impl Uid {
    /// The key of `text`.
    pub fn new(text: &str) -> Self {
        Uid(text.trim_matches(padding).to_owned())
    }

    /// The key of bytes as they stand in a command set or file meta group; one byte is one character.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text: String = bytes.iter().copied().map(char::from).collect();
        Uid::new(&text)
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True for 1 to 64 digits and dots (PS3.5 section 9.1).
    pub fn is_well_formed(&self) -> bool {
        (1..=64).contains(&self.0.len())
            && self
                .0
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    }

    /// True when an instance can be of this class: all classes, private and unknown ones too, but not the
    /// standard's query, print, worklist and other services.
    pub fn may_be_storage(&self) -> bool {
        !self.is_empty() && !SERVICES.iter().any(|service| self.is_of(service))
    }

    /// True for the query classes, whose identifiers this crate reads in Implicit VR Little Endian.
    pub fn is_find(&self) -> bool {
        self.0 == STUDY_ROOT_FIND || self.0 == PATIENT_ROOT_FIND
    }

    /// The bytes for a command set or file meta group: padded with one NUL to an even length.
    pub(crate) fn to_padded(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.0.chars().map(byte_of).collect();
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes
    }

    fn is_of(&self, service: &str) -> bool {
        if service.ends_with('.') {
            self.0.starts_with(service)
        } else {
            self.0 == service
        }
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Uid::new(text)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with("1.2.840.10008.") {
            write!(f, "Uid({})", self.0)
        } else {
            write!(f, "Uid(<{} characters>)", self.0.len())
        }
    }
}

fn padding(character: char) -> bool {
    character == '\0' || character == ' '
}

fn byte_of(character: char) -> u8 {
    u8::try_from(u32::from(character)).unwrap_or(b'?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t24_padding_is_no_part_of_the_key() {
        let plain = Uid::new("1.2.3");
        for padded in ["1.2.3\0", "1.2.3 ", " 1.2.3\0\0", "1.2.3 \0"] {
            assert_eq!(Uid::from_bytes(padded.as_bytes()), plain);
        }
        assert_ne!(Uid::new("1.02.3"), plain);
        assert_eq!(plain.to_padded(), b"1.2.3\0");
    }

    #[test]
    fn t24_odd_uids_are_taken_as_they_are_but_not_called_well_formed() {
        let long = "1.".repeat(40);
        for odd in ["../../etc/x", long.as_str(), "", "1.2.é"] {
            assert!(!Uid::new(odd).is_well_formed());
            assert_eq!(Uid::new(odd).as_str(), odd);
        }
    }

    #[test]
    fn instance_uids_do_not_show_in_debug_output() {
        assert_eq!(
            format!("{:?}", Uid::new("1.3.12.2.1107")),
            "Uid(<13 characters>)"
        );
        assert!(format!("{:?}", Uid::new(CT_STORAGE)).contains(CT_STORAGE));
    }

    #[test]
    fn t22_unknown_and_private_classes_may_store_but_services_may_not() {
        let storage = [
            "1.2.840.10008.5.1.4.1.1.2",
            "1.2.840.10008.5.1.4.39.1",
            "1.3.46.670589.2.3",
            "1.2.840.10008.5.1.4.34.7",
            "2.25.1",
        ];
        for class in storage {
            assert!(Uid::new(class).may_be_storage(), "{class}");
        }
        let services = [
            VERIFICATION,
            STORAGE_COMMITMENT,
            STUDY_ROOT_FIND,
            "1.2.840.10008.3.1.2.3.3",
            "1.2.840.10008.5.1.1.9",
            "1.2.840.10008.5.1.4.31",
            "",
        ];
        for class in services {
            assert!(!Uid::new(class).may_be_storage(), "{class}");
        }
    }
}

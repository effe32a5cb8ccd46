//! bincode 2.0.1 in one fixed configuration, with the fences that it lacks: the limit holds
//! when writing too, and bytes that are not the one canonical form are refused (SPEC 2.1).

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode, config};

use crate::limits::FRAME_MAX;

/// Why bytes are no frame or no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than any frame may be.
    #[error("a frame of {0} bytes exceeds the bound of {FRAME_MAX}")]
    TooLong(usize),
    /// A version that this program does not speak.
    #[error("a frame of wire version {0}, and this program speaks 1 and 2: update the older side")]
    Version(u8),
    /// A variant that a later version has: to be passed over.
    #[error("a frame of variant {0}, which this program does not know")]
    Unknown(u8),
    /// Nothing that decodes.
    #[error("a frame is malformed or cut short")]
    Malformed,
    /// Decodes, but is not the form that encoding gives, or has bytes left over.
    #[error("a frame is not in canonical form")]
    NotCanonical,
}

impl WireError {
    /// The same bytes stay as bad as they are.
    #[must_use]
    pub const fn retry(&self) -> crate::Retry {
        crate::Retry::Never
    }
}

type Config = Configuration<LittleEndian, Varint, Limit<FRAME_MAX>>;

const fn configuration() -> Config {
    config::standard().with_limit::<FRAME_MAX>()
}

/// Encodes. What this crate encodes is bounded by construction.
#[must_use]
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    // Encoding into a Vec fails only for types that refuse to encode; ours do not.
    bincode::encode_to_vec(value, configuration()).unwrap_or_default()
}

/// Decodes exactly the bytes that encoding would give.
///
/// # Errors
/// [`WireError`].
pub fn decode<T: Decode<()> + Encode>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > FRAME_MAX {
        return Err(WireError::TooLong(bytes.len()));
    }
    let (value, used) = bincode::decode_from_slice::<T, _>(bytes, configuration())
        .map_err(|_| WireError::Malformed)?;
    if used != bytes.len() || encode(&value) != bytes {
        return Err(WireError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_in_a_longer_form_than_needed_is_refused() {
        assert_eq!(decode::<u64>(&[5]), Ok(5));
        assert_eq!(decode::<u64>(&[251, 5, 0]), Err(WireError::NotCanonical));
        assert_eq!(decode::<u64>(&[5, 0]), Err(WireError::NotCanonical));
        assert_eq!(decode::<u64>(&[251, 5]), Err(WireError::Malformed));
    }

    #[test]
    fn a_declared_length_beyond_the_limit_allocates_nothing() {
        let bytes = encode(&u64::MAX);
        assert_eq!(decode::<Vec<u8>>(&bytes), Err(WireError::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(value: (u64, Vec<u8>, Option<[u8; 16]>, String)) {
            prop_assert_eq!(decode(&encode(&value)), Ok(value));
        }

        #[test]
        fn bytes_that_decode_are_the_bytes_that_encode(bytes: Vec<u8>) {
            if let Ok(value) = decode::<(u64, Vec<(u64, u64)>, Option<bool>)>(&bytes) {
                prop_assert_eq!(encode(&value), bytes);
            }
        }
    }
}

//! Names of things: one type for each, so that none can stand in for another.
//!
//! Every id prints as lower-case hexadecimal. A short form (8 digits) is what people see in
//! `status` and logs; no id carries patient data.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes as they stand on the wire.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first 8 hexadecimal digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                hex(&self.0[..4])
            }

            /// Reads the full hexadecimal form; `None` for anything else.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                unhex(text, &mut bytes).then_some(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }
    };
}

id!(
    /// A study, as its clinic names it: a keyed hash of the Study Instance UID, so that the same
    /// study has one name across restarts and nobody without the clinic's key can invert it.
    StudyId, 16
);
id!(
    /// What one sender process adds to one study. Random.
    SegmentId, 16
);
id!(
    /// BLAKE3 of a chunk's sealed bytes.
    ChunkId, 32
);
id!(
    /// BLAKE3 of an instance's original bytes.
    Fingerprint, 32
);
id!(
    /// Keyed BLAKE3 of a part's raw bytes, cut to 16 bytes. Its last bit is no part of the name:
    /// it says that the part is offered for linking (SPEC 4.2).
    PartTag, 16
);
id!(
    /// An Ed25519 public key: who a sender or a receiver is (RFC 8032).
    PeerId, 32
);
id!(
    /// One run of one process, drawn at its start. Two of one identity at once are twins.
    ProcessId, 8
);
id!(
    /// One unbroken memory of a receiver: within it a have-set only grows.
    Epoch, 8
);
id!(
    /// BLAKE3 over the sealed records that a receipt or a revision names.
    Root, 32
);

impl PartTag {
    /// The tag without the offer: what parts are known by.
    #[must_use]
    pub const fn name(mut self) -> Self {
        self.0[15] &= !1;
        self
    }

    /// The tag of a part that was sent before and is packed so that no later part builds on it:
    /// a hub that can restore it elsewhere need not be sent it.
    #[must_use]
    pub const fn offered(mut self) -> Self {
        self.0[15] |= 1;
        self
    }

    /// Whether the part is offered for linking.
    #[must_use]
    pub const fn is_offered(&self) -> bool {
        self.0[15] & 1 == 1
    }
}

/// Which of a hub's encryption keys sealed a segment: counts up from 0 in the key ring.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub struct HubKeyId(pub u32);

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// Reads hexadecimal of exactly twice `out`'s length; false for anything else.
#[must_use]
pub fn unhex(text: &str, out: &mut [u8]) -> bool {
    let text = text.as_bytes();
    if text.len() != out.len() * 2 {
        return false;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return false,
        }
    }
    true
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_what_it_prints() {
        let id = SegmentId([0xa5; 16]);
        assert_eq!(SegmentId::parse(&id.to_string()), Some(id));
        assert_eq!(SegmentId::parse("a5"), None);
        assert_eq!(SegmentId::parse(&"zz".repeat(16)), None);
        assert_eq!(id.short(), "a5a5a5a5");
    }
}

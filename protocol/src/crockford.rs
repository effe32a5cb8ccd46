//! Crockford's base 32, for what people copy by hand: no I, L, O, U.

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The digit of the lowest five bits.
pub(crate) const fn digit(value: u64) -> char {
    DIGITS[(value & 31) as usize] as char
}

/// What a character stands for, read leniently: case does not matter, O counts as 0, I and L as
/// 1.
pub(crate) fn value(c: u8) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        c => c,
    };
    DIGITS.iter().position(|d| *d == c).map(|at| at as u8)
}

/// Bytes as digits, the highest bits first, the last digit filled up with zero bits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut held) = (String::new(), 0_u64, 0);
    for byte in bytes {
        bits = (bits << 8 | u64::from(*byte)) & 0xffff;
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(digit(bits >> held));
        }
    }
    if held > 0 {
        text.push(digit(bits << (5 - held)));
    }
    text
}

/// Reads digits; `None` for a character that is none, or for bits left over that are not zero.
pub(crate) fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for c in digits {
        bits = (bits << 5 | u32::from(value(*c)?)) & 0xffff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    let rest = bits & ((1 << held) - 1);
    (held < 5 && rest == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back_from_their_digits(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(decode(text.to_lowercase().as_bytes()), Some(bytes));
        }
    }
}

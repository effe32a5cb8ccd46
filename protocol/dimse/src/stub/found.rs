//! Values looked for in the first bytes of a data set.

use crate::Uid;

/// The value behind the first place that looks like this UID element, in either little-endian form.
pub(super) fn uid_in(head: &[u8], tag: [u8; 4]) -> Uid {
    let at = head.windows(4).position(|window| window == tag);
    let rest = at.and_then(|at| head.get(at + 4..)).unwrap_or_default();
    let Some(([a, b, c, d], value)) = rest.split_first_chunk::<4>() else {
        return Uid::default();
    };
    let length = match [a, b] {
        [b'U', b'I'] => u16::from_le_bytes([*c, *d]),
        _ => u16::from_le_bytes([*a, *b]),
    };
    value
        .get(..usize::from(length))
        .map(Uid::from_bytes)
        .unwrap_or_default()
}

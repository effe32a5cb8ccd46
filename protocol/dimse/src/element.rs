//! Data elements in Implicit VR Little Endian (PS3.5 7.1.3), as command sets and identifiers use them.

/// A data element tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16, pub u16);

/// The bytes are not a list of elements of defined length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads `bytes` element by element. Ends after the first error.
pub(crate) fn read_implicit(bytes: &[u8]) -> Elements<'_> {
    Elements { rest: bytes }
}

/// Appends an element. `value` has an even length and is below 4 GiB.
pub(crate) fn put_implicit(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    out.extend_from_slice(&tag.0.to_le_bytes());
    out.extend_from_slice(&tag.1.to_le_bytes());
    out.extend_from_slice(&length_of(value).to_le_bytes());
    out.extend_from_slice(value);
}

/// `value.len()` as a 32-bit length; values here are bounded far below that.
pub(crate) fn length_of(value: &[u8]) -> u32 {
    u32::try_from(value.len()).unwrap_or(u32::MAX)
}

/// `bytes` padded with `pad` to an even length.
pub(crate) fn even(mut bytes: Vec<u8>, pad: u8) -> Vec<u8> {
    if bytes.len() % 2 == 1 {
        bytes.push(pad);
    }
    bytes
}

pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    fn element(&mut self) -> Result<(Tag, &'a [u8]), Malformed> {
        let (header, rest) = self.rest.split_first_chunk::<8>().ok_or(Malformed)?;
        let [g0, g1, e0, e1, l0, l1, l2, l3] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok((
            Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1])),
            value,
        ))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<(Tag, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = self.element();
        if element.is_err() {
            self.rest = &[];
        }
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_as_they_were_put() {
        let mut bytes = Vec::new();
        put_implicit(&mut bytes, Tag(8, 0x18), b"1.2\0");
        put_implicit(&mut bytes, Tag(0x20, 0x1208), b"");
        let read: Result<Vec<_>, _> = read_implicit(&bytes).collect();
        let expected: Vec<(Tag, &[u8])> = vec![(Tag(8, 0x18), b"1.2\0"), (Tag(0x20, 0x1208), b"")];
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn cut_and_endless_elements_are_errors_and_end_the_list() {
        let mut bytes = Vec::new();
        put_implicit(&mut bytes, Tag(8, 0x18), b"1.2\0");
        for cut in 1..bytes.len() {
            let read: Vec<_> = read_implicit(&bytes[..cut]).collect();
            assert_eq!(read, [Err(Malformed)], "{cut}");
        }
        let endless = [8, 0, 0x18, 0, 255, 255, 255, 255, 1, 2];
        assert_eq!(
            read_implicit(&endless).collect::<Vec<_>>(),
            [Err(Malformed)]
        );
    }
}

//! Data elements as byte ranges (PS3.5 section 7 and annex A). Nothing is decoded here.
use std::io;
use std::ops::Range;

use super::cursor::Cursor;

pub(super) const UNDEFINED: u32 = u32::MAX;
const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;
const DEPTH_MAX: usize = 32;
const ELEMENTS_MAX: u32 = 1 << 20;

/// How elements are written: explicit VR or not, byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    pub(super) explicit: bool,
    pub(super) big: bool,
}

impl Syntax {
    pub(super) const EXPLICIT: Self = Self {
        explicit: true,
        big: false,
    };
    pub(super) const IMPLICIT: Self = Self {
        explicit: false,
        big: false,
    };
    pub(super) const BIG: Self = Self {
        explicit: true,
        big: true,
    };

    fn u16(self, b: [u8; 2]) -> u16 {
        if self.big {
            u16::from_be_bytes(b)
        } else {
            u16::from_le_bytes(b)
        }
    }

    fn u32(self, b: [u8; 4]) -> u32 {
        if self.big {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        }
    }
}

/// One element's header: its tag as `group << 16 | element`, where its value starts, how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub(super) tag: u32,
    pub(super) vr: [u8; 2],
    pub(super) value: u64,
    pub(super) len: u32,
}

pub(super) struct Walker<'a> {
    pub(super) cursor: Cursor<'a>,
    elements: u32,
}

impl<'a> Walker<'a> {
    pub(super) fn new(cursor: Cursor<'a>) -> Self {
        Self {
            cursor,
            elements: 0,
        }
    }

    /// The element at `at`; nothing at the end of the file, or when there is none that makes sense.
    pub(super) fn element(&mut self, at: u64, syntax: Syntax) -> io::Result<Option<Element>> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Ok(None);
        }
        let Some([a, b, c, d, e, f, g, h]) = self.cursor.array(at)? else {
            return Ok(None);
        };
        let tag = u32::from(syntax.u16([a, b])) << 16 | u32::from(syntax.u16([c, d]));
        if !syntax.explicit || tag >> 16 == 0xFFFE {
            let len = syntax.u32([e, f, g, h]);
            return Ok(Some(Element {
                tag,
                vr: [0; 2],
                value: at + 8,
                len,
            }));
        }
        let vr = [e, f];
        if !is_vr(vr) {
            return Ok(None);
        }
        if !has_long_length(vr) {
            let len = u32::from(syntax.u16([g, h]));
            return Ok(Some(Element {
                tag,
                vr,
                value: at + 8,
                len,
            }));
        }
        let len = self.cursor.array(at + 8)?;
        Ok(len.map(|len| Element {
            tag,
            vr,
            value: at + 12,
            len: syntax.u32(len),
        }))
    }

    /// Where the element ends, or nothing when it runs past the end or does not parse.
    pub(super) fn end(&mut self, element: &Element, syntax: Syntax) -> io::Result<Option<u64>> {
        if element.len == UNDEFINED {
            // PS3.5 6.2.2 note: UN of undefined length holds implicit VR little endian.
            let inner = if element.vr == *b"UN" {
                Syntax::IMPLICIT
            } else {
                syntax
            };
            return self.skip_sequence(element.value, inner);
        }
        let end = element.value + u64::from(element.len);
        Ok((end <= self.cursor.len()).then_some(end))
    }

    fn skip_sequence(&mut self, start: u64, syntax: Syntax) -> io::Result<Option<u64>> {
        // true: inside an item of undefined length; false: between the items of a sequence.
        let mut open = vec![false];
        let mut at = start;
        while let Some(&in_item) = open.last() {
            let Some(e) = self.element(at, syntax)? else {
                return Ok(None);
            };
            at = e.value;
            match (in_item, e.tag, e.len) {
                (false, SEQUENCE_END, _) | (true, ITEM_END, _) => {
                    open.pop();
                }
                (false, ITEM, UNDEFINED) => open.push(true),
                (true, _, UNDEFINED) => open.push(false),
                (false, ITEM, len) => at += u64::from(len),
                (false, ..) => return Ok(None),
                (true, _, len) => at += u64::from(len),
            }
            if open.len() > DEPTH_MAX || at > self.cursor.len() {
                return Ok(None);
            }
        }
        Ok(Some(at))
    }

    /// The item of an encapsulated pixel value at `at` (PS3.5 A.4): its whole range.
    /// `None` when it is no item that fits; `Some(None)` at the sequence delimiter.
    pub(super) fn fragment(&mut self, at: u64) -> io::Result<Option<Option<Range<u64>>>> {
        let Some([a, b, c, d, len @ ..]) = self.cursor.array::<8>(at)? else {
            return Ok(None);
        };
        let end = at + 8 + u64::from(u32::from_le_bytes(len));
        Ok(match [a, b, c, d] {
            [0xFE, 0xFF, 0xDD, 0xE0] => Some(None),
            [0xFE, 0xFF, 0x00, 0xE0] if end <= self.cursor.len() => Some(Some(at..end)),
            _ => None,
        })
    }
}

pub(super) fn is_vr(vr: [u8; 2]) -> bool {
    vr.iter().all(u8::is_ascii_uppercase)
}

/// PS3.5 7.1.2: two reserved bytes and a 32-bit length.
fn has_long_length(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"OB"
            | b"OD"
            | b"OF"
            | b"OL"
            | b"OV"
            | b"OW"
            | b"SQ"
            | b"SV"
            | b"UC"
            | b"UN"
            | b"UR"
            | b"UT"
            | b"UV"
    )
}

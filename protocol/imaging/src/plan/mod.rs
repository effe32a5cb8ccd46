//! Where an instance is cut: its head, and its pixel data in parts.
mod cursor;
mod cut;
mod info;
mod walk;

use std::io;
use std::ops::Range;

pub use info::InstanceInfo;

use crate::source::ByteSource;
use cursor::Cursor;
use walk::{Element, Syntax, UNDEFINED, Walker, is_vr};

pub(crate) use cut::{Layout, Pixels};

/// A head's raw bytes are at most this many; what is more becomes opaque parts.
const HEAD_MAX: u64 = 2 << 20;
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// What the walker found. What it cannot walk is opaque parts.
///
/// The instance is `head[..prefix_len]`, the parts' bytes in order, `head[prefix_len..]`.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All that is not pixel data.
    pub head: HeadPlan,
    /// Adjoining byte ranges in file order, from the end of the prefix to the start of the suffix.
    pub parts: Vec<PartPlan>,
    /// What the head says.
    pub info: InstanceInfo,
}

/// The head: a prefix and a suffix of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadPlan {
    /// The prefix is `0..prefix_len`.
    pub prefix_len: u64,
    /// The bytes behind the last part, up to the end of the file.
    pub suffix: Range<u64>,
}

impl HeadPlan {
    /// Length of the head's raw bytes.
    #[must_use]
    pub fn raw_len(&self) -> u64 {
        self.prefix_len + (self.suffix.end - self.suffix.start)
    }
}

/// One part behind the head.
#[derive(Clone, Debug)]
pub struct PartPlan {
    /// Where it starts in the file.
    pub start: u64,
    /// Its length in bytes, at least 1 and below [`PART_PACKED_MAX`](crate::PART_PACKED_MAX).
    pub len: u64,
    pub(crate) layout: Layout,
}

/// Finds the head and the parts of an instance by its data elements' byte ranges.
///
/// Any bytes give a plan: a file that is not DICOM, is cut short or makes no sense becomes opaque
/// parts from where it stops making sense, and [`InstanceInfo::whole`] says so.
///
/// # Errors
/// Those of the source.
pub fn plan(source: &dyn ByteSource) -> io::Result<Plan> {
    let mut walker = Walker::new(Cursor::new(source));
    let mut info = InstanceInfo::default();
    let found = walk(&mut walker, &mut info)?;
    let len = source.len();
    let (pixels, layouts) = match found {
        Found::Nothing => (0..len, cut::opaque(0..len)),
        Found::HeadOnly(end) => (end..len, cut::opaque(end..len)),
        Found::Native(range) => (range.clone(), cut::native(range, &info)),
        Found::Fragments { items, info_end } => {
            cut::fragments(&mut walker, items, info_end, &mut info)?
        }
    };
    let (head, parts) = bound_head(len, pixels, layouts);
    Ok(Plan { head, parts, info })
}

enum Found {
    /// No DICOM at all.
    Nothing,
    /// Elements up to here and no pixel data.
    HeadOnly(u64),
    /// A pixel value of one piece.
    Native(Range<u64>),
    /// A pixel value made of items; the first starts here.
    Fragments { items: u64, info_end: u64 },
}

fn walk(walker: &mut Walker<'_>, info: &mut InstanceInfo) -> io::Result<Found> {
    let marked = walker.cursor.array(128)? == Some(*b"DICM");
    let start = if marked { 132 } else { 0 };
    let data = walk_meta(walker, info, start)?;
    info.data_set_offset = data;
    let has_meta = data > start;
    if info.transfer_syntax_uid.as_deref() == Some(DEFLATED) {
        info.whole = true;
        return Ok(Found::HeadOnly(data));
    }
    let declared = info.transfer_syntax_uid.clone();
    let Some(syntax) = guess_syntax(walker, data, declared.as_deref())? else {
        return Ok(if has_meta || marked {
            Found::HeadOnly(data)
        } else {
            Found::Nothing
        });
    };
    walk_data(walker, info, data, syntax)
}

fn walk_meta(walker: &mut Walker<'_>, info: &mut InstanceInfo, start: u64) -> io::Result<u64> {
    let mut at = start;
    loop {
        let Some(peek) = walker.cursor.array::<6>(at)? else {
            return Ok(at);
        };
        if peek[..2] != [2, 0] {
            return Ok(at);
        }
        let explicit = is_vr([peek[4], peek[5]]);
        let syntax = Syntax {
            explicit,
            big: false,
        };
        let Some(element) = walker.element(at, syntax)? else {
            return Ok(at);
        };
        let Some(end) = walker.end(&element, syntax)? else {
            return Ok(at);
        };
        note(walker, info, &element, syntax)?;
        at = end;
    }
}

fn note(
    walker: &mut Walker<'_>,
    info: &mut InstanceInfo,
    element: &Element,
    syntax: Syntax,
) -> io::Result<()> {
    if info::is_wanted(element)
        && let Some(value) = walker.cursor.bytes(element.value, element.len as usize)?
    {
        info.note(element.tag, value, syntax);
    }
    Ok(())
}

/// The data set's syntax by its first element, since the declared one is sometimes wrong.
fn guess_syntax(
    walker: &mut Walker<'_>,
    at: u64,
    declared: Option<&str>,
) -> io::Result<Option<Syntax>> {
    let Some([a, b, _, _, e, f, _, _]) = walker.cursor.array::<8>(at)? else {
        return Ok(None);
    };
    let explicit = is_vr([e, f]);
    let group = u16::from_le_bytes([a, b]);
    let syntax = match declared {
        Some("1.2.840.10008.1.2.2") if explicit => Syntax::BIG,
        None if explicit && group.swap_bytes() < group => Syntax::BIG,
        _ if explicit => Syntax::EXPLICIT,
        _ => Syntax::IMPLICIT,
    };
    let plausible = declared.is_some() || explicit || (group <= 0x0010 && group.is_multiple_of(2));
    Ok(plausible.then_some(syntax))
}

fn walk_data(
    walker: &mut Walker<'_>,
    info: &mut InstanceInfo,
    start: u64,
    syntax: Syntax,
) -> io::Result<Found> {
    let len = walker.cursor.len();
    let mut at = start;
    let mut pixels = None;
    while at < len {
        let Some(element) = walker.element(at, syntax)? else {
            break;
        };
        if matches!(element.tag, 0x7FE0_0008..=0x7FE0_0010) && pixels.is_none() {
            if element.len == UNDEFINED {
                return Ok(Found::Fragments {
                    items: element.value,
                    info_end: at,
                });
            }
            let end = element.value + u64::from(element.len);
            if end > len {
                return Ok(Found::Native(element.value..len));
            }
            pixels = Some(element.value..end);
        }
        let Some(end) = walker.end(&element, syntax)? else {
            break;
        };
        note(walker, info, &element, syntax)?;
        at = end;
    }
    info.whole = at == len;
    Ok(match pixels {
        Some(range) => Found::Native(range),
        None => Found::HeadOnly(at),
    })
}

/// Keeps the head below its bound: the bytes over it join the parts next to the pixel data.
fn bound_head(len: u64, pixels: Range<u64>, mut parts: Vec<PartPlan>) -> (HeadPlan, Vec<PartPlan>) {
    let prefix_len = pixels.start.min(HEAD_MAX / 4 * 3);
    let suffix = pixels.end.max(len - (len - pixels.end).min(HEAD_MAX / 4))..len;
    if prefix_len < pixels.start {
        parts.splice(0..0, cut::opaque(prefix_len..pixels.start));
    }
    parts.extend(cut::opaque(pixels.end..suffix.start));
    (HeadPlan { prefix_len, suffix }, parts)
}

//! DICOM files (PS3.10 section 7): a file meta group for a received data set, and where a file's data
//! set begins. Nothing behind the meta group is looked at.

use crate::element::even;
use crate::ul::{IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION};
use crate::{Uid, limits};

const PREAMBLE: usize = 128;
const MAGIC: &[u8; 4] = b"DICM";
const META_GROUP: [u8; 2] = [0x02, 0x00];

/// What a file's meta group says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// (0002,0002), may be empty in a file of others.
    pub sop_class: Uid,
    /// (0002,0003), may be empty in a file of others.
    pub sop_instance: Uid,
    /// (0002,0010).
    pub transfer_syntax: Uid,
}

/// Where a file's data set is, and what the meta group before it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes from the file's start to the data set.
    pub data_set: usize,
    /// The meta group.
    pub meta: Meta,
}

/// Why no data set was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHead {
    /// The file's first bytes are needed up to this length; less only if the file is shorter.
    #[error("the first {0} bytes are needed")]
    NeedsMore(usize),
    /// No file meta group in the standard's form: a bare data set, or no DICOM at all.
    #[error("no DICOM file meta group")]
    NotPart10,
    /// A meta group without a transfer syntax.
    #[error("the file meta group names no transfer syntax")]
    NoTransferSyntax,
    /// The meta group is above [`limits::META`].
    #[error("file meta group too long")]
    TooLong,
}

impl Meta {
    /// The bytes that go before a data set to make a file of it: preamble, `DICM`, meta group.
    pub fn encode(&self) -> Vec<u8> {
        let mut group = Vec::with_capacity(256);
        put_long(&mut group, 0x0001, *b"OB", &[0, 1]);
        put_short(&mut group, 0x0002, *b"UI", &self.sop_class.to_padded());
        put_short(&mut group, 0x0003, *b"UI", &self.sop_instance.to_padded());
        put_short(
            &mut group,
            0x0010,
            *b"UI",
            &self.transfer_syntax.to_padded(),
        );
        put_short(
            &mut group,
            0x0012,
            *b"UI",
            &Uid::new(IMPLEMENTATION_CLASS).to_padded(),
        );
        put_short(
            &mut group,
            0x0013,
            *b"SH",
            &even(IMPLEMENTATION_VERSION.into(), b' '),
        );
        let mut bytes = vec![0; PREAMBLE];
        bytes.extend_from_slice(MAGIC);
        put_short(
            &mut bytes,
            0x0000,
            *b"UL",
            &crate::element::length_of(&group).to_le_bytes(),
        );
        bytes.extend_from_slice(&group);
        bytes
    }
}

impl Head {
    /// Reads the head of a file from its first bytes. The group length is not believed (FIELD T5): the
    /// group ends where another begins. A missing preamble is forgiven.
    ///
    /// # Errors
    /// [`NoHead::NeedsMore`]: call again with more of the file; the rest: the file has no usable head.
    pub fn read(first: &[u8]) -> Result<Self, NoHead> {
        let mut at = start(first)?;
        let mut meta = Meta::default();
        let mut elements = 0;
        while let Some((element, value, end)) = element(first, at)? {
            let uid = || Uid::from_bytes(value);
            match element {
                0x0002 => meta.sop_class = uid(),
                0x0003 => meta.sop_instance = uid(),
                0x0010 => meta.transfer_syntax = uid(),
                _ => {}
            }
            elements += 1;
            at = end;
        }
        match (elements, meta.transfer_syntax.is_empty()) {
            (0, _) => Err(NoHead::NotPart10),
            (_, true) => Err(NoHead::NoTransferSyntax),
            (_, false) => Ok(Head { data_set: at, meta }),
        }
    }
}

/// Where the meta group starts.
fn start(first: &[u8]) -> Result<usize, NoHead> {
    if first.get(PREAMBLE..PREAMBLE + 4) == Some(MAGIC) {
        return Ok(PREAMBLE + 4);
    }
    if first.get(..4) == Some(MAGIC) {
        return Ok(4);
    }
    if first.get(..2) == Some(&META_GROUP) && first.get(4..6) == Some(b"UL") {
        return Ok(0);
    }
    if first.len() < PREAMBLE + 4 {
        return Err(NoHead::NeedsMore(PREAMBLE + 4));
    }
    Err(NoHead::NotPart10)
}

/// Number, value, and where the next one begins.
type Element<'a> = (u16, &'a [u8], usize);

/// The meta element at `at`, in Explicit VR Little Endian. `None` where the group,
/// or the file, ends.
fn element(first: &[u8], at: usize) -> Result<Option<Element<'_>>, NoHead> {
    if at >= limits::META {
        return Err(NoHead::TooLong);
    }
    let rest = first.get(at..).unwrap_or_default();
    let Some(header) = rest.first_chunk::<12>() else {
        return short_rest(rest, at);
    };
    let [g0, g1, e0, e1, v0, v1, s0, s1, l0, l1, l2, l3] = *header;
    if [g0, g1] != META_GROUP {
        return Ok(None);
    }
    let (begin, length) = match &[v0, v1] {
        b"OB" | b"OW" | b"UN" | b"UT" | b"SQ" | b"OD" | b"OF" | b"OL" => {
            (12, u32::from_le_bytes([l0, l1, l2, l3]))
        }
        [b'A'..=b'Z', b'A'..=b'Z'] => (8, u32::from(u16::from_le_bytes([s0, s1]))),
        _ => return Err(NoHead::NotPart10),
    };
    let begin = at + begin;
    let end = begin.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    if end > limits::META {
        return Err(NoHead::TooLong);
    }
    let value = first.get(begin..end).ok_or(NoHead::NeedsMore(end + 12))?;
    Ok(Some((u16::from_le_bytes([e0, e1]), value, end)))
}

/// Fewer than 12 bytes are left: another group, a file without a data set, or more to come.
fn short_rest(rest: &[u8], at: usize) -> Result<Option<Element<'_>>, NoHead> {
    if rest.len() >= 2 && !rest.starts_with(&META_GROUP) {
        return Ok(None);
    }
    Err(NoHead::NeedsMore(at + 12))
}

fn put_short(out: &mut Vec<u8>, element: u16, vr: [u8; 2], value: &[u8]) {
    out.extend_from_slice(&META_GROUP);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&vr);
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value.get(..usize::from(length)).unwrap_or(value));
}

fn put_long(out: &mut Vec<u8>, element: u16, vr: [u8; 2], value: &[u8]) {
    out.extend_from_slice(&META_GROUP);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&vr);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&crate::element::length_of(value).to_le_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uid::{CT_STORAGE, EXPLICIT_LE};
    use proptest::prelude::*;

    const DATA_SET: &[u8] = &[
        8, 0, 5, 0, b'C', b'S', 0, 0, 0x10, 0, 0x10, 0, b'P', b'N', 0, 0,
    ];

    fn meta() -> Meta {
        Meta {
            sop_class: Uid::new(CT_STORAGE),
            sop_instance: Uid::new("1.2.3.4.5"),
            transfer_syntax: Uid::new(EXPLICIT_LE),
        }
    }

    fn file() -> (Vec<u8>, usize) {
        let head = meta().encode();
        let length = head.len();
        ([head, DATA_SET.to_vec()].concat(), length)
    }

    #[test]
    fn t1_our_head_is_read_back_and_the_data_set_stays_where_it_is() {
        let (bytes, data_set) = file();
        assert_eq!(
            Head::read(&bytes),
            Ok(Head {
                data_set,
                meta: meta()
            })
        );
        assert_eq!(&bytes[..128], &[0; 128]);
        assert_eq!(&bytes[128..132], MAGIC);
        let group = u32::from_le_bytes(bytes[140..144].try_into().unwrap());
        assert_eq!(usize::try_from(group).unwrap() + 144, data_set);
    }

    #[test]
    fn t5_a_wrong_or_missing_group_length_and_a_missing_preamble_do_no_harm() {
        let (bytes, data_set) = file();
        let mut wrong = bytes.clone();
        wrong[140..144].copy_from_slice(&[255, 255, 255, 127]);
        assert_eq!(Head::read(&wrong), Head::read(&bytes));
        let none = [&bytes[..132], &bytes[144..]].concat();
        assert_eq!(
            Head::read(&none),
            Ok(Head {
                data_set: data_set - 12,
                meta: meta()
            })
        );
        assert_eq!(
            Head::read(&bytes[128..]),
            Ok(Head {
                data_set: data_set - 128,
                meta: meta()
            })
        );
        assert_eq!(
            Head::read(&bytes[132..]),
            Ok(Head {
                data_set: data_set - 132,
                meta: meta()
            })
        );
    }

    #[test]
    fn t5_bare_data_sets_and_strangers_are_named_not_guessed() {
        assert_eq!(Head::read(&[8; 200]), Err(NoHead::NotPart10));
        assert_eq!(Head::read(b"PK"), Err(NoHead::NeedsMore(132)));
        let mut meta = meta();
        meta.transfer_syntax = Uid::default();
        assert_eq!(
            Head::read(&[meta.encode(), DATA_SET.to_vec()].concat()),
            Err(NoHead::NoTransferSyntax)
        );
    }

    #[test]
    fn a_cut_head_asks_for_more_until_it_has_enough() {
        let (bytes, data_set) = file();
        for cut in 0..data_set + 2 {
            let Err(NoHead::NeedsMore(length)) = Head::read(&bytes[..cut]) else {
                panic!("{cut} of {data_set} bytes were enough");
            };
            assert!(length > cut);
        }
        assert!(Head::read(&bytes[..data_set + 2]).is_ok());
    }

    #[test]
    fn a_long_private_value_in_the_meta_group_is_passed_over_within_the_bound() {
        let (bytes, data_set) = file();
        let mut with = bytes[..data_set].to_vec();
        put_long(&mut with, 0x0102, *b"OB", &vec![7; 70_000]);
        let end = with.len();
        with.extend_from_slice(DATA_SET);
        assert_eq!(Head::read(&with).map(|head| head.data_set), Ok(end));
        let mut endless = bytes[..data_set].to_vec();
        endless.extend([2, 0, 2, 1, b'O', b'B', 0, 0, 255, 255, 255, 255]);
        assert_eq!(Head::read(&endless), Err(NoHead::TooLong));
    }

    proptest! {
        #[test]
        fn a_changed_head_is_read_or_named_but_never_points_outside(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let (mut bytes, _) = file();
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(head) = Head::read(&bytes) {
                prop_assert!(head.data_set <= bytes.len());
            }
        }
    }
}

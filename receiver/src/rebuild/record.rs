//! A record, opened.

use std::sync::Arc;

use karez_imaging::{CodecId, HEAD, PackedPart, PartRef};
use karez_protocol::manifest::{self, Head, RecordBody, RecordBytes};
use karez_protocol::seal::{RecordPlace, SegmentKey};

use super::RebuildError;

/// A record, opened.
pub(crate) struct Opened {
    pub(crate) body: RecordBody,
    pub(crate) place: RecordPlace,
}

impl Opened {
    pub(super) fn open(
        key: &SegmentKey,
        number: u64,
        bytes: Vec<u8>,
    ) -> Result<Arc<Self>, RebuildError> {
        let broken = |_| RebuildError::Corrupt("a stored record does not open");
        let record = RecordBytes::from_bytes(bytes).map_err(broken)?;
        let body = record.open(key, number).map_err(broken)?;
        let place = record.place(number);
        Ok(Arc::new(Self { body, place }))
    }

    /// The head that stands in it.
    pub(super) fn inline_head(&self) -> Option<PackedPart> {
        match &self.body.start.as_ref()?.head {
            Head::Inline(head) => Some(PackedPart {
                codec: CodecId(head.codec),
                raw_len: head.raw_len,
                packed: head.packed.clone(),
                refs: refs(&head.refs),
            }),
            Head::Chunked => None,
        }
    }

    /// The number in its instance of the first part that it describes, when the instance starts
    /// in it.
    pub(super) fn first_part(&self) -> Option<u32> {
        Some(match self.body.start.as_ref()?.head {
            Head::Inline(_) => HEAD + 1,
            Head::Chunked => HEAD,
        })
    }
}

/// References as the unpacker knows them.
pub(super) fn refs(refs: &[manifest::PartRef]) -> Vec<PartRef> {
    let known = |r: &manifest::PartRef| PartRef {
        record: r.record,
        part: r.part,
    };
    refs.iter().map(known).collect()
}

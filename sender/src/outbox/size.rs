//! How many bytes an instance takes once it is sealed, without sealing it.

use karez_imaging::{HEAD, PackedPart};
use karez_protocol::id::{ChunkId, Fingerprint, PartTag};
use karez_protocol::limits::{CHUNK_PLAIN_MAX, HEAD_INLINE_MAX, RECORD_PARTS_MAX};
use karez_protocol::manifest::{
    Head, InstanceStart, Origin, PackedHead, PartRecord, PartRef, RecordBody,
};
use karez_protocol::wire;

/// The tag of a sealed chunk or record (ChaCha20-Poly1305).
const TAG: u64 = 16;
/// The random number before a sealed record.
const RECORD_RANDOM: u64 = 8;

/// Adds up one instance's chunks and records, as the sealer would make them.
pub struct SealedSize {
    body: RecordBody,
    bytes: u64,
}

impl SealedSize {
    /// An instance of `length` bytes, `prefix` of which stand before its pixel data.
    #[must_use]
    pub fn new(length: u64, prefix: u64) -> Self {
        let start = InstanceStart {
            fingerprint: Fingerprint([0; 32]),
            length,
            prefix,
            origin: Origin::File,
            head: Head::Chunked,
        };
        Self {
            body: empty(Some(start)),
            bytes: 0,
        }
    }

    /// The instance's next part; the head comes first.
    pub fn part(&mut self, part: u32, packed: &PackedPart) {
        if part == HEAD && packed.packed.len() <= HEAD_INLINE_MAX {
            if let Some(start) = &mut self.body.start {
                start.head = Head::Inline(PackedHead {
                    codec: packed.codec.0,
                    raw_len: packed.raw_len,
                    refs: refs(packed),
                    packed: packed.packed.clone(),
                });
            }
            return;
        }
        if self.body.parts.len() >= RECORD_PARTS_MAX {
            self.end_record();
        }
        let chunks = packed.packed.len().div_ceil(CHUNK_PLAIN_MAX);
        self.bytes += packed.packed.len() as u64 + chunks as u64 * TAG;
        self.body.parts.push(PartRecord {
            codec: packed.codec.0,
            raw_len: packed.raw_len,
            packed_len: packed.packed.len() as u64,
            tag: PartTag([0; 16]),
            refs: refs(packed),
            chunks: vec![ChunkId([0; 32]); chunks],
        });
    }

    /// The sum, once the last part is in.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        self.end_record();
        self.bytes
    }

    fn end_record(&mut self) {
        let encoded = wire::encode(&self.body).len() as u64;
        self.bytes += RECORD_RANDOM + encoded + TAG;
        self.body = empty(None);
    }
}

fn empty(start: Option<InstanceStart>) -> RecordBody {
    RecordBody {
        first_chunk: 0,
        start,
        parts: Vec::new(),
        last: false,
    }
}

fn refs(packed: &PackedPart) -> Vec<PartRef> {
    let name = |r: &karez_imaging::PartRef| PartRef {
        record: r.record,
        part: r.part,
    };
    packed.refs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_imaging::{CodecId, PartRef as ImagingRef};

    fn packed(len: usize) -> PackedPart {
        PackedPart {
            codec: CodecId::GRAY,
            raw_len: 2 * len as u64,
            packed: vec![7; len],
            refs: vec![ImagingRef { record: 1, part: 1 }],
        }
    }

    #[test]
    fn a_small_head_stands_in_the_record_and_a_large_one_in_a_chunk() {
        let size = |head: usize, parts: &[usize]| {
            let mut size = SealedSize::new(1 << 20, 900);
            size.part(HEAD, &packed(head));
            for (n, &len) in (1..).zip(parts) {
                size.part(n, &packed(len));
            }
            size.finish()
        };
        let bare = size(0, &[]);
        assert!((50..150).contains(&bare), "{bare}");
        assert_eq!(size(1000, &[]), bare + 1000 + 4);
        let chunked = size(HEAD_INLINE_MAX + 1, &[]);
        let more = chunked - bare - HEAD_INLINE_MAX as u64;
        assert!((40..150).contains(&more), "{more}");
        let two = size(0, &[CHUNK_PLAIN_MAX, CHUNK_PLAIN_MAX + 1]) - bare;
        let chunks = 2 * CHUNK_PLAIN_MAX as u64 + 1 + 3 * (TAG + 32);
        assert!((chunks..chunks + 80).contains(&two), "{two} {chunks}");
    }
}

//! The tags of parts that were sealed before: a part that repeats one waits for the hub's word
//! before it is sent.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use karez_protocol::id::PartTag;

use crate::limits::TAGS;

/// Two generations of tags; when the younger is full, the older is forgotten. Forgetting one
/// costs air, never an image.
#[derive(Default)]
pub(crate) struct Tags(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: BTreeSet<PartTag>,
    old: BTreeSet<PartTag>,
}

impl Tags {
    /// Whether the tag was met before; remembers it.
    pub(crate) fn meet(&self, tag: PartTag) -> bool {
        let mut tags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tags.young.contains(&tag) {
            return true;
        }
        if tags.young.len() >= TAGS {
            tags.old = std::mem::take(&mut tags.young);
        }
        let known = tags.old.remove(&tag);
        tags.young.insert(tag);
        known
    }

    /// All of them, the older generation first.
    pub(crate) fn all(&self) -> Vec<PartTag> {
        let tags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tags.old.iter().chain(&tags.young).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(n: usize) -> PartTag {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        PartTag(bytes)
    }

    #[test]
    fn a_tag_is_known_the_second_time_and_the_table_stays_bounded() {
        let tags = Tags::default();
        assert!(!tags.meet(tag(0)));
        assert!(tags.meet(tag(0)));
        for n in 1..TAGS * 3 {
            assert!(!tags.meet(tag(n)));
        }
        assert!(tags.all().len() <= TAGS * 2);
        assert!(tags.meet(tag(TAGS * 3 - 1)) && !tags.meet(tag(0)));
    }
}

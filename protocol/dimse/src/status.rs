//! DIMSE status codes (PS3.7 annex C) and what a C-STORE status means for a hand-off.

use std::fmt;

/// The status of a response, (0000,0900).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u16);

/// What the sender of an instance does after a C-STORE status (FIELD T4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer says that it stored the instance.
    Stored,
    /// Stored, with a warning (coerced or discarded elements, mismatch). Not a refusal.
    StoredWithWarning,
    /// The peer has no room: the same instance again later.
    OutOfResources,
    /// The peer objects to this instance: park it, go on with the others.
    InstanceRefused,
    /// The peer says that it holds this UID already: ask it and compare.
    Duplicate,
    /// The peer does not store this SOP class.
    ClassNotSupported,
    /// The peer does not let us store.
    NotAuthorised,
    /// A failure without a known meaning: later, and the code is shown.
    Failure,
}

impl Status {
    /// Done.
    pub const SUCCESS: Status = Status(0x0000);
    /// A C-FIND match follows.
    pub const PENDING: Status = Status(0xFF00);
    /// A C-FIND match follows; some optional keys were not looked at.
    pub const PENDING_KEYS_IGNORED: Status = Status(0xFF01);
    /// Stored; elements were coerced.
    pub const COERCED: Status = Status(0xB000);
    /// Stored; elements were discarded.
    pub const ELEMENTS_DISCARDED: Status = Status(0xB006);
    /// Stored; the data set does not match its SOP class.
    pub const CLASS_WARNING: Status = Status(0xB007);
    /// General failure.
    pub const PROCESSING_FAILURE: Status = Status(0x0110);
    /// The instance is there already.
    pub const DUPLICATE_INSTANCE: Status = Status(0x0111);
    /// The SOP class is not supported.
    pub const CLASS_NOT_SUPPORTED: Status = Status(0x0122);
    /// The peer may not do this.
    pub const NOT_AUTHORISED: Status = Status(0x0124);
    /// No resources for it now.
    pub const RESOURCE_LIMITATION: Status = Status(0x0213);
    /// The command is not known here.
    pub const UNRECOGNIZED_OPERATION: Status = Status(0x0211);
    /// No room.
    pub const OUT_OF_RESOURCES: Status = Status(0xA700);
    /// The data set does not match its SOP class: refused.
    pub const CLASS_MISMATCH: Status = Status(0xA900);
    /// The data set cannot be understood.
    pub const CANNOT_UNDERSTAND: Status = Status(0xC000);

    /// True while a C-FIND goes on.
    pub fn is_pending(self) -> bool {
        self == Status::PENDING || self == Status::PENDING_KEYS_IGNORED
    }

    /// The meaning of a C-STORE status (PS3.4 B.2.3, PS3.7 annex C).
    pub fn verdict(self) -> Verdict {
        match self.0 {
            0x0000 => Verdict::Stored,
            0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => Verdict::StoredWithWarning,
            0xA700..=0xA7FF | 0x0213 => Verdict::OutOfResources,
            0xA900..=0xA9FF | 0xC000..=0xCFFF => Verdict::InstanceRefused,
            0x0105 | 0x0106 | 0x0115 | 0x0117 | 0x0119 | 0x0120 | 0x0121 => {
                Verdict::InstanceRefused
            }
            0x0111 => Verdict::Duplicate,
            0x0118 | 0x0122 | 0x0211 => Verdict::ClassNotSupported,
            0x0124 => Verdict::NotAuthorised,
            _ => Verdict::Failure,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:04X})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t4_a_warning_is_stored_a_full_pacs_is_later_and_a_refusal_is_for_this_instance() {
        let table = [
            (0x0000, Verdict::Stored),
            (0xB000, Verdict::StoredWithWarning),
            (0xB006, Verdict::StoredWithWarning),
            (0xB007, Verdict::StoredWithWarning),
            (0xA700, Verdict::OutOfResources),
            (0xA701, Verdict::OutOfResources),
            (0xA900, Verdict::InstanceRefused),
            (0xC000, Verdict::InstanceRefused),
            (0xC123, Verdict::InstanceRefused),
            (0x0111, Verdict::Duplicate),
            (0x0122, Verdict::ClassNotSupported),
            (0x0124, Verdict::NotAuthorised),
            (0x0110, Verdict::Failure),
            (0xFE00, Verdict::Failure),
            (0xFF00, Verdict::Failure),
        ];
        for (code, verdict) in table {
            assert_eq!(Status(code).verdict(), verdict, "{code:04X}");
        }
    }

    #[test]
    fn t4_success_is_the_only_code_that_says_stored_without_a_warning() {
        let stored = (0..=u16::MAX).filter(|code| Status(*code).verdict() == Verdict::Stored);
        assert_eq!(stored.collect::<Vec<_>>(), [0]);
    }
}

//! Lanes: one stream each and direction, in strict priority.

use karez_protocol::priority::Class;
use karez_protocol::session::Lane;

/// All lanes, the first to be sent first.
pub const LANES: [Lane; 5] = [
    Lane::Control,
    Lane::Class(Class::Stat),
    Lane::Class(Class::Urgent),
    Lane::Class(Class::Routine),
    Lane::Class(Class::Bulk),
];

/// 0 for `Control` to 4 for BULK: the byte that opens the lane's stream.
pub(crate) const fn tag(lane: Lane) -> u8 {
    match lane {
        Lane::Control => 0,
        Lane::Class(class) => 1 + class.index(),
    }
}

/// The lane's place in [`LANES`].
pub(crate) const fn index(lane: Lane) -> usize {
    tag(lane) as usize
}

pub(crate) fn from_tag(tag: u8) -> Option<Lane> {
    LANES.get(usize::from(tag)).copied()
}

/// For `SendStream::set_priority`: higher is sent first, strictly.
pub(crate) fn stream_priority(lane: Lane) -> i32 {
    4 - i32::from(tag(lane))
}

/// The lanes that can take a frame now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room(u8);

impl Room {
    /// No lane has room.
    pub const NONE: Self = Self(0);
    /// Every lane has room.
    pub const ALL: Self = Self(0b1_1111);

    /// Whether `lane` can take a frame.
    #[must_use]
    pub const fn has(self, lane: Lane) -> bool {
        self.0 & 1 << tag(lane) != 0
    }

    /// This room and that of `lane`.
    #[must_use]
    pub const fn with(self, lane: Lane) -> Self {
        Self(self.0 | 1 << tag(lane))
    }

    /// Whether no lane has room.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_reads_back_from_its_tag_and_the_first_has_the_highest_priority() {
        for (place, lane) in LANES.into_iter().enumerate() {
            assert_eq!(from_tag(tag(lane)), Some(lane));
            assert_eq!(index(lane), place);
        }
        assert_eq!(from_tag(5), None);
        assert!(LANES.is_sorted());
        assert!(LANES.is_sorted_by_key(|lane| -stream_priority(*lane)));
    }

    #[test]
    fn room_names_exactly_the_lanes_put_into_it() {
        let room = Room::NONE.with(Lane::Class(Class::Stat));
        assert_eq!(
            LANES.map(|lane| room.has(lane)),
            [false, true, false, false, false]
        );
        assert_eq!(LANES.into_iter().fold(Room::NONE, Room::with), Room::ALL);
    }
}

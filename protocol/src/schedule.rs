//! Who goes next: strict classes with ageing; within a class the study with the fewest bytes
//! left, then the one that came first (PROTOCOL 5).

use std::time::Duration;

use crate::id::StudyId;
use crate::priority::Class;

/// What the schedule knows of one study that has something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The study.
    pub study: StudyId,
    /// Its class, as set.
    pub class: Class,
    /// How long it has waited.
    pub waited: Duration,
    /// Bytes still to send.
    pub bytes: u64,
    /// Order of arrival.
    pub order: u64,
}

/// Sorts studies into the order in which they go.
#[must_use]
pub fn order(mut claims: Vec<Claim>) -> Vec<(StudyId, Class)> {
    claims.sort_by_key(|c| (c.class.aged(c.waited), c.bytes, c.order));
    claims
        .into_iter()
        .map(|c| (c.study, c.class.aged(c.waited)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(n: u8, class: Class, hours: u64, bytes: u64) -> Claim {
        let waited = Duration::from_secs(hours * 3600);
        Claim {
            study: StudyId([n; 16]),
            class,
            waited,
            bytes,
            order: u64::from(n),
        }
    }

    fn names(claims: Vec<Claim>) -> Vec<u8> {
        order(claims)
            .into_iter()
            .map(|(study, _)| study.0[0])
            .collect()
    }

    #[test]
    fn stat_goes_before_all_and_the_smallest_before_the_larger() {
        let claims = vec![
            claim(1, Class::Bulk, 0, 5),
            claim(2, Class::Routine, 0, 900),
            claim(3, Class::Routine, 0, 100),
            claim(4, Class::Stat, 0, 1_000_000),
        ];
        assert_eq!(names(claims), [4, 3, 2, 1]);
    }

    #[test]
    fn what_has_waited_long_enough_counts_as_urgent_and_no_more() {
        let claims = vec![
            claim(1, Class::Bulk, 24 * 30, 900),
            claim(2, Class::Urgent, 0, 1000),
            claim(3, Class::Stat, 0, 2000),
        ];
        assert_eq!(names(claims), [3, 1, 2]);
    }
}

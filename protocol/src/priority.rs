//! The four classes, strict in this order; a waiting study ages upward, never into STAT.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits::AGEING_STEP;

/// How urgently a study is wanted. `Stat` sorts first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    bincode::Encode,
    bincode::Decode,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A life may depend on it.
    Stat,
    /// Wanted within hours.
    Urgent,
    /// The ordinary day's work.
    #[default]
    Routine,
    /// Whenever the link has nothing better to do.
    Bulk,
}

impl Class {
    /// All classes, most urgent first.
    pub const ALL: [Self; 4] = [Self::Stat, Self::Urgent, Self::Routine, Self::Bulk];

    /// The class that a study counts as after having waited: one step up per
    /// [`AGEING_STEP`], never above `Urgent`.
    #[must_use]
    pub fn aged(self, waited: Duration) -> Self {
        let steps = waited.as_secs() / AGEING_STEP.as_secs();
        let index = (self as u64).saturating_sub(steps).max(1).min(self as u64);
        Self::ALL[usize::try_from(index).unwrap_or(self as usize)]
    }

    /// Its place among the lanes: 0 for STAT to 3 for BULK.
    #[must_use]
    pub const fn index(self) -> u8 {
        self as u8
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Urgent => "urgent",
            Self::Routine => "routine",
            Self::Bulk => "bulk",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|class| class.name() == lower)
            .ok_or_else(|| format!("`{text}` is no class: use stat, urgent, routine or bulk"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_raises_a_study_but_never_into_stat() {
        let day = AGEING_STEP;
        assert_eq!(Class::Bulk.aged(Duration::ZERO), Class::Bulk);
        assert_eq!(Class::Bulk.aged(day), Class::Routine);
        assert_eq!(Class::Bulk.aged(day * 9), Class::Urgent);
        assert_eq!(Class::Urgent.aged(day * 9), Class::Urgent);
        assert_eq!(Class::Stat.aged(day * 9), Class::Stat);
    }

    #[test]
    fn a_class_reads_back_from_what_it_prints() {
        for class in Class::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        assert!("now".parse::<Class>().is_err());
    }
}

//! What a page shows, whichever daemon fills it in. Without patient data: names come apart, to
//! those who have logged in.

use karez_protocol::priority::Class;

use super::words::{Say, Word};

/// A page.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// What this place is called.
    pub name: String,
    /// Whether it is a hub's.
    pub hub: bool,
    /// The one sentence that counts.
    pub banner: Banner,
    /// A few quantities.
    pub figures: Vec<(Word, Say)>,
    /// How the line was; none where there is no one line.
    pub ribbon: Option<Ribbon>,
    /// What needs a person.
    pub needs: Vec<Need>,
    /// The columns of lamps. A column that the target cannot give is not there.
    pub columns: Vec<Say>,
    /// Studies, what waits first.
    pub studies: Vec<Row>,
    /// Clinics, at a hub.
    pub clinics: Vec<ClinicRow>,
    /// What can be done about the whole.
    pub actions: Vec<Action>,
    /// Seconds for which the oldest study has waited; none when none waits or nobody knows.
    pub oldest_s: Option<u64>,
    /// Bytes free on the disk, where that is known.
    pub disk_free: Option<u64>,
    /// Seconds by which local time is ahead of UTC.
    pub utc_offset: i64,
}

/// The sentence at the top.
#[derive(Clone, Debug)]
pub struct Banner {
    /// Whether all is well, work is under way, or somebody is needed.
    pub mood: Mood,
    /// The sentence.
    pub text: Say,
    /// Why, in the daemon's words; may be empty.
    pub detail: String,
}

impl Default for Banner {
    fn default() -> Self {
        Self {
            mood: Mood::Good,
            text: Say::word(Word::SafeOff),
            detail: String::new(),
        }
    }
}

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Well.
    Good,
    /// Under way, or waiting.
    Busy,
    /// Somebody is needed.
    Bad,
}

/// A study.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its short name.
    pub study: String,
    /// What it is, without a patient: modality, count, scanner.
    pub what: Vec<Say>,
    /// Its class.
    pub class: Class,
    /// When it came, seconds since 1970 by a clock that may be wrong; none when unknown.
    pub arrived: Option<i64>,
    /// One for each column.
    pub lamps: Vec<Lamp>,
    /// How long it takes yet.
    pub left: Left,
    /// A remark, as when it was taken back.
    pub note: Option<Say>,
    /// What can be done about it.
    pub actions: Vec<Action>,
}

/// A cell that says how far a study is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lamp {
    /// Not there.
    #[default]
    Empty,
    /// Percent of it.
    Part(u8),
    /// All of it.
    Full,
    /// Not there, and somebody is needed.
    Trouble,
}

impl Lamp {
    /// For `done` of `all`.
    #[must_use]
    pub fn of(done: u64, all: u64) -> Self {
        match (done, all) {
            (_, 0) | (0, _) => Self::Empty,
            (done, all) if done >= all => Self::Full,
            // Never 100 before it is all there.
            (done, all) => Self::Part(
                u8::try_from((done.saturating_mul(100) / all).clamp(1, 99)).unwrap_or(99),
            ),
        }
    }
}

/// How long something takes yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Left {
    /// Nothing is left.
    Nothing,
    /// It is not wanted any more.
    Over,
    /// About so many seconds.
    About(u64),
    /// Nobody can say.
    #[default]
    Unknown,
}

/// Something that needs a person.
#[derive(Clone, Debug)]
pub struct Need {
    /// What, and for whom.
    pub item: String,
    /// Why.
    pub reason: Say,
    /// Whose task it is.
    pub owner: String,
    /// What to do, in words.
    pub advice: String,
    /// What can be done here.
    pub actions: Vec<Action>,
}

/// Something that a person can do with a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub verb: Verb,
    /// To what.
    pub item: String,
}

impl Action {
    /// This to that.
    #[must_use]
    pub fn new(verb: Verb, item: impl Into<String>) -> Self {
        Self {
            verb,
            item: item.into(),
        }
    }
}

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A study becomes urgent.
    Urgent,
    /// A study becomes STAT.
    Stat,
    /// A study is taken back, for a reason.
    Withdraw,
    /// A scanner may send.
    Allow,
    /// Tried again.
    Retry,
    /// Takes the place of what the target has.
    Release,
    /// Given up, for a reason.
    Discard,
    /// Nothing but STAT is sent.
    Pause,
    /// Everything is sent again.
    Resume,
}

impl Verb {
    const ALL: [(Self, &'static str, Word); 9] = [
        (Self::Urgent, "urgent", Word::MakeUrgent),
        (Self::Stat, "stat", Word::MakeStat),
        (Self::Withdraw, "withdraw", Word::Withdraw),
        (Self::Allow, "allow", Word::Allow),
        (Self::Retry, "retry", Word::Retry),
        (Self::Release, "release", Word::Release),
        (Self::Discard, "discard", Word::Discard),
        (Self::Pause, "pause", Word::Pause),
        (Self::Resume, "resume", Word::Resume),
    ];

    /// As forms name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|v| v.0 == self).map_or("", |v| v.1)
    }

    /// As people read it.
    #[must_use]
    pub fn word(self) -> Word {
        Self::ALL
            .iter()
            .find(|v| v.0 == self)
            .map_or(Word::Actions, |v| v.2)
    }

    /// The one with this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|v| v.1 == name).map(|v| v.0)
    }

    /// Whether only an administrator may.
    #[must_use]
    pub const fn needs_admin(self) -> bool {
        matches!(self, Self::Release | Self::Discard)
    }

    /// Whether it asks for a reason first.
    #[must_use]
    pub const fn asks_why(self) -> bool {
        matches!(self, Self::Withdraw | Self::Discard)
    }
}

/// A clinic, as its hub sees it.
#[derive(Clone, Debug, Default)]
pub struct ClinicRow {
    /// Its name.
    pub name: String,
    /// How its line is.
    pub line: Option<Word>,
    /// Seconds since it was last heard.
    pub heard_s: Option<u64>,
    /// Studies that are not yet in every archive.
    pub open: u64,
    /// Bytes still to come.
    pub missing: u64,
}

/// How the line was: one mark for each slot, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ribbon {
    /// Percent of the slot's watched time that the line was up; none when nobody watched.
    pub slots: Vec<Option<u8>>,
    /// Seconds up.
    pub up_s: u64,
    /// Seconds watched.
    pub watched_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_is_full_only_when_all_is_there() {
        assert_eq!(Lamp::of(0, 9), Lamp::Empty);
        assert_eq!(Lamp::of(0, 0), Lamp::Empty);
        assert_eq!(Lamp::of(1, 1_000_000), Lamp::Part(1));
        assert_eq!(Lamp::of(999_999, 1_000_000), Lamp::Part(99));
        assert_eq!(Lamp::of(9, 9), Lamp::Full);
    }

    #[test]
    fn every_verb_reads_back_from_its_form() {
        for (verb, name, _) in Verb::ALL {
            assert_eq!((Verb::of(name), verb.name()), (Some(verb), name));
        }
        assert_eq!(Verb::of("format-disk"), None);
    }
}

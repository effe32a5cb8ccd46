//! What a line says.

use karez_protocol::id::StudyId;
use karez_protocol::limits::TEXT_MAX;
use karez_protocol::wire::{WireError, decode, encode};

/// What happened. A number never changes its meaning; what is new is a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Event {
    /// The daemon began to work; the detail is its version.
    Started = 0,
    /// It ended in order.
    Stopped = 1,
    /// The configuration is another one than at the last start; the detail is its hash.
    Configured = 2,
    /// Clinic: instances were taken in; the party is where they came from.
    Accepted = 3,
    /// Hub: instances arrived whole and their fingerprints are right.
    Received = 4,
    /// Hub: instances are at all targets; the detail is on what that rests.
    HandedOff = 5,
    /// Instances need a person; the detail is the reason.
    Parked = 6,
    /// A person decided about what was parked; the detail says how.
    Resolved = 7,
    /// Clinic: a receipt of the hub released instances.
    Released = 8,
    /// Clinic: released instances were removed for their room.
    Evicted = 9,
    /// Instances were lost here, such as by rot; the detail says how.
    Lost = 10,
    /// A study is no longer sent.
    Withdrawn = 11,
    /// A study's class was changed by hand; the detail is the class.
    Prioritised = 12,
    /// Somebody looked at patients' names.
    Identified = 13,
    /// Instances were written to a file for a person.
    Exported = 14,
    /// Hub: an invitation was written.
    Invited = 15,
    /// A clinic joined its hub.
    Joined = 16,
    /// Hub: a clinic's key is no longer welcome.
    Revoked = 17,
    /// Something was changed by command; the detail says what.
    Changed = 18,
    /// Hub: instances go to a target once more, by command.
    Resent = 19,
    /// Hub: there is a new encryption key.
    KeyMade = 20,
    /// The oldest lines were removed, up to the line whose number is the count.
    Dropped = 21,
    /// So many lines could not be written: the disk refused them for too long.
    Missed = 22,
    /// Stored bytes were found to have changed.
    Rotted = 23,
    /// Somebody was refused; the detail says why.
    Refused = 24,
    /// Somebody logged in on a page.
    LoggedIn = 25,
}

const EVENTS: [(Event, &str); 26] = [
    (Event::Started, "started"),
    (Event::Stopped, "stopped"),
    (Event::Configured, "configured"),
    (Event::Accepted, "accepted"),
    (Event::Received, "received"),
    (Event::HandedOff, "handed-off"),
    (Event::Parked, "parked"),
    (Event::Resolved, "resolved"),
    (Event::Released, "released"),
    (Event::Evicted, "evicted"),
    (Event::Lost, "lost"),
    (Event::Withdrawn, "withdrawn"),
    (Event::Prioritised, "prioritised"),
    (Event::Identified, "identified"),
    (Event::Exported, "exported"),
    (Event::Invited, "invited"),
    (Event::Joined, "joined"),
    (Event::Revoked, "revoked"),
    (Event::Changed, "changed"),
    (Event::Resent, "resent"),
    (Event::KeyMade, "key-made"),
    (Event::Dropped, "dropped"),
    (Event::Missed, "missed"),
    (Event::Rotted, "rotted"),
    (Event::Refused, "refused"),
    (Event::LoggedIn, "logged-in"),
];

impl Event {
    /// As it stands in lists and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        EVENTS[usize::from(self as u8)].1
    }

    fn of_number(number: u8) -> Option<Self> {
        EVENTS.get(usize::from(number)).map(|(event, _)| *event)
    }
}

/// One thing that happened. Its texts hold no patient data and are cut to
/// [`TEXT_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Seconds since 1970, by a clock that may be wrong: for people.
    pub wall: i64,
    /// What.
    pub event: Event,
    /// Who: `daemon`, `uid 1000`, `clinic chagai`.
    pub who: String,
    /// The other side: a clinic, a target, a scanner, an item; empty without one.
    pub party: String,
    /// Which study.
    pub study: Option<StudyId>,
    /// How many instances, or lines.
    pub count: u64,
    /// The rest, in words.
    pub detail: String,
}

type Tuple = (i64, u8, String, String, Option<StudyId>, u64, String);

impl Note {
    /// Something that the daemon did by itself.
    #[must_use]
    pub fn new(wall: i64, event: Event) -> Self {
        Self {
            wall,
            event,
            who: "daemon".to_owned(),
            party: String::new(),
            study: None,
            count: 0,
            detail: String::new(),
        }
    }

    /// What somebody did on a page: his name there, what, and to what.
    #[must_use]
    pub fn on_page(wall: i64, user: &str, what: &str, item: &str) -> Self {
        let event = match what {
            "names" => Event::Identified,
            "login" => Event::LoggedIn,
            _ => Event::Changed,
        };
        let detail = if event == Event::Changed { what } else { "" };
        let note = Self::new(wall, event).by(&format!("page {user}"));
        note.with(item).saying(detail)
    }

    /// Somebody did it.
    #[must_use]
    pub fn by(mut self, who: &str) -> Self {
        self.who = cut(who);
        self
    }

    /// Names the other side.
    #[must_use]
    pub fn with(mut self, party: &str) -> Self {
        self.party = cut(party);
        self
    }

    /// Names the study.
    #[must_use]
    pub const fn of(mut self, study: StudyId) -> Self {
        self.study = Some(study);
        self
    }

    /// Counts.
    #[must_use]
    pub const fn counting(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// Adds words. No patient data, and nothing that a person typed freely.
    #[must_use]
    pub fn saying(mut self, detail: &str) -> Self {
        self.detail = cut(detail);
        self
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let event = self.event as u8;
        let texts = (self.who.clone(), self.party.clone());
        let tuple: Tuple = (
            self.wall,
            event,
            texts.0,
            texts.1,
            self.study,
            self.count,
            self.detail.clone(),
        );
        encode(&tuple)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (wall, event, who, party, study, count, detail) = decode::<Tuple>(bytes)?;
        Ok(Event::of_number(event).map(|event| Self {
            wall,
            event,
            who,
            party,
            study,
            count,
            detail,
        }))
    }
}

/// Text without control characters, as long as it may be.
fn cut(text: &str) -> String {
    let mut cut: String = text.chars().filter(|c| !c.is_control()).collect();
    while cut.len() > TEXT_MAX {
        cut.pop();
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_events_is_in_the_order_of_their_numbers() {
        for (number, (event, _)) in EVENTS.iter().enumerate() {
            assert_eq!(usize::from(*event as u8), number);
            assert_eq!(Event::of_number(*event as u8), Some(*event));
        }
        assert_eq!(Event::of_number(EVENTS.len() as u8), None);
    }

    #[test]
    fn a_note_reads_back_and_its_texts_are_bounded() {
        let note = Note::new(-7, Event::Parked)
            .by("uid 0\n")
            .with(&"x".repeat(500))
            .of(StudyId([3; 16]))
            .counting(4)
            .saying("why");
        assert_eq!((note.who.as_str(), note.party.len()), ("uid 0", TEXT_MAX));
        assert_eq!(Note::from_bytes(&note.to_bytes()), Ok(Some(note)));
    }
}

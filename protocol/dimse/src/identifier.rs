//! C-FIND identifiers (PS3.4 C.4.1): questions by UID, and what the peer answers.

use std::collections::BTreeMap;
use std::fmt;

use crate::element::{Tag, even, put_implicit, read_implicit};
use crate::limits;
use crate::{Uid, Violation};

const SOP_CLASS: Tag = Tag(0x0008, 0x0016);
const SOP_INSTANCE: Tag = Tag(0x0008, 0x0018);
const LEVEL: Tag = Tag(0x0008, 0x0052);
const STUDY: Tag = Tag(0x0020, 0x000D);
const SERIES: Tag = Tag(0x0020, 0x000E);
const STUDY_INSTANCES: Tag = Tag(0x0020, 0x1208);
const SERIES_INSTANCES: Tag = Tag(0x0020, 0x1209);

/// A flat data set in Implicit VR Little Endian. Its `Debug` hides the values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identifier(BTreeMap<Tag, Vec<u8>>);

/// The Query/Retrieve level, (0008,0052).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Studies.
    Study,
    /// Series.
    Series,
    /// Instances.
    Image,
}

impl Level {
    fn text(self) -> &'static str {
        match self {
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Image => "IMAGE",
        }
    }
}

impl Identifier {
    /// "Do you have this instance?" Peers that hold to the hierarchy (DCMTK) want study and series as
    /// well; an empty UID asks without it.
    pub fn image(study: &Uid, series: &Uid, sop_instance: &Uid) -> Self {
        let mut question = Identifier::at(Level::Image);
        question.set_uid(STUDY, study);
        question.set_uid(SERIES, series);
        question.set_uid(SOP_INSTANCE, sop_instance);
        question.set_uid(SOP_CLASS, &Uid::default());
        question
    }

    /// "Which instances of this series do you have?"
    pub fn images_of_series(study: &Uid, series: &Uid) -> Self {
        Identifier::image(study, series, &Uid::default())
    }

    /// "How many instances of this series do you have?"
    pub fn series(study: &Uid, series: &Uid) -> Self {
        let mut question = Identifier::at(Level::Series);
        question.set_uid(STUDY, study);
        question.set_uid(SERIES, series);
        question.set_text(SERIES_INSTANCES, "");
        question
    }

    /// "How many instances of this study do you have?"
    pub fn study(study: &Uid) -> Self {
        let mut question = Identifier::at(Level::Study);
        question.set_uid(STUDY, study);
        question.set_text(STUDY_INSTANCES, "");
        question
    }

    fn at(level: Level) -> Self {
        let mut identifier = Identifier::default();
        identifier.set_text(LEVEL, level.text());
        identifier
    }

    /// Sets a UID; an empty one asks for the value.
    pub fn set_uid(&mut self, tag: Tag, uid: &Uid) {
        self.0.insert(tag, uid.to_padded());
    }

    /// Sets a text value, padded with a space.
    pub fn set_text(&mut self, tag: Tag, text: &str) {
        self.0.insert(tag, even(text.as_bytes().to_vec(), b' '));
    }

    /// The value's bytes as they stand, padding included.
    pub fn value(&self, tag: Tag) -> Option<&[u8]> {
        self.0.get(&tag).map(Vec::as_slice)
    }

    /// The level that is asked or answered.
    pub fn level(&self) -> Option<Level> {
        let text = self.text(LEVEL)?;
        [Level::Study, Level::Series, Level::Image]
            .into_iter()
            .find(|level| level.text() == text)
    }

    /// The study, when given.
    pub fn study_uid(&self) -> Option<Uid> {
        self.uid(STUDY)
    }

    /// The series, when given.
    pub fn series_uid(&self) -> Option<Uid> {
        self.uid(SERIES)
    }

    /// The instance, when given.
    pub fn sop_instance(&self) -> Option<Uid> {
        self.uid(SOP_INSTANCE)
    }

    /// The SOP class, when given.
    pub fn sop_class(&self) -> Option<Uid> {
        self.uid(SOP_CLASS)
    }

    /// The number of instances that the peer says a study or series has.
    pub fn instances(&self) -> Option<u32> {
        let text = self
            .text(STUDY_INSTANCES)
            .or_else(|| self.text(SERIES_INSTANCES))?;
        text.parse().ok()
    }

    /// Sets the answer to [`Identifier::study`].
    pub fn set_study_instances(&mut self, count: usize) {
        self.set_text(STUDY_INSTANCES, &count.to_string());
    }

    /// Sets the answer to [`Identifier::series`].
    pub fn set_series_instances(&mut self, count: usize) {
        self.set_text(SERIES_INSTANCES, &count.to_string());
    }

    /// The bytes, in Implicit VR Little Endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, value) in &self.0 {
            put_implicit(&mut bytes, *tag, value);
        }
        bytes
    }

    /// Reads an identifier in Implicit VR Little Endian.
    ///
    /// # Errors
    /// [`Violation::AnswerTooLong`] above [`limits::IDENTIFIER`]; [`Violation::MalformedIdentifier`] when
    /// an element is cut or of undefined length.
    pub fn decode(bytes: &[u8]) -> Result<Self, Violation> {
        if bytes.len() > limits::IDENTIFIER {
            return Err(Violation::AnswerTooLong);
        }
        let mut elements = BTreeMap::new();
        for element in read_implicit(bytes) {
            let (tag, value) = element.map_err(|_| Violation::MalformedIdentifier)?;
            elements.insert(tag, value.to_vec());
        }
        Ok(Identifier(elements))
    }

    fn uid(&self, tag: Tag) -> Option<Uid> {
        self.value(tag)
            .map(Uid::from_bytes)
            .filter(|uid| !uid.is_empty())
    }

    fn text(&self, tag: Tag) -> Option<&str> {
        let text = std::str::from_utf8(self.value(tag)?).ok()?;
        Some(text.trim_matches([' ', '\0'])).filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier(<{} elements>)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_comes_back_with_its_level_and_uids() {
        let question = Identifier::image(&Uid::new("1.2"), &Uid::default(), &Uid::new("1.2.3"));
        let read = Identifier::decode(&question.encode()).unwrap();
        assert_eq!(read, question);
        assert_eq!(read.level(), Some(Level::Image));
        assert_eq!(read.sop_instance(), Some(Uid::new("1.2.3")));
        assert_eq!(read.series_uid(), None);
        assert!(read.value(SERIES).is_some());
    }

    #[test]
    fn counts_are_read_with_padding_and_nonsense_is_none() {
        let mut answer = Identifier::study(&Uid::new("1.2"));
        assert_eq!(answer.instances(), None);
        answer.set_study_instances(412);
        assert_eq!(
            Identifier::decode(&answer.encode()).unwrap().instances(),
            Some(412)
        );
        answer.set_text(STUDY_INSTANCES, "many");
        assert_eq!(answer.instances(), None);
    }

    #[test]
    fn values_do_not_show_in_debug_output() {
        let question = Identifier::study(&Uid::new("1.2.392"));
        assert!(!format!("{question:?}").contains("392"));
    }

    proptest! {
        #[test]
        fn any_identifier_that_decodes_encodes_to_an_equal_one(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(identifier) = Identifier::decode(&bytes) {
                prop_assert_eq!(Identifier::decode(&identifier.encode()), Ok(identifier));
            }
        }
    }
}

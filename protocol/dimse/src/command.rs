//! Command sets (PS3.7 section 6.3 and annex E): group 0000, Implicit VR Little Endian.

use std::collections::BTreeMap;
use std::fmt;

use crate::element::{Tag, even, put_implicit, read_implicit};
use crate::limits;
use crate::{Status, Uid, Violation};

/// The command field, (0000,0100). A response has the top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field(pub u16);

impl Field {
    /// C-STORE request.
    pub const STORE: Field = Field(0x0001);
    /// C-FIND request.
    pub const FIND: Field = Field(0x0020);
    /// C-ECHO request.
    pub const ECHO: Field = Field(0x0030);
    /// N-EVENT-REPORT request: a storage commitment result.
    pub const EVENT_REPORT: Field = Field(0x0100);
    /// N-ACTION request: asks for storage commitment.
    pub const ACTION: Field = Field(0x0130);
    /// C-CANCEL request; it has no response.
    pub const CANCEL: Field = Field(0x0FFF);

    /// The response to this request.
    pub fn response(self) -> Field {
        Field(self.0 | 0x8000)
    }

    /// True for a response.
    pub fn is_response(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

/// The priority that a C-STORE or C-FIND request carries, (0000,0700). Peers ignore it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// 0000.
    #[default]
    Medium,
    /// 0001.
    High,
    /// 0002.
    Low,
}

/// A peer's own words on a status, (0000,0902). May hold patient data: to be shown to the
/// administrator, never logged; its `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Comment(pub String);

impl fmt::Debug for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Comment(<{} characters>)", self.0.chars().count())
    }
}

/// A command set, request or response. Fields that a command does not have are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is asked or answered.
    pub field: Field,
    /// The id of the request, or of the request that this responds to.
    pub message: u16,
    /// Affected SOP class; of an N-ACTION request the requested one.
    pub sop_class: Uid,
    /// Affected SOP instance; of an N-ACTION request the requested one.
    pub sop_instance: Uid,
    /// The type of an N-ACTION's action or of an N-EVENT-REPORT's event.
    pub kind: Option<u16>,
    /// Priority of a C-STORE or C-FIND request.
    pub priority: Priority,
    /// True when a data set follows.
    pub data_set: bool,
    /// The status, in a response.
    pub status: Option<Status>,
    /// The comment, in a response.
    pub comment: Comment,
}

const GROUP_LENGTH: Tag = Tag(0, 0x0000);
const SOP_CLASS: Tag = Tag(0, 0x0002);
const REQUESTED_CLASS: Tag = Tag(0, 0x0003);
const FIELD: Tag = Tag(0, 0x0100);
const MESSAGE: Tag = Tag(0, 0x0110);
const RESPONDED: Tag = Tag(0, 0x0120);
const PRIORITY: Tag = Tag(0, 0x0700);
const DATA_SET_TYPE: Tag = Tag(0, 0x0800);
const STATUS: Tag = Tag(0, 0x0900);
const COMMENT: Tag = Tag(0, 0x0902);
const SOP_INSTANCE: Tag = Tag(0, 0x1000);
const REQUESTED_INSTANCE: Tag = Tag(0, 0x1001);
const EVENT_TYPE: Tag = Tag(0, 0x1002);
const ACTION_TYPE: Tag = Tag(0, 0x1008);
const NO_DATA_SET: u16 = 0x0101;
const COMMENT_CHARACTERS: usize = 64;

impl Command {
    /// A request without a data set.
    pub fn request(field: Field, message: u16, sop_class: &Uid) -> Self {
        Command {
            field,
            message,
            sop_class: sop_class.clone(),
            sop_instance: Uid::default(),
            kind: None,
            priority: Priority::Medium,
            data_set: false,
            status: None,
            comment: Comment::default(),
        }
    }

    /// The response to `self`, without a data set.
    pub fn respond(&self, status: Status) -> Self {
        Command {
            field: self.field.response(),
            status: Some(status),
            data_set: false,
            priority: Priority::Medium,
            comment: Comment::default(),
            ..self.clone()
        }
    }

    /// The command set's bytes, group length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(192);
        let (class, instance) = match self.field {
            Field::ACTION => (REQUESTED_CLASS, REQUESTED_INSTANCE),
            _ => (SOP_CLASS, SOP_INSTANCE),
        };
        put_uid(&mut body, class, &self.sop_class);
        put_u16(&mut body, FIELD, self.field.0);
        let message = if self.field.is_response() || self.field == Field::CANCEL {
            RESPONDED
        } else {
            MESSAGE
        };
        put_u16(&mut body, message, self.message);
        if self.field == Field::STORE || self.field == Field::FIND {
            put_u16(&mut body, PRIORITY, self.priority.code());
        }
        put_u16(
            &mut body,
            DATA_SET_TYPE,
            if self.data_set { 0 } else { NO_DATA_SET },
        );
        if let Some(status) = self.status {
            put_u16(&mut body, STATUS, status.0);
        }
        put_comment(&mut body, &self.comment);
        put_uid(&mut body, instance, &self.sop_instance);
        if let Some((tag, kind)) = self.kind.and_then(|kind| Some((self.kind_tag()?, kind))) {
            put_u16(&mut body, tag, kind);
        }
        let mut bytes = Vec::with_capacity(body.len() + 12);
        put_implicit(
            &mut bytes,
            GROUP_LENGTH,
            &crate::element::length_of(&body).to_le_bytes(),
        );
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads a command set. Elements of no interest are passed over.
    ///
    /// # Errors
    /// [`Violation::CommandTooLong`] above [`limits::COMMAND`]; [`Violation::MalformedCommand`] when the
    /// elements are cut, outside group 0000, or one that every command has is missing.
    pub fn decode(bytes: &[u8]) -> Result<Self, Violation> {
        if bytes.len() > limits::COMMAND {
            return Err(Violation::CommandTooLong);
        }
        let elements = Fields::read(bytes)?;
        let field = Field(elements.required(FIELD)?);
        let message = match (elements.u16(MESSAGE)?, elements.u16(RESPONDED)?) {
            (Some(message), None) => message,
            (_, Some(responded)) if field.is_response() || field == Field::CANCEL => responded,
            (Some(message), _) => message,
            (None, _) => return Err(Violation::MalformedCommand),
        };
        Ok(Command {
            field,
            message,
            sop_class: elements.either(SOP_CLASS, REQUESTED_CLASS),
            sop_instance: elements.either(SOP_INSTANCE, REQUESTED_INSTANCE),
            kind: elements.u16(EVENT_TYPE)?.or(elements.u16(ACTION_TYPE)?),
            priority: Priority::from_code(elements.u16(PRIORITY)?.unwrap_or(0)),
            data_set: elements.required(DATA_SET_TYPE)? != NO_DATA_SET,
            status: elements.u16(STATUS)?.map(Status),
            comment: elements.comment(),
        })
    }
}

impl Command {
    const fn kind_tag(&self) -> Option<Tag> {
        match self.field.0 & 0x7FFF {
            0x0100 => Some(EVENT_TYPE),
            0x0130 => Some(ACTION_TYPE),
            _ => None,
        }
    }
}

impl Priority {
    fn code(self) -> u16 {
        match self {
            Priority::Medium => 0,
            Priority::High => 1,
            Priority::Low => 2,
        }
    }

    fn from_code(code: u16) -> Self {
        match code {
            1 => Priority::High,
            2 => Priority::Low,
            _ => Priority::Medium,
        }
    }
}

struct Fields<'a>(BTreeMap<Tag, &'a [u8]>);

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Violation> {
        let mut elements = BTreeMap::new();
        for element in read_implicit(bytes) {
            let (tag, value) = element.map_err(|_| Violation::MalformedCommand)?;
            if tag.0 != 0 {
                return Err(Violation::MalformedCommand);
            }
            elements.insert(tag, value);
        }
        Ok(Fields(elements))
    }

    fn u16(&self, tag: Tag) -> Result<Option<u16>, Violation> {
        match self.0.get(&tag) {
            None | Some([]) => Ok(None),
            Some([low, high]) => Ok(Some(u16::from_le_bytes([*low, *high]))),
            Some(_) => Err(Violation::MalformedCommand),
        }
    }

    fn required(&self, tag: Tag) -> Result<u16, Violation> {
        self.u16(tag)?.ok_or(Violation::MalformedCommand)
    }

    fn uid(&self, tag: Tag) -> Uid {
        self.0
            .get(&tag)
            .map(|value| Uid::from_bytes(value))
            .unwrap_or_default()
    }

    fn either(&self, tag: Tag, other: Tag) -> Uid {
        let uid = self.uid(tag);
        if uid.is_empty() { self.uid(other) } else { uid }
    }

    fn comment(&self) -> Comment {
        let value = self.0.get(&COMMENT).copied().unwrap_or_default();
        let text: String = String::from_utf8_lossy(value)
            .chars()
            .take(COMMENT_CHARACTERS)
            .collect();
        Comment(text.trim_end_matches([' ', '\0']).to_owned())
    }
}

fn put_u16(out: &mut Vec<u8>, tag: Tag, value: u16) {
    put_implicit(out, tag, &value.to_le_bytes());
}

fn put_uid(out: &mut Vec<u8>, tag: Tag, uid: &Uid) {
    if !uid.is_empty() {
        put_implicit(out, tag, &uid.to_padded());
    }
}

fn put_comment(out: &mut Vec<u8>, comment: &Comment) {
    if !comment.0.is_empty() {
        let text: String = comment.0.chars().take(COMMENT_CHARACTERS).collect();
        put_implicit(out, COMMENT, &even(text.into_bytes(), b' '));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uid;
    use proptest::prelude::*;

    fn store() -> Command {
        Command {
            sop_instance: Uid::new("1.2.3"),
            data_set: true,
            priority: Priority::High,
            ..Command::request(Field::STORE, 7, &Uid::new(uid::CT_STORAGE))
        }
    }

    #[test]
    fn a_store_request_has_the_bytes_of_the_standard() {
        let echo = Command::request(Field::ECHO, 1, &Uid::new(uid::VERIFICATION)).encode();
        let mut expected = vec![0, 0, 0, 0, 4, 0, 0, 0, 56, 0, 0, 0];
        expected.extend([0, 0, 2, 0, 18, 0, 0, 0]);
        expected.extend(b"1.2.840.10008.1.1\0");
        expected.extend([0, 0, 0, 1, 2, 0, 0, 0, 0x30, 0]);
        expected.extend([0, 0, 0x10, 1, 2, 0, 0, 0, 1, 0]);
        expected.extend([0, 0, 0, 8, 2, 0, 0, 0, 1, 1]);
        assert_eq!(echo, expected);
    }

    #[test]
    fn requests_and_responses_come_back() {
        let request = store();
        assert_eq!(Command::decode(&request.encode()), Ok(request.clone()));
        let mut response = request.respond(Status::OUT_OF_RESOURCES);
        response.comment = Comment("disk full".to_owned());
        assert_eq!(response.field, Field(0x8001));
        assert_eq!(Command::decode(&response.encode()), Ok(response));
    }

    #[test]
    fn an_action_names_what_is_requested_and_its_answer_what_is_affected() {
        let class = Uid::new(uid::STORAGE_COMMITMENT);
        let mut action = Command::request(Field::ACTION, 1, &class);
        action.sop_instance = crate::commitment::INSTANCE.into();
        (action.kind, action.data_set) = (Some(1), true);
        let tags = |bytes: &[u8], tag: [u8; 4]| bytes.windows(4).any(|at| at == tag);
        let bytes = action.encode();
        assert!(tags(&bytes, [0, 0, 3, 0]) && tags(&bytes, [0, 0, 1, 0x10]));
        assert!(tags(&bytes, [0, 0, 8, 0x10]));
        assert_eq!(Command::decode(&bytes), Ok(action.clone()));
        let answer = action.respond(Status::SUCCESS);
        let bytes = answer.encode();
        assert!(tags(&bytes, [0, 0, 2, 0]) && tags(&bytes, [0, 0, 0, 0x10]));
        assert_eq!(Command::decode(&bytes), Ok(answer));
    }

    #[test]
    fn a_command_without_its_field_or_with_another_group_is_malformed() {
        let mut bytes = Vec::new();
        put_u16(&mut bytes, MESSAGE, 1);
        assert_eq!(Command::decode(&bytes), Err(Violation::MalformedCommand));
        let mut foreign = store().encode();
        put_implicit(&mut foreign, Tag(8, 0x18), b"1.2\0");
        assert_eq!(Command::decode(&foreign), Err(Violation::MalformedCommand));
    }

    #[test]
    fn an_overlong_command_is_refused_by_its_length() {
        let bytes = vec![0; limits::COMMAND + 1];
        assert_eq!(Command::decode(&bytes), Err(Violation::CommandTooLong));
    }

    #[test]
    fn a_comment_does_not_show_in_debug_output() {
        let comment = Comment("AHMED^ALI".to_owned());
        assert!(!format!("{comment:?}").contains("AHMED"));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(command) = Command::decode(&bytes) {
                let again = Command::decode(&command.encode());
                prop_assert_eq!(again.map(|again| again.message), Ok(command.message));
            }
        }

        #[test]
        fn a_flipped_byte_changes_the_command_or_is_refused_but_never_panics(
            at in 0usize..120,
            with in any::<u8>(),
        ) {
            let mut bytes = store().encode();
            let index = at % bytes.len();
            bytes[index] = with;
            if let Ok(command) = Command::decode(&bytes) {
                let again = Command::decode(&command.encode());
                prop_assert_eq!(again.map(|again| again.sop_class), Ok(command.sop_class));
            }
        }
    }
}

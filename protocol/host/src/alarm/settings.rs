//! The section `alarm` of both daemons.

use serde::{Deserialize, Serialize};

use crate::config::{Key, Unfit};
use crate::units::{Period, Size};

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmSettings {
    /// `http://HOST[:PORT]/PATH` that is given a JSON object by POST; empty: none.
    pub webhook: String,
    /// The mail relay, `HOST:PORT`.
    pub smtp: String,
    /// Who the mail is from.
    pub from: String,
    /// Who gets mail; none: no mail.
    pub to: Vec<String>,
    /// A study that waits longer, or a clinic that is silent for longer, is an alarm; 0: never.
    pub age: Period,
    /// Less free on the disk is an alarm.
    pub disk: Size,
}

impl Default for AlarmSettings {
    fn default() -> Self {
        Self {
            webhook: String::new(),
            smtp: "localhost:25".to_owned(),
            from: "karez@localhost".to_owned(),
            to: Vec::new(),
            age: Period(24 * 3600 * 1000),
            disk: Size(5 << 30),
        }
    }
}

/// See [`AlarmSettings::webhook`].
pub const WEBHOOK: Key = Key::new(
    "alarm.webhook",
    "\"\"",
    "Where alarms are posted as JSON: http://HOST:PORT/PATH, plain HTTP; without patient data. \
     Empty: nowhere.",
);
/// See [`AlarmSettings::smtp`].
pub const SMTP: Key = Key::new(
    "alarm.smtp",
    "\"localhost:25\"",
    "The mail relay, HOST:PORT; one on this machine or in a trusted network: it is spoken to without TLS.",
);
/// See [`AlarmSettings::from`].
pub const FROM: Key = Key::new(
    "alarm.from",
    "\"karez@localhost\"",
    "Who alarms by mail are from.",
);
/// See [`AlarmSettings::to`].
pub const TO: Key = Key::new("alarm.to", "[]", "Who gets alarms by mail. Empty: nobody.");
/// See [`AlarmSettings::age`].
pub const AGE: Key = Key::new(
    "alarm.age",
    "\"1 d\"",
    "A study that waits longer, or at the hub a clinic that is silent for longer, is an alarm. 0: never.",
);
/// See [`AlarmSettings::disk`].
pub const DISK: Key = Key::new(
    "alarm.disk",
    "\"5 GiB\"",
    "Less than this free on the disk is an alarm.",
);

impl AlarmSettings {
    /// What no type can say.
    ///
    /// # Errors
    /// The key and what is wrong with its value.
    pub fn check(&self) -> Result<(), Unfit> {
        let unfit = |key, message: &str| {
            Err(Unfit {
                key,
                message: message.to_owned(),
            })
        };
        if !self.webhook.is_empty() && super::send::parts(&self.webhook).is_none() {
            return unfit("alarm.webhook", "must be http://HOST:PORT/PATH");
        }
        let odd = |text: &String| {
            !text.contains('@')
                || text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>".contains(c))
        };
        if odd(&self.from) {
            return unfit("alarm.from", "must be a mail address");
        }
        match self.to.iter().any(odd) || self.to.len() > 16 {
            true => unfit("alarm.to", "must be up to 16 mail addresses"),
            false => Ok(()),
        }
    }
}

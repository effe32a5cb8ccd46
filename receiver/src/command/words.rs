//! Commands as they travel over the control socket.

use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// What the engine can be asked. Its name is the request's, its fields the arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    content = "arguments",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
pub enum Command {
    /// The whole status.
    Status {},
    /// The clinics.
    Clinics {},
    /// What needs a person.
    Parked {},
    /// The recovery sheet is in a safe place.
    ConfirmBackup,
    /// Makes the next encryption key.
    RotateKey {},
    /// Writes an invitation.
    Invite {
        /// The clinic's name.
        name: String,
        /// Where the hub is found; none for those of the configuration.
        addresses: Vec<String>,
        /// Whether the clinic's present key is revoked.
        replace: bool,
    },
    /// Other settings from now on; answers the keys that wait for a restart.
    Reload {
        /// All of them.
        settings: Box<Settings>,
    },
    /// What a span of time has brought.
    Report {
        /// Seconds since 1970.
        from: i64,
        /// The same, exclusive.
        to: i64,
    },
    /// Cuts a clinic off.
    Revoke {
        /// Its name.
        name: String,
    },
    /// Says what a clinic may have here.
    Quota {
        /// Its name.
        name: String,
        /// Bytes, 0 for no limit; none for what the settings say.
        bytes: Option<u64>,
    },
    /// Adds a target, or gives it another address.
    TargetAdd {
        /// Its name.
        name: String,
        /// Where and how.
        url: String,
    },
    /// The targets.
    Targets {},
    /// Lets a target rest, or work again.
    TargetPause {
        /// Its name.
        name: String,
        /// Whether it rests.
        paused: bool,
    },
    /// Removes a target.
    TargetRemove {
        /// Its name.
        name: String,
    },
    /// Does something about a parked instance.
    Decide {
        /// The instance, as the list names it.
        item: String,
        /// What.
        decision: Decision,
    },
    /// Hands off again what a target was given since then.
    Resend {
        /// The target.
        target: String,
        /// Seconds since 1970.
        since: i64,
        /// One study only, by its short id.
        study: Option<String>,
    },
    /// Lines of the audit log.
    AuditLines {
        /// Those after the line of this number.
        after: u64,
        /// As DICOM audit messages.
        xml: bool,
    },
    /// Proves the audit log.
    AuditVerify {
        /// Who has seen which head.
        witnesses: Vec<(String, String)>,
    },
}

/// What a person decides about a parked instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is tried once more.
    Retry,
    /// It takes the place of what the target has.
    Release,
    /// The hub gives it up, for this reason; the clinic keeps the original.
    Discard(String),
}

impl Command {
    /// Reads a request of the control socket.
    ///
    /// # Errors
    /// It is none of these.
    pub fn read(name: &str, arguments: &serde_json::Value) -> Result<Self, serde_json::Error> {
        let plain = serde_json::json!({ "command": name });
        let full = serde_json::json!({ "command": name, "arguments": arguments });
        serde_json::from_value(if arguments.is_null() { plain } else { full })
    }

    /// Its name and arguments, as the control socket carries them.
    ///
    /// # Errors
    /// It cannot be written, which no command does.
    pub fn write(&self) -> Result<(String, serde_json::Value), serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        let name = value["command"].as_str().unwrap_or_default().to_owned();
        Ok((name, value["arguments"].take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_the_control_socket() {
        let all = [
            Command::Status {},
            Command::ConfirmBackup,
            Command::Revoke { name: "a".into() },
            Command::Decide {
                item: "b".into(),
                decision: Decision::Discard("why".into()),
            },
            Command::Resend {
                target: "t".into(),
                since: -5,
                study: None,
            },
        ];
        for command in all {
            let (name, arguments) = command.write().unwrap();
            assert_eq!(Command::read(&name, &arguments).unwrap(), command);
        }
        assert!(Command::read("no-such", &serde_json::Value::Null).is_err());
    }
}

//! What can be wrong with a configuration.

use std::fmt;

use super::nearest::nearest;
use super::table::{Key, Unfit};
use crate::exit::Failure;

/// What is wrong, where, and the fix. Every one of them is wrong usage (exit status 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The file is not TOML.
    Syntax {
        /// File and line.
        place: String,
        /// What the parser says.
        message: String,
    },
    /// No such key.
    UnknownKey {
        /// What was written, with its section.
        key: String,
        /// File and line, or which override.
        place: String,
        /// What was perhaps meant.
        nearest: String,
    },
    /// The value has the wrong type or does not fit.
    BadValue {
        /// Whose value, with its section. Empty when the parser does not say.
        key: String,
        /// File and line, or which override.
        place: String,
        /// What it should be.
        message: String,
    },
    /// `--set` without an equals sign.
    NotAnAssignment {
        /// What was given.
        text: String,
    },
}

impl ConfigError {
    pub(super) fn unknown(key: &str, place: &str, keys: &[Key]) -> Self {
        Self::UnknownKey {
            key: key.to_owned(),
            place: place.to_owned(),
            nearest: nearest(key, keys.iter().map(|known| known.path)).to_owned(),
        }
    }

    pub(super) fn bad(key: &str, place: &str, error: &toml::de::Error) -> Self {
        Self::BadValue {
            key: key.to_owned(),
            place: place.to_owned(),
            message: one_line(error.message()),
        }
    }

    pub(super) fn unfit(unfit: &Unfit, place: &str) -> Self {
        Self::BadValue {
            key: unfit.key.to_owned(),
            place: place.to_owned(),
            message: unfit.message.clone(),
        }
    }

    fn failure(&self) -> Failure {
        match self {
            Self::Syntax { place, message } => {
                Failure::usage(format!("the configuration is not TOML: {message}"))
                    .at(place)
                    .fix("Correct that line")
            }
            Self::UnknownKey {
                key,
                place,
                nearest,
            } => Failure::usage(format!("unknown key `{key}`"))
                .at(place)
                .fix(format!("The nearest known key is `{nearest}`")),
            Self::BadValue {
                key,
                place,
                message,
            } => Failure::usage(format!("bad value for `{key}`: {message}"))
                .at(place)
                .fix("Correct the value"),
            Self::NotAnAssignment { text } => {
                Failure::usage(format!("`--set {text}` sets nothing"))
                    .fix("Write `--set key=value`")
            }
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        error.failure()
    }
}

pub(super) fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).collect();
    lines.join(", ")
}

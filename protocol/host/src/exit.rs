//! How a program ends: one sentence with cause, place and fix, and a code that scripts can rely on.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// Why a command did not succeed, as its exit status says it. Success is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 1: the work failed.
    #[default]
    Failed,
    /// 2: wrong usage, a bad configuration among it.
    Usage,
}

impl Code {
    /// The exit status.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
        }
    }
}

/// An error as a person reads it: what happened, where, and what to do next (ARCHITECTURE I9).
///
/// Its three texts never hold patient data. It travels over the control socket as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened, without a full stop.
    pub cause: String,
    /// Where: a file and line, a key, an address. May be empty.
    #[serde(default)]
    pub place: String,
    /// What to do next: a sentence of its own. May be empty when nothing can be done.
    #[serde(default)]
    pub fix: String,
    /// The exit status it leads to.
    #[serde(default)]
    pub code: Code,
}

impl Failure {
    /// A failure of the work (exit status 1).
    #[must_use]
    pub fn new(cause: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            ..Self::default()
        }
    }

    /// Wrong usage (exit status 2).
    #[must_use]
    pub fn usage(cause: impl Into<String>) -> Self {
        Self {
            code: Code::Usage,
            ..Self::new(cause)
        }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = place.to_string();
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.trim_end_matches('.'))?;
        if !self.place.is_empty() {
            write!(f, " ({})", self.place)?;
        }
        if !self.fix.is_empty() {
            write!(f, ". {}", self.fix.trim_end_matches('.'))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// The store writes its errors as `cause; fix`.
impl From<karez_store::Error> for Failure {
    fn from(error: karez_store::Error) -> Self {
        let text = error.to_string();
        let (cause, fix) = text.split_once("; ").unwrap_or((&text, ""));
        let mut fix = fix.to_owned();
        if let Some(first) = fix.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self::new(cause).fix(fix)
    }
}

/// Ends a program: nothing on success, else `PROGRAM: CAUSE (PLACE). FIX` on standard error.
#[must_use]
pub fn finish(program: &str, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(program, &failure);
            ExitCode::from(failure.code.number())
        }
    }
}

/// Prints one failure as [`finish`] does, for commands that go on after it.
pub fn say(program: &str, failure: &Failure) {
    let line = format!("{program}: {failure}.\n");
    // Standard error may be closed; then there is nobody left to tell.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_one_sentence_with_cause_place_and_fix() {
        let failure = Failure::new("no daemon runs here")
            .at("DIR/control.sock")
            .fix("Start it with `karez-sender run`.");
        assert_eq!(
            failure.to_string(),
            "no daemon runs here (DIR/control.sock). Start it with `karez-sender run`"
        );
        assert_eq!(Failure::new("gone.").to_string(), "gone");
    }

    #[test]
    fn an_error_of_the_store_is_told_with_its_fix() {
        let failure = Failure::from(karez_store::Error::Locked);
        assert!(
            failure.cause.ends_with("in use by another process"),
            "{failure}"
        );
        assert!(failure.fix.starts_with("Stop it"), "{failure}");
    }

    #[test]
    fn exit_codes_are_the_contract() {
        assert_eq!(Failure::new("x").code.number(), 1);
        assert_eq!(Failure::usage("x").code.number(), 2);
    }

    #[test]
    fn a_failure_survives_the_control_socket() {
        let failure = Failure::usage("a").at("b").fix("c");
        let json = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<Failure>(&json).unwrap(), failure);
        let bare: Failure = serde_json::from_str(r#"{"cause":"a"}"#).unwrap();
        assert_eq!(bare, Failure::new("a"));
    }
}

//! What the commands of both daemons print.

use serde_json::Value;

use crate::exit::Failure;
use crate::status::{self, Table};

/// Lines as a table.
#[must_use]
pub fn as_text(lines: &[Value]) -> String {
    let columns = [
        ">line", "at", "event", "who", "with", "study", ">count", "detail",
    ];
    let mut table = Table::new(&columns);
    for line in lines {
        let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| line[key].as_u64().unwrap_or(0).to_string();
        table.row([
            number("line"),
            word("at"),
            word("event"),
            word("who"),
            word("party"),
            word("study"),
            number("count"),
            word("detail"),
        ]);
    }
    table.to_string()
}

/// Says whether the chain is whole; a failure with the place of the first break when not.
///
/// # Errors
/// It is broken.
pub fn verdict(answer: &Value, quiet: bool) -> Result<(), Failure> {
    let (checked, text) = (&answer["checked"], |key: &str| {
        answer[key].as_str().unwrap_or_default().to_owned()
    });
    if answer["whole"] != true {
        let line = answer["line"].as_u64().unwrap_or(0);
        return Err(
            Failure::new(format!("the audit log is broken: {}", text("what")))
                .at(format!("line {line} in {}", text("file")))
                .fix("Compare it with a backup and with what clinics have seen"),
        );
    }
    if quiet {
        return Ok(());
    }
    let number = |key: &str| checked[key].as_u64().unwrap_or(0);
    let (first, last, witnessed) = (number("first"), number("last"), number("witnessed"));
    status::print(&format!(
        "lines {first} to {last} are whole; {witnessed} heads that others have seen stand in them\n"
    ))
}

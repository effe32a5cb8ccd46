//! What people read on a terminal: tables, rounded quantities; and JSON for scripts.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::exit::Failure;

/// A table with a heading. Columns are as wide as their widest cell.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Clone, Debug)]
struct Column {
    name: &'static str,
    right: bool,
}

impl Table {
    /// A table with these columns. A name that starts with `>` is aligned to the right, for
    /// numbers.
    #[must_use]
    pub fn new(columns: &[&'static str]) -> Self {
        let column = |name: &&'static str| Column {
            name: name.trim_start_matches('>'),
            right: name.starts_with('>'),
        };
        Self {
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells are empty, control characters are left out.
    pub fn row<T: fmt::Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        let clean = |cell: T| {
            let text = cell.to_string();
            text.chars().filter(|c| !c.is_control()).collect()
        };
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn widths(&self) -> Vec<usize> {
        let width = |(n, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(n));
            let widest = cells.map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(column.name.chars().count())
        };
        self.columns.iter().enumerate().map(width).collect()
    }

    fn line<'a>(&self, widths: &[usize], mut cell: impl FnMut(usize) -> &'a str) -> String {
        let padded = |(n, column): (usize, &Column)| {
            let (text, width) = (cell(n), widths.get(n).copied().unwrap_or(0));
            if column.right {
                format!("{text:>width$}")
            } else {
                format!("{text:<width$}")
            }
        };
        let cells: Vec<String> = self.columns.iter().enumerate().map(padded).collect();
        cells.join("  ").trim_end().to_owned()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let heading = self.line(&widths, |n| self.columns.get(n).map_or("", |c| c.name));
        writeln!(f, "{heading}")?;
        for row in &self.rows {
            let line = self.line(&widths, |n| row.get(n).map_or("", |cell| cell.as_str()));
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// Bytes as people say them: `1.4 GiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    scaled(count, 1024, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// Bits per second as people say them: `64 kbit/s`.
#[must_use]
pub fn rate(bits_per_second: u64) -> String {
    scaled(
        bits_per_second,
        1000,
        &["bit/s", "kbit/s", "Mbit/s", "Gbit/s"],
    )
}

/// A length of time in its two largest units: `3 h 12 min`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    let two = |large: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {lesser}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => two(minutes, "min", rest, "s"),
        (0, _, _) => two(hours, "h", minutes, "min"),
        _ => two(days, "d", hours, "h"),
    }
}

/// Three digits at most, one behind the point below 10.
fn scaled(count: u64, step: u64, units: &[&str]) -> String {
    let (mut factor, mut unit) = (1, 0);
    while count / factor >= step && unit + 1 < units.len() {
        factor *= step;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or("");
    let tenths = u128::from(count) * 10 / u128::from(factor);
    if factor > 1 && tenths < 100 && tenths % 10 != 0 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", tenths / 10)
    }
}

/// Prints text on standard output. A reader that has seen enough (`| head`) is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "the output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Prints one JSON value on a line of its own.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let line = serde_json::to_string(value)
        .map_err(|error| Failure::new(format!("the answer is not JSON: {error}")))?;
    print(&(line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let mut table = Table::new(&["study", ">images", "state"]);
        table.row(["a1b2c3d4", "9", "verified"]);
        table.row(["ffff", "1200", "sto\u{1b}[31mred"]);
        table.row(["short"]);
        let expected = "\
study     images  state
a1b2c3d4       9  verified
ffff        1200  sto[31mred
short
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn quantities_are_rounded_down_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(20 << 30), "20 GiB");
        assert_eq!(bytes(u64::MAX), "16777215 TiB");
        assert_eq!(rate(64_000), "64 kbit/s");
        assert_eq!(rate(1_999_999), "1.9 Mbit/s");
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let said = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(61), "1 min 1 s");
        assert_eq!(said(3 * 3600 + 12 * 60 + 5), "3 h 12 min");
        assert_eq!(said(7 * 86_400 + 59), "7 d");
    }
}

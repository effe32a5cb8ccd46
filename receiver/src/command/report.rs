//! `report`: what a span of days has brought.

use karez_host::cli::Common;
use karez_host::status::Table;
use karez_host::{Failure, status as show};
use serde_json::Value;

use super::args::Report;
use super::{Command, ask};
use karez_host::calendar::day;

const DAY: i64 = 86_400;
const COLUMNS: [&str; 7] = [
    "clinic",
    "target",
    "studies",
    "stored",
    "parked",
    "discarded",
    "open",
];

pub(super) fn report(common: &Common, args: &Report) -> Result<(), Failure> {
    let read = |text: &str| {
        day(text).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no day")).fix("Write it as YYYY-MM-DD")
        })
    };
    let (from, to) = (read(&args.from)?, read(&args.to)? + DAY);
    if from >= to {
        return Err(Failure::usage("the last day is before the first"));
    }
    let answer = ask::ask(common, Command::Report { from, to })?;
    let rows = answer.as_array().map_or(&[][..], Vec::as_slice);
    if args.csv {
        return show::print(&csv(rows));
    }
    let mut table = Table::new(&[
        "clinic",
        "target",
        ">studies",
        ">stored",
        ">parked",
        ">discarded",
        ">open",
    ]);
    for row in rows {
        table.row(COLUMNS.map(|column| cell(&row[column])));
    }
    show::print(&table.to_string())
}

/// RFC 4180: a heading, then one line each.
fn csv(rows: &[Value]) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\r\n";
    let quoted = |value: &Value| match value {
        Value::String(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        number => number.to_string(),
    };
    let head = line(COLUMNS.map(str::to_owned).to_vec());
    let body = rows
        .iter()
        .map(|row| line(COLUMNS.map(|c| quoted(&row[c])).to_vec()));
    std::iter::once(head).chain(body).collect()
}

fn cell(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_as_csv_quotes_names() {
        let row = json!({
            "clinic": "Dal \"1\"", "target": "pacs", "studies": 2, "stored": 9, "parked": 0,
            "discarded": 0, "open": 1,
        });
        assert_eq!(
            csv(&[row]),
            "clinic,target,studies,stored,parked,discarded,open\r\n\"Dal \"\"1\"\"\",\"pacs\",2,9,0,0,1\r\n"
        );
    }
}

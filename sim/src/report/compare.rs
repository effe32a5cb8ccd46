//! Runs side by side.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ReportError;
use super::page::page;
use super::table::Table;
use super::view::{bytes, length, short};

/// Largest file that is read, bytes.
const LARGEST: u64 = 64 << 20;

/// Runs side by side, one column each.
pub struct Compared(Table);

/// How a figure is written.
#[derive(Clone, Copy)]
enum Kind {
    Word,
    Count,
    Bytes,
    Share,
    Time,
}

/// Keys of `run --json` and `bench --json`, as paths, and what they are called here.
const FIGURES: [(&str, &str, Kind); 32] = [
    ("profile", "profile", Kind::Word),
    ("seed", "seed", Kind::Count),
    ("sites", "sites", Kind::Count),
    ("simulated_s", "simulated", Kind::Time),
    ("wall_s", "took", Kind::Time),
    ("link_up_s", "line up", Kind::Time),
    ("capacity_bytes", "could carry up", Kind::Bytes),
    ("payload_bytes", "payload delivered", Kind::Bytes),
    ("goodput_share", "of what it could carry", Kind::Share),
    ("wire_bytes_up", "on the wire up", Kind::Bytes),
    ("wire_bytes_down", "on the wire down", Kind::Bytes),
    ("resent_bytes", "sent again for nothing", Kind::Bytes),
    ("disconnects", "connections made again", Kind::Count),
    (
        "resume_idle_s/p50",
        "back after an outage, median",
        Kind::Time,
    ),
    (
        "resume_idle_s/p95",
        "back after an outage, 95 %",
        Kind::Time,
    ),
    ("queue_s/p95", "wait in the queue, 95 %", Kind::Time),
    ("queue_s/max", "wait in the queue, longest", Kind::Time),
    ("stat_s/n", "STAT there", Kind::Count),
    ("stat_s/wall/p50", "STAT, median", Kind::Time),
    ("stat_s/wall/p95", "STAT, 95 % within", Kind::Time),
    (
        "stat_s/link_up/p95",
        "STAT, 95 % within, line up",
        Kind::Time,
    ),
    ("urgent_s/wall/p50", "URGENT, median", Kind::Time),
    ("urgent_s/wall/p95", "URGENT, 95 % within", Kind::Time),
    ("routine_s/wall/p50", "ROUTINE, median", Kind::Time),
    ("routine_s/wall/p95", "ROUTINE, 95 % within", Kind::Time),
    ("instances/accepted", "instances accepted", Kind::Count),
    ("instances/stored", "at the archive", Kind::Count),
    ("instances/parked", "waiting for a person", Kind::Count),
    ("instances/lost", "lost", Kind::Count),
    ("instances/doubled", "doubled", Kind::Count),
    ("instances/altered", "altered", Kind::Count),
    ("kills", "hard kills", Kind::Count),
];

/// Keys without which an object is no run.
const NEEDED: [&str; 4] = ["profile", "seed", "payload_bytes", "goodput_share"];

/// Reads what `run --json` or `bench --json` printed into each file, and lays it side by side.
/// Figures carry their ratio to the first file's where both are numbers.
///
/// # Errors
/// Names the file, what is wrong with it, and what to do.
pub fn compare(files: &[PathBuf]) -> Result<Compared, ReportError> {
    let runs = files.iter().map(|file| Ok((name(file), read(file)?)));
    let runs = runs.collect::<Result<Vec<(String, Value)>, ReportError>>()?;
    let heads = std::iter::once("figure".to_owned()).chain(runs.iter().map(|run| run.0.clone()));
    let row = |(path, word, kind): &(&str, &str, Kind)| {
        let values: Vec<Option<&Value>> = runs.iter().map(|run| find(&run.1, path)).collect();
        let first = values.first().copied().flatten().and_then(Value::as_f64);
        let cells = values.iter().enumerate().map(|(index, value)| {
            let against = first.filter(|_| index > 0);
            value.map_or_else(|| "-".into(), |value| cell(value, *kind, against))
        });
        let any = values.iter().any(Option::is_some);
        any.then(|| std::iter::once((*word).to_owned()).chain(cells).collect())
    };
    Ok(Compared(Table {
        heads: heads.collect(),
        rows: FIGURES.iter().filter_map(row).collect(),
    }))
}

impl Compared {
    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.text()
    }

    /// As a page of its own.
    #[must_use]
    pub fn html(&self) -> String {
        let body = "<h1>Runs side by side</h1>\n<p>Behind a figure: its ratio to that of the first run.</p>\n";
        page("Runs side by side", &format!("{body}{}", self.0.html()))
    }
}

fn name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or(file.as_os_str());
    stem.to_string_lossy().into_owned()
}

fn find<'a>(run: &'a Value, path: &str) -> Option<&'a Value> {
    let pointer = format!("/{path}");
    run.pointer(&pointer).filter(|value| !value.is_null())
}

fn read(file: &Path) -> Result<Value, ReportError> {
    let wrong = |problem: String, fix: &str| ReportError::Compare {
        path: file.display().to_string(),
        problem,
        fix: fix.into(),
    };
    let make = "write it with `karez-sim run ... --json > FILE`";
    let size = std::fs::metadata(file).map_err(|e| wrong(format!("cannot be read ({e})"), make))?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(wrong("is no file of at most 64 MiB".into(), make));
    }
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|e| wrong(format!("cannot be read ({e})"), make))?;
    // The object may be the last of several lines, or the whole file.
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let line: Result<Value, _> = serde_json::from_str(last.unwrap_or_default());
    let run = line.or_else(|_| serde_json::from_str(&text));
    let run: Value =
        run.map_err(|e| wrong(format!("holds no JSON object of a run ({e})"), make))?;
    match NEEDED.iter().find(|key| find(&run, key).is_none()) {
        Some(key) => Err(wrong(
            format!("is not the JSON of a run: `{key}` is missing"),
            make,
        )),
        None => Ok(run),
    }
}

fn cell(value: &Value, kind: Kind, first: Option<f64>) -> String {
    let Some(number) = value.as_f64() else {
        return value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
    };
    let text = match kind {
        Kind::Word => value.to_string(),
        Kind::Count => return value.to_string(),
        Kind::Bytes => bytes(number),
        Kind::Share => format!("{} %", short(number * 100.0)),
        Kind::Time => length(number),
    };
    match first.filter(|first| *first > 0.0 && number > 0.0) {
        Some(first) => format!("{text} ({:.2}x)", number / first),
        None => text,
    }
}

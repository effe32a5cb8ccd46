//! What a person sees of a demo.

use std::fmt::Write as _;
use std::time::Duration;

use karez_host::status::bytes;
use karez_sender::Status;

use super::script::Timeline;
use super::world::World;
use super::{Report, Script};

const BAR: usize = 24;

/// One line: the link, and a bar per study.
pub(super) fn progress(
    script: &Script,
    timeline: &Timeline,
    status: &Status,
    world: &World,
) -> String {
    let mut line = String::from(if world.link_is_up() {
        "link up  "
    } else {
        "LINK DOWN"
    });
    for (given, (study, _, stored)) in script.studies.iter().zip(&timeline.studies) {
        let shown = status.studies.iter().find(|s| s.study == *study);
        let (got, all) = shown.map_or((0, 0), |s| (s.bytes_received, s.bytes_sealed));
        let filled = if stored.is_some() {
            BAR
        } else {
            share(got, all)
        };
        let state = if stored.is_some() {
            "stored".to_owned()
        } else {
            format!("{} of {}", bytes(got), bytes(all))
        };
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "  {} [{}{}] {state}",
            given.name,
            "#".repeat(filled),
            ".".repeat(BAR - filled)
        );
    }
    line
}

fn share(part: u64, whole: u64) -> usize {
    let filled = part.saturating_mul(BAR as u64) / whole.max(1);
    usize::try_from(filled).unwrap_or(0).min(BAR)
}

/// The table that a demo ends with.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    let row = |out: &mut String, cells: [&str; 7]| {
        let [name, class, files, size, at, after, verdict] = cells;
        let _ = writeln!(
            out,
            "{name:<14}{class:<9}{files:>6}{size:>11}{at:>12}{after:>15}  {verdict}"
        );
    };
    row(
        &mut out,
        [
            "study",
            "class",
            "files",
            "size",
            "stored at",
            "stored after",
            "identical",
        ],
    );
    for study in &report.studies {
        let verdict = match (study.identical == study.files, study.stored_at) {
            (true, Some(_)) => "yes, every byte".to_owned(),
            (true, None) => "yes, but no receipt".to_owned(),
            (false, _) => format!("NO: {} of {} files", study.identical, study.files),
        };
        let files = study.files.to_string();
        let (at, after) = (seconds(study.stored_at), seconds(study.stored_after));
        row(
            &mut out,
            [
                &study.name,
                &study.class,
                &files,
                &bytes(study.bytes),
                &at,
                &after,
                &verdict,
            ],
        );
    }
    if let Some((second, first)) = report.overtaking() {
        let _ = writeln!(
            out,
            "\nThe {} ({}) came after the {} ({}) and was stored before it.",
            second.name, second.class, first.name, first.class
        );
    }
    for (reason, count) in &report.parked {
        let _ = writeln!(out, "\nThe hub keeps {count} for a person: {reason}.");
    }
    let sum: u64 = report.studies.iter().map(|s| s.bytes).sum();
    let _ = writeln!(
        out,
        "\n{} of images took {} up and {} down on the air, in {:.0} s with {} outages.",
        bytes(sum),
        bytes(report.wire_up),
        bytes(report.wire_down),
        report.took.as_secs_f64(),
        report.outages
    );
    out
}

fn seconds(span: Option<Duration>) -> String {
    span.map_or_else(
        || "never".to_owned(),
        |s| format!("{:.1} s", s.as_secs_f64()),
    )
}

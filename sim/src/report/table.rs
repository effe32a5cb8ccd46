//! Figures as tables of words.

use super::view::{bytes, length, short};
use crate::run::{Outcome, SiteTimeline, Waits};

/// A table.
pub(super) struct Table {
    /// The words above each column.
    pub(super) heads: Vec<String>,
    /// The cells, row by row.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    fn of(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Self {
        Self {
            heads: heads.iter().map(|head| (*head).to_owned()).collect(),
            rows: rows.collect(),
        }
    }

    /// As HTML; numbers stand to the right.
    pub(super) fn html(&self) -> String {
        let cells = |kind: &str, row: &[String]| -> String {
            let cell = |text: &String| format!("<{kind}>{}</{kind}>", escape(text));
            format!("<tr>{}</tr>\n", row.iter().map(cell).collect::<String>())
        };
        let body: String = self.rows.iter().map(|row| cells("td", row)).collect();
        format!(
            "<div class=\"wide\"><table>\n{}{body}</table></div>\n",
            cells("th", &self.heads)
        )
    }

    /// As text, columns padded.
    pub(super) fn text(&self) -> String {
        let all = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let padded = cells.map(|(index, (cell, width))| match index {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            });
            format!("{}\n", padded.collect::<String>().trim_end())
        };
        all().map(line).collect()
    }
}

/// What HTML would take for markup.
pub(super) fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// What each site was worth and what it cost, and the sum.
pub(super) fn sites(outcome: &Outcome) -> Table {
    let heads = [
        "site",
        "profile",
        "line up",
        "could carry up",
        "sent up",
        "sent down",
        "at the archive",
        "on the wire per byte delivered",
        "rupees",
        "rupees per MB delivered",
        "hard kills",
    ];
    let sites = &outcome.timeline.sites;
    let mut rows: Vec<Vec<String>> = sites.iter().map(|site| row(site, outcome)).collect();
    if sites.len() > 1 {
        rows.push(row(&sum(sites), outcome));
    }
    Table::of(&heads, rows.into_iter())
}

fn row(site: &SiteTimeline, outcome: &Outcome) -> Vec<String> {
    let wire = site.wire_bytes_up + site.wire_bytes_down;
    let stored = site.stored_bytes as f64;
    let per_byte = |x: f64| if stored > 0.0 { short(x) } else { "-".into() };
    let rupees = site.rupees;
    vec![
        site.name.clone(),
        site.profile.clone(),
        format!(
            "{} %",
            short(site.link_up_s / outcome.simulated_s.max(1.0) * 100.0)
        ),
        bytes(site.capacity_bytes as f64),
        bytes(site.wire_bytes_up as f64),
        bytes(site.wire_bytes_down as f64),
        bytes(stored),
        per_byte(wire as f64 / stored),
        rupees.map_or_else(
            || "unmetered".into(),
            |rupees| format!("Rs {}", short(rupees)),
        ),
        rupees.map_or_else(|| "-".into(), |rupees| per_byte(rupees / (stored / 1e6))),
        site.kills.to_string(),
    ]
}

fn sum(sites: &[SiteTimeline]) -> SiteTimeline {
    let total = |get: fn(&SiteTimeline) -> u64| sites.iter().map(get).sum();
    let prices = sites.iter().filter_map(|site| site.rupees);
    SiteTimeline {
        name: "all".into(),
        rupees: sites
            .iter()
            .any(|site| site.rupees.is_some())
            .then(|| prices.sum()),
        wire_bytes_up: total(|site| site.wire_bytes_up),
        wire_bytes_down: total(|site| site.wire_bytes_down),
        stored_bytes: total(|site| site.stored_bytes),
        capacity_bytes: total(|site| site.capacity_bytes),
        kills: total(|site| site.kills),
        link_up_s: sites.iter().map(|site| site.link_up_s).sum::<f64>() / sites.len() as f64,
        ..SiteTimeline::default()
    }
}

/// How long each class took.
pub(super) fn classes(outcome: &Outcome) -> Table {
    let heads = [
        "class",
        "at the archive",
        "waiting",
        "median",
        "95 % within",
        "longest",
        "median, line up",
        "95 % within, line up",
        "longest, line up",
    ];
    let classes = [
        ("STAT", &outcome.stat_s),
        ("URGENT", &outcome.urgent_s),
        ("ROUTINE", &outcome.routine_s),
        ("BULK", &outcome.bulk_s),
    ];
    let there = classes
        .into_iter()
        .filter(|(_, waits)| waits.n + waits.waiting > 0);
    Table::of(&heads, there.map(|(name, waits)| class(name, waits)))
}

fn class(name: &str, waits: &Waits) -> Vec<String> {
    let time = |s: f64| if waits.n > 0 { length(s) } else { "-".into() };
    let (wall, up) = (&waits.wall, &waits.link_up);
    let times = [wall.p50, wall.p95, wall.max, up.p50, up.p95, up.max].map(time);
    let counts = [
        name.to_owned(),
        waits.n.to_string(),
        waits.waiting.to_string(),
    ];
    counts.into_iter().chain(times).collect()
}

/// The figures of a run that need no table.
pub(super) fn figures(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let i = &outcome.instances;
    let wrong = format!(
        "{} lost, {} doubled, {} altered",
        i.lost, i.doubled, i.altered
    );
    vec![
        ("instances accepted", i.accepted.to_string()),
        ("at the archive", i.stored.to_string()),
        ("against the promise", wrong),
        ("waiting for a person", i.parked.to_string()),
        (
            "line up",
            format!("{} %", short(outcome.link_up_share * 100.0)),
        ),
        (
            "of what the line could carry",
            format!("{} %", short(outcome.goodput_share * 100.0)),
        ),
        ("sent again for nothing", bytes(outcome.resent_bytes as f64)),
        (
            "back after an outage, median",
            length(outcome.resume_idle_s.p50),
        ),
        ("wait in the queue, 95 %", length(outcome.queue_s.p95)),
        ("connections made again", outcome.disconnects.to_string()),
        ("hard kills of the box", outcome.kills.to_string()),
    ]
}

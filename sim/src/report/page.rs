//! The page: words, pictures, tables, in one file that fetches nothing.

use std::fmt::Write;

use super::ReportError;
use super::panels::Panel;
use super::picture::svg;
use super::table::{classes, escape, figures, sites};
use super::view::{length, short};
use crate::run::Outcome;

/// The page's own style, light and dark.
pub(super) const STYLE: &str = "
:root { color-scheme: light dark; --ink: #22262a; --paper: #ffffff; --line: #d5d9dd; --soft: #5d656d; --card: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #16191c; --line: #3a4046; --soft: #a2a9b0; --card: #20252a; } }
body { font: 16px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1040px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, figcaption { color: var(--soft); margin: .3rem 0 1rem; } figure { margin: 1.5rem 0; } svg { display: block; max-width: 100%; height: auto; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: .6rem; margin: 1rem 0; }
.cards div { background: var(--card); border-radius: 8px; padding: .6rem .8rem; } .cards b { display: block; font-size: 1.15rem; } .cards span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; } th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; } th:first-child, td:first-child { text-align: left; } code { font-size: .8rem; overflow-wrap: anywhere; }
";

/// The report of a run as one HTML page: no script, nothing from elsewhere.
///
/// # Errors
/// Says which picture could not be drawn.
pub fn html(outcome: &Outcome) -> Result<String, ReportError> {
    let title = format!("{}, seed {}", outcome.profile, outcome.seed);
    let mut body = format!(
        "<h1>{}</h1>\n<p>{} simulated in {} with the shipped sender and receiver; {} site{}. \
         The link is calibrated to published reports of outages and load-shedding, with packet \
         behaviour borrowed from other networks.</p>\n",
        escape(&title),
        length(outcome.simulated_s),
        length(outcome.wall_s),
        outcome.sites,
        if outcome.sites == 1 { "" } else { "s" },
    );
    body += &cards(outcome);
    for panel in Panel::ALL {
        let (picture, caption) = (svg(panel, outcome)?, panel.caption());
        // Writing into a string cannot fail.
        let _ = writeln!(
            body,
            "<figure>{picture}<figcaption>{caption}</figcaption></figure>"
        );
    }
    let _ = writeln!(
        body,
        "<h2>From arrival to the archive</h2>\n{}",
        classes(outcome).html()
    );
    let _ = writeln!(
        body,
        "<h2>Sites, bytes and rupees</h2>\n{}<p>Delivered bytes are those of the instances at the archive. On the wire count \
         IP bytes both ways. Rupees are those of the profile's bundle for the months begun, with what lies beyond it.</p>",
        sites(outcome).html()
    );
    let _ = writeln!(
        body,
        "<p>Trace <code>{}</code>: the same seed gives the same.</p>",
        escape(&outcome.trace_hash)
    );
    Ok(page(&title, &body))
}

/// A whole page around a body.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

fn cards(outcome: &Outcome) -> String {
    let mut cards = figures(outcome);
    let wire = (outcome.wire_bytes_up + outcome.wire_bytes_down) as f64;
    let stored: u64 = outcome
        .timeline
        .sites
        .iter()
        .map(|site| site.stored_bytes)
        .sum();
    if stored > 0 {
        cards.push((
            "bytes on the wire per byte delivered",
            short(wire / stored as f64),
        ));
    }
    let card = |(word, figure): &(&str, String)| {
        format!(
            "<div><b>{}</b><span>{}</span></div>\n",
            escape(figure),
            escape(word)
        )
    };
    format!(
        "<div class=\"cards\">\n{}</div>\n",
        cards.iter().map(card).collect::<String>()
    )
}

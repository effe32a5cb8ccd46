//! The table of studies.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{For, actions, class_word, more};
use crate::limits::PAGE_STUDIES;
use crate::page::view::{Lamp, Left, Row, View};
use crate::page::words::{Say, Word};

/// Names by studies' short names, for who may see them.
pub(in crate::page) type Names = BTreeMap<String, String>;

pub(super) fn table(to: For<'_>, view: &View, names: &Names) -> Markup {
    if view.studies.is_empty() {
        return html! { p { (to.word(Word::NoStudies)) } };
    }
    html! {
        table {
            thead {
                tr {
                    th scope="col" { (to.word(Word::Study)) }
                    @for column in &view.columns { th scope="col" { (to.say(column)) } }
                    th scope="col" { (to.word(Word::Left)) }
                    @if to.session.is_some() { th scope="col" { (to.word(Word::Actions)) } }
                }
            }
            tbody {
                @for row in view.studies.iter().take(PAGE_STUDIES) { (study(to, view, row, names)) }
            }
        }
        (more(to, view.studies.len(), PAGE_STUDIES))
    }
}

fn study(to: For<'_>, view: &View, row: &Row, names: &Names) -> Markup {
    let name = names.get(&row.study);
    let class = format!("class {}", row.class);
    html! {
        tr id={ "s-" (row.study) } {
            th scope="row" {
                @if let Some(name) = name { bdi { (name) } br; }
                @for (n, what) in row.what.iter().enumerate() {
                    @if n > 0 { " · " }
                    (to.say(what))
                }
                " " span class=(class) { (to.word(class_word(row.class))) }
                small {
                    @if let Some(at) = row.arrived {
                        (to.say(&Say::Word(Word::ArrivedAt, vec![Say::As(local(at, view.utc_offset))]))) " · "
                    }
                    bdi { (row.study) }
                    @if let Some(note) = &row.note { " · " (to.say(note)) }
                }
            }
            @for (column, lamp) in view.columns.iter().zip(&row.lamps) {
                (cell(to, &column.text(to.language), *lamp))
            }
            td data-label=(to.word(Word::Left)) { (to.say(&left(row.left))) }
            @if to.session.is_some() {
                td data-label=(to.word(Word::Actions)) { (actions(to, &row.actions, &format!("s-{}", row.study))) }
            }
        }
    }
}

/// The symbol carries the meaning, and words say it too; colour never alone.
fn cell(to: For<'_>, column: &str, lamp: Lamp) -> Markup {
    let (class, symbol, said) = match lamp {
        Lamp::Empty => ("lamp", "○", Say::word(Word::NotYet)),
        Lamp::Part(percent) => (
            "lamp part",
            "◐",
            Say::Word(Word::Percent, vec![Say::number(percent.into())]),
        ),
        Lamp::Full => ("lamp full", "✓", Say::word(Word::Yes)),
        Lamp::Trouble => ("lamp trouble", "!", Say::word(Word::Trouble)),
    };
    html! {
        td class=(class) data-label=(column) { b aria-hidden="true" { (symbol) } " " (to.say(&said)) }
    }
}

fn left(left: Left) -> Say {
    match left {
        Left::Nothing => Say::word(Word::Done),
        Left::Over => Say::As("–".to_owned()),
        Left::About(seconds) => Say::Word(Word::About, vec![Say::Span(seconds)]),
        Left::Unknown => Say::word(Word::Unknown),
    }
}

/// `DD.MM. HH:MM` in local time.
fn local(at: i64, offset: i64) -> String {
    let at = at.saturating_add(offset);
    let (day, second) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    let (_, month, day) = crate::page::calendar(day);
    format!(
        "{:02}:{:02}, {day}.{month}.",
        second / 3600,
        second / 60 % 60
    )
}

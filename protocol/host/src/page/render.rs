//! A view as HTML.

use karez_protocol::priority::Class;
use maud::{DOCTYPE, Markup, html};

use super::session::Session;
use super::view::{Action, Banner, ClinicRow, Mood, Need, Ribbon, View};
use super::words::{Language, Say, Word};
use crate::limits::{PAGE_CLINICS, PAGE_NEEDS};
use crate::status;

mod forms;
mod studies;

pub(super) use forms::{login, sure};
pub(super) use studies::Names;

/// What a page is drawn for.
#[derive(Clone, Copy)]
pub(super) struct For<'a> {
    pub(super) language: Language,
    pub(super) session: Option<&'a Session>,
}

impl For<'_> {
    fn word(self, word: Word) -> &'static str {
        word.text(self.language)
    }

    /// Text; what is English on another page is marked so that it is read and laid out as such.
    fn say(self, say: &Say) -> Markup {
        let text = say.text(self.language);
        match say.is_english() && self.language != Language::En {
            true => html! { span lang="en" dir="ltr" { (text) } },
            false => html! { (text) },
        }
    }

    fn english(self, text: &str) -> Markup {
        self.say(&Say::English(text.to_owned()))
    }
}

/// The whole page.
pub(super) fn page(to: For<'_>, view: &View, names: &Names) -> String {
    let body = html! {
        @if let Some(said) = to.session.and_then(|s| s.said.as_ref()) {
            p.said role="status" { (to.say(said)) }
        }
        div #live { (live(to, view, names)) }
    };
    frame(to, view, &body, true)
}

/// The parts of it that change.
pub(super) fn live(to: For<'_>, view: &View, names: &Names) -> Markup {
    html! {
        div #top data-live { (banner(to, &view.banner)) }
        section #now data-live aria-labelledby="now-h" {
            h2 #now-h { (to.word(Word::Now)) }
            (figures(to, view))
        }
        section #needs data-live aria-labelledby="needs-h" {
            h2 #needs-h { (to.word(Word::NeedsAPerson)) }
            (needs(to, &view.needs))
        }
        section #studies data-live aria-labelledby="studies-h" tabindex="-1" {
            h2 #studies-h { (to.word(Word::Studies)) }
            (studies::table(to, view, names))
        }
        @if view.hub {
            section #clinics data-live aria-labelledby="clinics-h" {
                h2 #clinics-h { (to.word(Word::Clinics)) }
                (clinics(to, &view.clinics))
            }
        }
    }
}

/// A page around `body`.
pub(super) fn frame(to: For<'_>, view: &View, body: &Markup, fresh: bool) -> String {
    let kind = to.word(if view.hub {
        Word::HubPage
    } else {
        Word::ClinicPage
    });
    let page = html! {
        (DOCTYPE)
        html lang=(to.language.tag()) dir=(to.language.direction()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (kind) " · " (view.name) }
                link rel="stylesheet" href="/page.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                @if fresh {
                    script src="/live.js" defer {}
                    noscript { meta http-equiv="refresh" content="15"; }
                }
            }
            body {
                a.skip href="#studies" { (to.word(Word::SkipTo)) }
                header {
                    h1 { (kind) " · " bdi { (view.name) } }
                    (navigation(to, view.hub))
                }
                main {
                    p.lost role="alert" { (to.word(Word::LostDaemon)) }
                    (body)
                }
            }
        }
    };
    page.into_string()
}

/// A hub opens no names: they are sealed to the clinic's desk key.
fn navigation(to: For<'_>, hub: bool) -> Markup {
    html! {
        nav aria-label=(to.word(Word::LanguageName)) {
            @for other in Language::ALL.iter().filter(|l| **l != to.language) {
                a href={ "/language/" (other.tag()) } lang=(other.tag()) hreflang=(other.tag()) { (other.name()) }
            }
            @if let Some(session) = to.session {
                span { (to.say(&Say::Word(Word::LoggedInAs, vec![Say::As(session.user.clone())]))) }
                @if session.desk.is_some() && !hub {
                    @let names = if session.names { Word::HideNames } else { Word::ShowNames };
                    (post(to, "/names", html! { button #names { (to.word(names)) } }))
                }
                (post(to, "/logout", html! { button #logout { (to.word(Word::Logout)) } }))
            } @else {
                a.button href="/login" #login { (to.word(Word::Login)) }
            }
        }
    }
}

/// A form that brings the session's token back.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is made for this one call"
)]
fn post(to: For<'_>, path: &str, inner: Markup) -> Markup {
    html! {
        form method="post" action=(path) {
            @if let Some(session) = to.session { input type="hidden" name="csrf" value=(session.csrf); }
            (inner)
        }
    }
}

fn banner(to: For<'_>, banner: &Banner) -> Markup {
    let (class, symbol) = match banner.mood {
        Mood::Good => ("banner", "✓"),
        Mood::Busy => ("banner busy", "➜"),
        Mood::Bad => ("banner bad", "!"),
    };
    html! {
        div class=(class) role="status" {
            p { span aria-hidden="true" { (symbol) " " } (to.say(&banner.text)) }
            @if !banner.detail.is_empty() { p.detail { (to.english(&banner.detail)) } }
        }
    }
}

fn figures(to: For<'_>, view: &View) -> Markup {
    html! {
        dl.figures {
            @for (name, value) in &view.figures {
                div { dt { (to.word(*name)) } dd { (to.say(value)) } }
            }
        }
        @if let Some(ribbon) = view.ribbon.as_ref().filter(|r| r.watched_s > 0) { (strip(to, ribbon)) }
        (actions(to, &view.actions, "all"))
    }
}

/// The line's last day: full, hatched and empty marks, and the same in words.
fn strip(to: For<'_>, ribbon: &Ribbon) -> Markup {
    let said = Say::Word(
        Word::LineUp,
        vec![Say::Span(ribbon.up_s), Say::Span(ribbon.watched_s)],
    );
    html! {
        p.small #line-h { (to.word(Word::Line24)) ": " (to.say(&said)) }
        div.ribbon role="img" aria-labelledby="line-h" {
            @for slot in &ribbon.slots {
                @match slot {
                    None => i {},
                    Some(0) => i.down {},
                    Some(99..) => i.up {},
                    Some(_) => i.some {},
                }
            }
        }
    }
}

fn needs(to: For<'_>, needs: &[Need]) -> Markup {
    html! {
        @if needs.is_empty() { p { (to.word(Word::NothingNeeds)) } }
        ul.cards {
            @for (n, need) in needs.iter().take(PAGE_NEEDS).enumerate() {
                li {
                    p { span aria-hidden="true" { "! " } (to.say(&need.reason)) }
                    p.small {
                        bdi { (need.item) } " · " (to.english(&need.owner))
                        @if !need.advice.is_empty() { " · " (to.english(&need.advice)) }
                    }
                    (actions(to, &need.actions, &format!("need{n}")))
                }
            }
        }
        (more(to, needs.len(), PAGE_NEEDS))
    }
}

fn clinics(to: For<'_>, clinics: &[ClinicRow]) -> Markup {
    let columns = [
        Word::Clinic,
        Word::Line,
        Word::LastHeard,
        Word::Open,
        Word::Missing,
    ];
    html! {
        table {
            thead { tr { @for column in columns { th scope="col" { (to.word(column)) } } } }
            tbody {
                @for clinic in clinics.iter().take(PAGE_CLINICS) {
                    tr {
                        th scope="row" { bdi { (clinic.name) } }
                        td data-label=(to.word(Word::Line)) { @if let Some(line) = clinic.line { (to.word(line)) } }
                        td data-label=(to.word(Word::LastHeard)) { @if let Some(s) = clinic.heard_s { (to.say(&Say::Span(s))) } }
                        td data-label=(to.word(Word::Open)) { (clinic.open) }
                        td data-label=(to.word(Word::Missing)) { bdi { (status::bytes(clinic.missing)) } }
                    }
                }
            }
        }
        (more(to, clinics.len(), PAGE_CLINICS))
    }
}

fn more(to: For<'_>, all: usize, shown: usize) -> Markup {
    let hidden = all.saturating_sub(shown) as u64;
    html! { @if hidden > 0 { p { (to.say(&Say::Word(Word::More, vec![Say::number(hidden)]))) } } }
}

/// Buttons, for who may press them; `place` keeps their ids apart.
fn actions(to: For<'_>, actions: &[Action], place: &str) -> Markup {
    let Some(session) = to.session else {
        return html! {};
    };
    let may = |action: &&Action| !action.verb.needs_admin() || session.role == super::Role::Admin;
    html! {
        div.acts {
            @for action in actions.iter().filter(may) {
                @let id = format!("{place}-{}", action.verb.name());
                @if action.verb.asks_why() {
                    a.button id=(id) href={ "/sure/" (action.verb.name()) "/" (action.item) } { (to.word(action.verb.word())) }
                } @else {
                    (post(to, "/act", html! {
                        input type="hidden" name="verb" value=(action.verb.name());
                        input type="hidden" name="item" value=(action.item);
                        button id=(id) { (to.word(action.verb.word())) }
                    }))
                }
            }
        }
    }
}

const fn class_word(class: Class) -> Word {
    match class {
        Class::Stat => Word::Stat,
        Class::Urgent => Word::Urgent,
        Class::Routine => Word::Routine,
        Class::Bulk => Word::Bulk,
    }
}

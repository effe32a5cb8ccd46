//! Pages with a form: logging in, and being sure.

use maud::html;

use super::{For, frame, post};
use crate::page::users::PASSWORD_MAX;
use crate::page::view::{Verb, View};
use crate::page::words::{Say, Word};

/// The page to log in on.
pub(in crate::page) fn login(to: For<'_>, view: &View, problem: Option<Word>) -> String {
    let body = html! {
        section.box aria-labelledby="h" {
            h2 #h { (to.word(Word::Login)) }
            @if let Some(problem) = problem { p role="alert" { "! " (to.word(problem)) } }
            form method="post" action="/login" {
                label { (to.word(Word::Name)) input type="text" name="name" autocomplete="username" required autofocus maxlength="32"; }
                label { (to.word(Word::Password)) input type="password" name="password" autocomplete="current-password" required maxlength=(PASSWORD_MAX); }
                div.acts {
                    button.first #go { (to.word(Word::Login)) }
                    a.button href="/" { (to.word(Word::Back)) }
                }
            }
        }
    };
    frame(to, view, &body, false)
}

/// The page that asks for a reason.
pub(in crate::page) fn sure(to: For<'_>, view: &View, verb: Verb, item: &str) -> String {
    let (question, why) = match verb {
        Verb::Discard => (Word::SureDiscard, Word::WhyDiscard),
        _ => (Word::SureWithdraw, Word::WhyWithdraw),
    };
    let reasons = [Word::WrongPatient, Word::SentTwice, Word::OtherReason];
    let form = html! {
        input type="hidden" name="verb" value=(verb.name());
        input type="hidden" name="item" value=(item);
        fieldset {
            legend { (to.word(Word::Reason)) }
            @for (n, reason) in reasons.iter().enumerate() {
                label.choice { input type="radio" name="reason" value=(reason.text(super::Language::En)) checked[n == 0]; (to.word(*reason)) }
            }
            label { (to.word(Word::OtherReason)) input type="text" name="other" maxlength="200"; }
        }
        div.acts {
            button.first #go { (to.word(verb.word())) }
            a.button href="/" { (to.word(Word::Back)) }
        }
    };
    let body = html! {
        section.box aria-labelledby="h" {
            h2 #h { (to.say(&Say::Word(question, vec![Say::As(item.to_owned())]))) }
            p { (to.word(why)) }
            (post(to, "/act", form))
        }
    };
    frame(to, view, &body, false)
}

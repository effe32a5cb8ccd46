//! Alarms to people who do not look at the page: by webhook and by e-mail, without patient data.
//!
//! What is wrong is told when it begins, once a day while it lasts, and when it is over. What could
//! not be told is tried again; nothing waits for it.

mod send;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

pub use self::settings::{AGE, AlarmSettings, DISK, FROM, SMTP, TO, WEBHOOK};

use crate::Env;
use crate::limits::ALARMS;
use crate::page::{Language, Mood};
use crate::page::{Pages, View};
use crate::shutdown::Shutdown;
use crate::status;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(60);
/// How often what lasts is told again.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    /// What is wrong, in English.
    text: String,
    /// Whether it is over.
    over: bool,
}

/// Watches a daemon and tells what is wrong, until the shutdown; nothing when nobody is to be told.
pub async fn watch(
    env: Arc<dyn Env>,
    settings: AlarmSettings,
    pages: Arc<dyn Pages>,
    shutdown: Shutdown,
) {
    if settings.webhook.is_empty() && settings.to.is_empty() {
        return;
    }
    let mut told = Told::default();
    loop {
        tokio::select! {
            biased;
            () = env.sleep_until(env.now() + LOOK) => {}
            () = shutdown.wait() => return,
        }
        let Ok(view) = pages.view().await else {
            continue;
        };
        let wrong = conditions(&view, &settings);
        for message in told.compare(&wrong, env.now()) {
            if let Err(error) = send::send(&*env, &settings, &view.name, &message).await {
                tracing::warn!(%error, "an alarm could not be told; it is tried again");
                told.forget(&message);
            }
        }
    }
}

/// What is wrong, by a name that stays the same while it lasts.
fn conditions(view: &View, settings: &AlarmSettings) -> BTreeMap<String, String> {
    let mut wrong = BTreeMap::new();
    if view.banner.mood == Mood::Bad && !view.hub {
        let text = view.banner.text.text(Language::En);
        wrong.insert("state".to_owned(), text);
    }
    for need in view.needs.iter().take(ALARMS) {
        let text = need.reason.text(Language::En);
        wrong.insert(
            format!("need {} {text}", need.item),
            format!("{text} ({})", need.owner),
        );
    }
    let old = view
        .oldest_s
        .filter(|s| settings.age.0 > 0 && s * 1000 > settings.age.0);
    if let Some(age) = old {
        let age = status::duration(Duration::from_secs(age));
        wrong.insert(
            "age".to_owned(),
            format!("the oldest study has waited for {age}"),
        );
    }
    if let Some(free) = view.disk_free.filter(|free| *free < settings.disk.0) {
        wrong.insert(
            "disk".to_owned(),
            format!("only {} are free on the disk", status::bytes(free)),
        );
    }
    for clinic in view.clinics.iter().take(ALARMS) {
        let silent = clinic
            .heard_s
            .filter(|s| settings.age.0 > 0 && s * 1000 > settings.age.0);
        if let Some(silent) = silent {
            let silent = status::duration(Duration::from_secs(silent));
            let text = format!("clinic {} is silent for {silent}", clinic.name);
            wrong.insert(format!("clinic {}", clinic.name), text);
        }
    }
    wrong
}

/// What was told, and when.
#[derive(Default)]
struct Told(BTreeMap<String, (Instant, String)>);

impl Told {
    /// What is to be told now.
    fn compare(&mut self, wrong: &BTreeMap<String, String>, now: Instant) -> Vec<Message> {
        let mut messages = Vec::new();
        self.0.retain(|name, (_, text)| {
            let lasts = wrong.contains_key(name);
            if !lasts {
                messages.push(Message {
                    text: text.clone(),
                    over: true,
                });
            }
            lasts
        });
        for (name, text) in wrong {
            let fresh = self
                .0
                .get(name)
                .is_none_or(|(at, _)| now.saturating_duration_since(*at) >= AGAIN);
            if fresh && self.0.len() < 2 * ALARMS {
                self.0.insert(name.clone(), (now, text.clone()));
                messages.push(Message {
                    text: text.clone(),
                    over: false,
                });
            }
        }
        messages
    }

    /// It was not told after all.
    fn forget(&mut self, message: &Message) {
        self.0.retain(|_, (_, text)| *text != message.text);
    }
}

impl Message {
    /// As a webhook gets it.
    fn json(&self, from: &str) -> String {
        let state = if self.over { "over" } else { "alarm" };
        json!({ "karez": from, "state": state, "text": self.text }).to_string()
    }

    fn subject(&self, from: &str) -> String {
        let state = if self.over { "over" } else { "alarm" };
        let subject = format!("Karez {from}, {state}: {}", self.text);
        subject
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{Need, Say};
    use crate::units::{Period, Size};

    fn settings() -> AlarmSettings {
        AlarmSettings {
            age: Period::seconds(3600),
            disk: Size(1 << 30),
            ..AlarmSettings::default()
        }
    }

    #[test]
    fn age_and_disk_and_what_needs_a_person_are_alarms() {
        let mut view = View {
            oldest_s: Some(3600),
            disk_free: Some(1 << 30),
            ..View::default()
        };
        assert_eq!(conditions(&view, &settings()), BTreeMap::new());
        view.oldest_s = Some(7300);
        view.disk_free = Some(500 << 20);
        view.needs.push(Need {
            item: "x".into(),
            reason: Say::English("the PACS refuses it".into()),
            owner: "hub".into(),
            advice: String::new(),
            actions: Vec::new(),
        });
        let wrong: Vec<String> = conditions(&view, &settings()).into_values().collect();
        assert_eq!(
            wrong,
            [
                "the oldest study has waited for 2 h 1 min",
                "only 500 MiB are free on the disk",
                "the PACS refuses it (hub)"
            ]
        );
    }

    #[test]
    fn what_lasts_is_told_once_a_day_and_its_end_once() {
        let (mut told, start) = (Told::default(), Instant::now());
        let wrong = BTreeMap::from([("disk".to_owned(), "full".to_owned())]);
        assert_eq!(told.compare(&wrong, start).len(), 1);
        assert_eq!(told.compare(&wrong, start + AGAIN / 2).len(), 0);
        assert_eq!(told.compare(&wrong, start + AGAIN).len(), 1);
        let over = told.compare(&BTreeMap::new(), start + AGAIN);
        assert!(over.len() == 1 && over[0].over);
        let message = &told.compare(&wrong, start)[0];
        told.forget(message);
        assert_eq!(
            told.compare(&wrong, start).len(),
            1,
            "what was not told is told again"
        );
    }
}

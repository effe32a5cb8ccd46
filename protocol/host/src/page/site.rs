//! What the server knows: the daemon behind it, its users, who is logged in.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::render::{For, Names};
use super::session::{Session, Sessions};
use super::users::{Role, Users};
use super::view::{Verb, View};
use super::words::{Language, Say, Word};
use super::{Act, Pages};
use crate::Failure;
use crate::env::{Env, work};
use crate::limits::PAGE_FRESH;

pub(super) struct Site {
    env: Arc<dyn Env>,
    pages: Arc<dyn Pages>,
    users: Users,
    language: Language,
    /// Whether only this machine can reach it.
    loopback: bool,
    sessions: Sessions,
    shown: Mutex<Option<(Instant, Arc<View>)>>,
}

/// Who looks.
pub(super) struct Reader {
    pub(super) language: Language,
    pub(super) session: Option<Session>,
    token: String,
}

impl Reader {
    pub(super) const fn see(&self) -> For<'_> {
        For {
            language: self.language,
            session: self.session.as_ref(),
        }
    }
}

impl Site {
    pub(super) fn new(
        env: Arc<dyn Env>,
        pages: Arc<dyn Pages>,
        users: Users,
        language: Language,
        loopback: bool,
    ) -> Self {
        Self {
            env,
            pages,
            users,
            language,
            loopback,
            sessions: Sessions::default(),
            shown: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.env.now()
    }

    pub(super) fn env(&self) -> &dyn Env {
        &*self.env
    }

    /// A page on this machine is reached by a name of this machine (so that no name of another
    /// site leads here), and a form comes from our own pages.
    pub(super) fn is_ours(&self, request: &Request) -> bool {
        let text = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let host = text(header::HOST).unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let local = ["localhost", "127.0.0.1", "[::1]"].contains(&name);
        let origin = text(header::ORIGIN).is_none_or(|origin| {
            origin
                .split_once("://")
                .is_some_and(|(_, from)| from == host)
        });
        (local || !self.loopback) && (request.method() == Method::GET || origin)
    }

    pub(super) fn reader(&self, headers: &HeaderMap, take: bool) -> Reader {
        let token = cookie(headers, "karez").unwrap_or_default().to_owned();
        let chosen = cookie(headers, "language").and_then(Language::of_tag);
        let asked = || {
            let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            wanted.starts_with("ur").then_some(Language::Ur)
        };
        Reader {
            language: chosen.or_else(asked).unwrap_or(self.language),
            session: self.sessions.get(self.now(), &token, take),
            token,
        }
    }

    /// Who sends a form with this token, if it is theirs.
    pub(super) fn confirmed(&self, headers: &HeaderMap, csrf: &str) -> Option<Reader> {
        let reader = self.reader(headers, true);
        let session = reader.session.as_ref()?;
        (session.csrf == csrf).then_some(reader)
    }

    /// The view, at most [`PAGE_FRESH`] old, computed once for all who look.
    pub(super) async fn view(&self) -> Result<Arc<View>, Failure> {
        let mut shown = self.shown.lock().await;
        let now = self.now();
        let fresh = |at: Instant| now.saturating_duration_since(at) < PAGE_FRESH / 2;
        if let Some((at, view)) = shown.as_ref().filter(|(at, _)| fresh(*at)) {
            let _ = at;
            return Ok(view.clone());
        }
        let view = Arc::new(self.pages.view().await?);
        *shown = Some((now, view.clone()));
        Ok(view)
    }

    /// Names for who wants to see them and may; the first look is audited.
    pub(super) async fn names(&self, reader: &Reader, first: bool) -> Names {
        let Some(session) = reader.session.as_ref().filter(|s| s.names) else {
            return Names::new();
        };
        let Some(desk) = &session.desk else {
            return Names::new();
        };
        match self.pages.names(desk, &session.user, first).await {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(%error, "names cannot be shown");
                Names::new()
            }
        }
    }

    pub(super) async fn metrics(&self) -> Result<String, Failure> {
        self.pages.metrics().await
    }

    /// Whether no user is set up.
    pub(super) fn nobody(&self) -> bool {
        self.users.list().is_ok_and(|users| users.is_empty())
    }

    /// A session's token, or what is wrong.
    pub(super) async fn log_in(&self, name: String, password: String) -> Result<String, Word> {
        let now = self.now();
        if !self.sessions.may_try(now, &name) {
            return Err(Word::TooMany);
        }
        // Counted before it is known, so that many at once gain nothing.
        self.sessions.failed(now, &name);
        let users = self.users.clone();
        let given = name.clone();
        let verified = work(&*self.env, 0, move || users.verify(&given, &password)).await;
        let known = match verified {
            Ok(Ok(known)) => known,
            Ok(Err(error)) => {
                tracing::warn!(%error, "nobody can log in");
                None
            }
            Err(_) => None,
        };
        let Some(known) = known else {
            tracing::warn!(name = %user_in_log(&name), "a login to the page failed");
            return Err(Word::WrongLogin);
        };
        let mut random = [0; 64];
        self.env.entropy(&mut random);
        tracing::info!(user = %known.user.name, "logged in to the page");
        self.pages.audit(&known.user.name, "login", "");
        Ok(self.sessions.begin(self.now(), known, random))
    }

    pub(super) fn log_out(&self, reader: &Reader) {
        self.sessions.end(self.now(), &reader.token);
    }

    pub(super) fn turn_names(&self, reader: &Reader) {
        self.sessions
            .change(self.now(), &reader.token, |s| s.names = !s.names);
    }

    /// Does what a person asked for, and keeps what came of it for their next page.
    pub(super) async fn act(&self, reader: &Reader, verb: Verb, item: String, reason: String) {
        let Some(session) = &reader.session else {
            return;
        };
        let said = if verb.needs_admin() && session.role != Role::Admin {
            Say::word(Word::NotAllowed)
        } else {
            self.pages.audit(&session.user, verb.name(), &item);
            let act = Act { verb, item, reason };
            match self.pages.act(act).await {
                Ok(()) => Say::Word(Word::DoneNow, vec![Say::word(verb.word())]),
                Err(failure) => Say::Word(Word::Failed, vec![Say::English(failure.to_string())]),
            }
        };
        self.sessions
            .change(self.now(), &reader.token, |s| s.said = Some(said));
        // What is shown next must show it.
        *self.shown.lock().await = None;
    }
}

/// What somebody typed as a name may be anything, a password among it.
fn user_in_log(name: &str) -> String {
    format!("{} characters", name.chars().count())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split("; "))
        .filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

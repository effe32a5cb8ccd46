//! Who is logged in: random tokens in memory, gone with the process; and how often who has tried.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use karez_protocol::id::hex;
use karez_protocol::seal::DeskKey;
use tokio::time::Instant;

use super::users::{Known, Role};
use super::words::Say;
use crate::limits::{LOGIN_FAILURES, LOGIN_NAMES, LOGIN_WINDOW, PAGE_SESSIONS};

/// A session ends when it is unused for so long,
const IDLE: Duration = Duration::from_secs(30 * 60);
/// and at the latest after a long shift.
const AGE: Duration = Duration::from_secs(12 * 3600);

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) user: String,
    pub(super) role: Role,
    /// What opens names, for who may see them.
    pub(super) desk: Option<DeskKey>,
    /// What every form of theirs brings back.
    pub(super) csrf: String,
    /// Whether they want to see names.
    pub(super) names: bool,
    /// What their last action came to: shown once.
    pub(super) said: Option<Say>,
    since: Instant,
    used: Instant,
}

/// All sessions and attempts.
#[derive(Default)]
pub(super) struct Sessions(Mutex<State>);

#[derive(Default)]
struct State {
    sessions: BTreeMap<String, Session>,
    /// Failed logins by name; those of all names under the empty one.
    failed: BTreeMap<String, (Instant, u32)>,
}

impl Sessions {
    /// Begins a session; its token.
    pub(super) fn begin(&self, now: Instant, known: Known, random: [u8; 64]) -> String {
        let (token, csrf) = random.split_at(32);
        let token = hex(token);
        let session = Session {
            role: known.user.role,
            desk: known.desk,
            csrf: hex(csrf),
            names: false,
            said: None,
            since: now,
            used: now,
            user: known.user.name,
        };
        let mut state = self.state(now);
        state.failed.remove(&session.user);
        if state.sessions.len() >= PAGE_SESSIONS {
            let oldest = state.sessions.iter().min_by_key(|(_, s)| s.used);
            if let Some(oldest) = oldest.map(|(token, _)| token.clone()) {
                state.sessions.remove(&oldest);
            }
        }
        state.sessions.insert(token.clone(), session);
        token
    }

    /// The session of a token. What was said is taken out of it when `take` says so.
    pub(super) fn get(&self, now: Instant, token: &str, take: bool) -> Option<Session> {
        let mut state = self.state(now);
        let session = state.sessions.get_mut(token)?;
        let copy = session.clone();
        if take {
            session.said = None;
            session.used = now;
        }
        Some(copy)
    }

    /// Changes a session.
    pub(super) fn change(&self, now: Instant, token: &str, how: impl FnOnce(&mut Session)) {
        if let Some(session) = self.state(now).sessions.get_mut(token) {
            how(session);
        }
    }

    /// Ends one.
    pub(super) fn end(&self, now: Instant, token: &str) {
        self.state(now).sessions.remove(token);
    }

    /// Whether this name may try to log in now.
    pub(super) fn may_try(&self, now: Instant, name: &str) -> bool {
        let state = self.state(now);
        let count = |name: &str| state.failed.get(name).map_or(0, |f| f.1);
        count(name) < LOGIN_FAILURES && count("") < LOGIN_FAILURES * 8
    }

    /// A login failed.
    pub(super) fn failed(&self, now: Instant, name: &str) {
        let mut state = self.state(now);
        for name in [name, ""] {
            if state.failed.len() < LOGIN_NAMES || state.failed.contains_key(name) {
                state.failed.entry(name.to_owned()).or_insert((now, 0)).1 += 1;
            }
        }
    }

    fn state(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |then: Instant| now.saturating_duration_since(then);
        state
            .sessions
            .retain(|_, s| since(s.used) < IDLE && since(s.since) < AGE);
        state.failed.retain(|_, f| since(f.0) < LOGIN_WINDOW);
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Known {
        let user = serde_json::json!({
            "name": name, "role": "admin", "salt": "", "memory_kib": 0, "passes": 0, "check": "",
        });
        let user = serde_json::from_value(user).unwrap();
        Known { user, desk: None }
    }

    fn after(start: Instant, minutes: u64) -> Instant {
        start + Duration::from_secs(60 * minutes)
    }

    #[test]
    fn a_session_ends_when_unused_and_after_a_shift() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let token = sessions.begin(start, known("amna"), [1; 64]);
        assert!(sessions.get(after(start, 29), &token, true).is_some());
        assert!(sessions.get(after(start, 58), &token, false).is_some());
        assert!(sessions.get(after(start, 60), &token, false).is_none());
        let token = sessions.begin(start, known("amna"), [2; 64]);
        for minutes in (0..720).step_by(20) {
            assert!(sessions.get(after(start, minutes), &token, true).is_some());
        }
        assert!(sessions.get(after(start, 721), &token, true).is_none());
    }

    #[test]
    fn guessing_is_stopped_and_allowed_again_after_a_while() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        for _ in 0..LOGIN_FAILURES {
            assert!(sessions.may_try(start, "amna"));
            sessions.failed(start, "amna");
        }
        assert!(!sessions.may_try(start, "amna"));
        assert!(sessions.may_try(start, "bilal"));
        assert!(sessions.may_try(start + LOGIN_WINDOW, "amna"));
        for n in 0..LOGIN_FAILURES * 8 {
            sessions.failed(start, &format!("guess{n}"));
        }
        assert!(
            !sessions.may_try(start, "bilal"),
            "all names together have a limit too"
        );
    }

    #[test]
    fn what_was_said_is_said_once_and_the_oldest_makes_room() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let token = sessions.begin(start, known("amna"), [1; 64]);
        sessions.change(start, &token, |s| s.said = Some(Say::number(1)));
        assert!(sessions.get(start, &token, true).unwrap().said.is_some());
        assert!(sessions.get(start, &token, true).unwrap().said.is_none());
        for n in 0..PAGE_SESSIONS {
            let mut random = [0; 64];
            random[..8].copy_from_slice(&n.to_le_bytes());
            sessions.begin(after(start, 1), known("bilal"), random);
        }
        assert!(sessions.get(after(start, 1), &token, false).is_none());
    }
}

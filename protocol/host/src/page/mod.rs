//! The page of a daemon: the clinic's and the hub's share this frame.
//!
//! A daemon implements [`Pages`]: what is shown ([`View`]), what can be done, its figures. The
//! frame draws it on the server in the reader's language, keeps it live by server-sent events, lets
//! people log in and carries out what they ask for. It works without JavaScript and loads nothing
//! from elsewhere.

mod history;
mod http;
mod live;
mod metrics;
mod render;
mod session;
mod settings;
mod setup;
mod site;
#[cfg(test)]
mod tests;
mod users;
mod view;
mod words;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::history::{HISTORY, History, Sample};
pub use self::metrics::Metrics;
pub use self::settings::{
    CLINIC_LISTEN, CURRENCY, ClinicPage, HUB_LISTEN, HubPage, LANGUAGE, PLACE, PRICE,
};
pub use self::setup::UserVerb;
pub use self::users::{Known, Role, USERS, User, Users};
pub use self::view::{Action, Banner, ClinicRow, Lamp, Left, Mood, Need, Ribbon, Row, Verb, View};
pub use self::words::{Language, Say, Word};

use karez_protocol::seal::DeskKey;

use self::site::Site;
use crate::env::BoxFuture;
use crate::shutdown::Shutdown;
use crate::{Env, Failure};

/// How long a page waits for a port that another program has.
const RETRY: Duration = Duration::from_secs(30);

/// What a daemon gives to its page.
pub trait Pages: Send + Sync + 'static {
    /// What is shown now.
    fn view(&self) -> BoxFuture<'_, Result<View, Failure>>;

    /// Does something.
    fn act(&self, act: Act) -> BoxFuture<'_, Result<(), Failure>>;

    /// The patients' names by studies' short names, opened for `user` with `desk`. `first`: they begin to look now.
    fn names<'a>(
        &'a self,
        desk: &'a DeskKey,
        user: &'a str,
        first: bool,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, Failure>>;

    /// Figures in Prometheus's text form, without patient data.
    fn metrics(&self) -> BoxFuture<'_, Result<String, Failure>>;

    /// Writes down who did what.
    fn audit(&self, user: &str, what: &str, item: &str);
}

/// Something that a person asks for.
#[derive(Clone, Debug)]
pub struct Act {
    /// What.
    pub verb: Verb,
    /// To what.
    pub item: String,
    /// Why, where it was asked.
    pub reason: String,
}

/// Where and how a page is shown.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where it listens.
    pub address: SocketAddr,
    /// The language of who has chosen none.
    pub language: Language,
}

/// Shows the page of the data directory `dir` until the shutdown. A port that another program has
/// is waited for.
pub async fn serve(
    env: Arc<dyn Env>,
    dir: &Path,
    place: Place,
    pages: Arc<dyn Pages>,
    shutdown: Shutdown,
) {
    let users = Users::of(env.disk(), dir);
    let loopback = place.address.ip().is_loopback();
    let site = Arc::new(Site::new(
        env.clone(),
        pages,
        users,
        place.language,
        loopback,
    ));
    let mut told = false;
    loop {
        match env.listen_stream(place.address).await {
            Ok(listener) => {
                let at = listener.local_addr().unwrap_or(place.address);
                tracing::info!(address = %at, "the page is at http://{at}/");
                return http::serve(site, listener, shutdown).await;
            }
            Err(error) if !told => {
                told = true;
                tracing::warn!(%error, address = %place.address, "the page cannot be shown yet; set page.listen");
            }
            Err(_) => {}
        }
        tokio::select! {
            biased;
            () = env.sleep_until(env.now() + RETRY) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// Year, month and day of the days since 1970-01-01, by the proleptic Gregorian calendar
/// (H. Hinnant, chrono-compatible low-level date algorithms).
#[must_use]
pub fn calendar(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (
        year,
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

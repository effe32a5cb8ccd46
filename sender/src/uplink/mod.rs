//! The way to the hub: enrolment, then one connection, dialled again for ever.

mod addresses;
mod budget;
mod gate;
mod join;
mod line;
mod meter;

use karez_host::bridge::bridge;
use karez_quic::{Client, Identity, LinkState, Redial, RedialPolicy, Wake};
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::{Command, Shared};
use crate::hub::HubInfo;
use crate::keys::Keys;
use crate::limits::{JOIN_REFUSED, JOIN_RETRY};
use crate::settings::Settings;

pub use addresses::{Reach, reach};
pub(crate) use budget::Limits;
pub(crate) use gate::Gate;
pub use join::enrol;
pub(crate) use line::{Line, News};

use addresses::Addresses;
use join::JoinError;
use line::LineSession;

/// Keeps the clinic enrolled and connected until it is dropped.
pub(crate) async fn run(
    shared: Shared,
    engine: mpsc::Sender<Command>,
    mut hub: watch::Receiver<Option<HubInfo>>,
) {
    loop {
        let known = hub.borrow_and_update().clone();
        let Some(info) = known else {
            if hub.changed().await.is_err() {
                return;
            }
            continue;
        };
        let work = async {
            if info.token.is_some() {
                join_for_ever(&shared, &engine, &info).await;
            }
            connect_for_ever(&shared, &info).await;
        };
        tokio::select! {
            biased;
            () = work => {}
            changed = addresses_changed(&mut hub, &info) => if !changed { return },
        }
    }
}

/// Waits for word that needs another connection; false when nobody can send any more.
async fn addresses_changed(hub: &mut watch::Receiver<Option<HubInfo>>, info: &HubInfo) -> bool {
    loop {
        if hub.changed().await.is_err() {
            return false;
        }
        let other = hub.borrow_and_update().as_ref().is_none_or(|now| {
            now.addresses != info.addresses || now.token != info.token || now.peer != info.peer
        });
        if other {
            return true;
        }
    }
}

async fn join_for_ever(shared: &Shared, engine: &mpsc::Sender<Command>, info: &HubInfo) {
    loop {
        let wait = match join::enrol_at(&*shared.env, &shared.keys.identity, &shared.settings, info)
            .await
        {
            Ok(joined) => {
                let (reply, answer) = oneshot::channel();
                if engine.send(Command::Hub(joined, reply)).await.is_err() {
                    return;
                }
                match answer.await {
                    Ok(Err(failure)) => shared.line.problem(&failure.to_string()),
                    _ => {
                        shared.line.problem("");
                        // The news of it ends this task's waiting.
                        std::future::pending::<()>().await;
                    }
                }
                JOIN_RETRY
            }
            Err(error) => {
                tracing::warn!(%error, "not joined yet");
                shared.line.problem(&error.to_string());
                match error {
                    JoinError::Refused(_) => JOIN_REFUSED,
                    _ => JOIN_RETRY,
                }
            }
        };
        let mut links = shared.env.link_events();
        tokio::select! {
            biased;
            () = shared.env.sleep_until(shared.env.now() + wait) => {}
            Ok(()) = links.changed() => {}
        }
    }
}

async fn connect_for_ever(shared: &Shared, info: &HubInfo) {
    let wake = Wake::new();
    let client = shared.client.clone();
    let addresses = Addresses::of(&shared.settings, info);
    let links = shared.env.link_events();
    let policy = RedialPolicy::default();
    let mut redial = Redial::new(client, info.peer, Box::new(addresses), policy, links);
    let mut states = redial.state();
    let open = |connection: &karez_quic::Connection| {
        let (port, session) = bridge(shared.bell.clone(), wake.clone());
        let number = shared.line.up(port, connection.handle());
        shared.bell.notify_one();
        let (line, gate) = (shared.line.clone(), shared.gate.clone());
        let limits = (gate, connection.handle());
        LineSession::new(session, line, number, shared.bell.clone(), limits)
    };
    let causes = async {
        while states.changed().await.is_ok() {
            match &*states.borrow_and_update() {
                LinkState::Down { cause, .. } => shared.line.problem(cause),
                LinkState::Up { trouble, .. } => shared.line.problem(trouble),
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        never = redial.run(&wake, open) => match never {},
        () = causes => {}
    }
}

/// Dials as this clinic. What becomes known of the link is shared by its clones; what it costs is
/// counted by the gate.
pub(crate) fn client(gate: &Gate, keys: &Keys, settings: &Settings) -> Client {
    let identity = Identity::from_seed(&keys.identity.secret());
    Client::new(gate.net(), identity, settings.link_config())
}

//! Where the hub is: addresses as people write them, and as sockets take them.

use std::net::SocketAddr;
use std::pin::Pin;

use karez_host::{Env, Failure};
use karez_protocol::seal::Identity;
use karez_quic::{Alpn, Client, Resolve};

use crate::hub::HubInfo;
use crate::settings::Settings;

/// `host:port` texts, asked anew before each dial.
pub(super) struct Addresses(Vec<String>);

impl Addresses {
    /// Those of the configuration, else those of the invitation.
    pub(super) fn of(settings: &Settings, info: &HubInfo) -> Self {
        let configured = &settings.hub.addresses;
        let chosen = if configured.is_empty() {
            &info.addresses
        } else {
            configured
        };
        Self(chosen.clone())
    }

    pub(super) async fn look_up(&self) -> Vec<SocketAddr> {
        let mut all = Vec::new();
        for text in &self.0 {
            match text.parse() {
                Ok(address) => all.push(address),
                Err(_) => match tokio::net::lookup_host(text).await {
                    Ok(found) => all.extend(found),
                    Err(error) => tracing::warn!(%error, "a hub's name could not be looked up"),
                },
            }
        }
        all
    }
}

impl Resolve for Addresses {
    fn resolve(&mut self) -> Pin<Box<dyn Future<Output = Vec<SocketAddr>> + Send + '_>> {
        Box::pin(self.look_up())
    }
}

/// How a hub was reached.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Where.
    pub address: SocketAddr,
    /// The round trip.
    pub rtt: std::time::Duration,
}

/// Dials the hub once, for `check`.
///
/// # Errors
/// Why it cannot be reached.
pub async fn reach(
    env: &dyn Env,
    identity: &Identity,
    settings: &Settings,
    info: &HubInfo,
) -> Result<Reach, Failure> {
    let identity = karez_quic::Identity::from_seed(&identity.secret());
    let client = Client::new(env.net(), identity, settings.link_config());
    let addresses = Addresses::of(settings, info).look_up().await;
    let dialled = client.dial(&addresses, info.peer, Alpn::Session).await;
    let connection = dialled.map_err(|e| Failure::new(e.to_string()))?;
    Ok(Reach {
        address: connection.remote(),
        rtt: connection.stats().rtt,
    })
}

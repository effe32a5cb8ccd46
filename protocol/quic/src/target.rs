//! The hub that is dialled: its addresses, and how long a dial may take.

use std::time::Duration;

use karez_protocol::id::PeerId;
use tokio::time::timeout;

use crate::client::{Client, DialError};
use crate::connection::Connection;
use crate::redial::Resolve;
use crate::tls::Alpn;

/// Longest wait for the hub's addresses.
const RESOLVE_MAX: Duration = Duration::from_secs(10);
/// Shorter than QUIC's first repetition.
const BRIEF: Duration = Duration::from_millis(950);
/// A dial's time grows up to this many times [`crate::LinkConfig::dial_timeout`].
const STRETCH_MAX: u32 = 4;
/// So many dials in a row without a packet back, each just after the hub had answered a question,
/// are no chance: long packets do not come through.
const UNHEARD: u32 = 4;

/// What speaks for a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hope {
    /// Nothing: it is one packet, or what a long round trip takes.
    None,
    /// Something may have changed.
    Some,
    /// The hub has just answered a question.
    Answered,
}

impl Hope {
    pub(crate) const fn if_any(hope: bool) -> Self {
        match hope {
            true => Self::Some,
            false => Self::None,
        }
    }
}

/// A hub to dial.
pub(crate) struct Target {
    pub(crate) client: Client,
    pub(crate) hub: PeerId,
    pub(crate) resolve: Box<dyn Resolve>,
    stretch: u32,
    /// Dials in a row on which nothing came back although the hub had just answered.
    unheard: u32,
}

impl Target {
    pub(crate) const fn new(client: Client, hub: PeerId, resolve: Box<dyn Resolve>) -> Self {
        Self {
            client,
            hub,
            resolve,
            stretch: 1,
            unheard: 0,
        }
    }

    /// Tries each address once. A line can be too slow for a handshake in the usual time: when the
    /// line lives and a dial on it ran out of time, the next one gets twice as long.
    pub(crate) async fn dial(&mut self, hope: Hope) -> Result<Connection, DialError> {
        let addresses = self.addresses().await;
        let (client, hub) = (&self.client, self.hub);
        if hope == Hope::None {
            let rtt = client.memory().carried.map_or(Duration::ZERO, |c| c.rtt);
            let after = BRIEF.max(rtt + Duration::from_millis(100));
            let dialled = client.dial_within(&addresses, hub, Alpn::Session, after);
            return dialled.await;
        }
        let after = client.dial_timeout() * self.stretch;
        let dialled = client.dial_within(&addresses, hub, Alpn::Session, after);
        let dialled = dialled.await;
        self.stretch = match &dialled {
            // A hub that was never reached cannot be asked: nothing is known of the line.
            Err(DialError::Silent { heard, .. })
                if *heard || hope == Hope::Answered || !self.client.can_ask() =>
            {
                (self.stretch * 2).min(STRETCH_MAX)
            }
            _ => 1,
        };
        match dialled {
            Err(DialError::Silent {
                remote,
                heard: false,
                ..
            }) if hope == Hope::Answered => {
                self.unheard += 1;
                match self.unheard >= UNHEARD {
                    true => Err(DialError::Narrow { remote }),
                    false => dialled,
                }
            }
            Err(DialError::Silent { heard: false, .. }) => dialled,
            _ => {
                self.unheard = 0;
                dialled
            }
        }
    }

    pub(crate) async fn addresses(&mut self) -> Vec<std::net::SocketAddr> {
        let resolved = timeout(RESOLVE_MAX, self.resolve.resolve()).await;
        resolved.unwrap_or_default()
    }
}

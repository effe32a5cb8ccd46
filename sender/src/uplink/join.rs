//! Enrolment: the token of an invitation against a name and the hub's encryption key.

use karez_host::{Env, Failure};
use karez_protocol::manifest::ManifestError;
use karez_protocol::seal::{HubPublic, Identity};
use karez_protocol::wire::{Frame, Join, WireError};
use karez_quic::{Alpn, Client, DialError, End, Lane};
use tokio::time::timeout;

use super::addresses::Addresses;
use crate::hub::HubInfo;
use crate::limits::JOIN_ANSWER;
use crate::settings::Settings;

/// Why an enrolment did not succeed.
#[derive(Debug)]
pub(super) enum JoinError {
    Dial(DialError),
    End(End),
    /// The hub said no.
    Refused(String),
    Answer(WireError),
    Key(ManifestError),
    /// Something else came, or nothing.
    Silent,
}

impl std::fmt::Display for JoinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dial(error) => error.fmt(f),
            Self::End(end) => end.fmt(f),
            Self::Refused(text) => write!(
                f,
                "the hub refuses the invitation: {text}; ask for a new one"
            ),
            Self::Answer(error) => write!(f, "the hub's answer is not understood: {error}"),
            Self::Key(error) => write!(f, "the hub's key does not hold: {error}"),
            Self::Silent => f.write_str("the hub was reached but did not answer the invitation"),
        }
    }
}

/// Tries once to enrol with the token that is kept.
///
/// # Errors
/// Why it did not succeed; trying again later is harmless, since a token stays this clinic's.
pub async fn enrol(
    env: &dyn Env,
    identity: &Identity,
    settings: &Settings,
    info: &HubInfo,
) -> Result<HubInfo, Failure> {
    let joined = enrol_at(env, identity, settings, info).await;
    joined.map_err(|error| Failure::new(error.to_string()))
}

pub(super) async fn enrol_at(
    env: &dyn Env,
    identity: &Identity,
    settings: &Settings,
    info: &HubInfo,
) -> Result<HubInfo, JoinError> {
    let Some(token) = info.token else {
        return Ok(info.clone());
    };
    let identity = karez_quic::Identity::from_seed(&identity.secret());
    let client = Client::new(env.net(), identity, settings.link_config());
    let addresses = Addresses::of(settings, info).look_up().await;
    let dialled = client.dial(&addresses, info.peer, Alpn::Join).await;
    let connection = dialled.map_err(JoinError::Dial)?;
    let join = Frame::Join(Join {
        token,
        agent: concat!("karez-sender ", env!("CARGO_PKG_VERSION")).to_owned(),
    });
    let talk = async {
        connection
            .send(Lane::Control, join.to_bytes().into())
            .await?;
        connection.recv().await
    };
    let answer = timeout(JOIN_ANSWER, talk)
        .await
        .map_err(|_| JoinError::Silent)?;
    let (_, bytes) = answer.map_err(JoinError::End)?;
    match Frame::from_bytes(&bytes).map_err(JoinError::Answer)? {
        Frame::Joined(joined) => {
            HubPublic::read(&info.peer, &joined.keys).map_err(JoinError::Key)?;
            Ok(HubInfo {
                name: joined.name,
                keys: Some(joined.keys),
                token: None,
                ..info.clone()
            })
        }
        Frame::Refused(refusal) => Err(JoinError::Refused(refusal.text)),
        _ => Err(JoinError::Silent),
    }
}

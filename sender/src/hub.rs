//! Which hub the clinic belongs to: what an invitation said, and what the hub answered.

use std::path::{Path, PathBuf};

use karez_host::{Env, Failure};
use karez_protocol::id::PeerId;
use karez_protocol::invitation::Invitation;
use karez_protocol::seal::{HubPublic, Signed};
use karez_protocol::wire::{decode, encode};
use karez_store::{read_whole, write_atomically};

use crate::limits::HUB_FILE;

/// What is known of the hub. Kept in one small file.
#[derive(Clone, PartialEq, Eq)]
pub struct HubInfo {
    /// Its key, pinned.
    pub peer: PeerId,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// An invitation's token that the hub has not yet taken.
    pub token: Option<[u8; 16]>,
    /// What the hub calls this clinic; empty before it has answered.
    pub name: String,
    /// Its encryption key, signed by it.
    pub keys: Option<Signed>,
}

type Stored = (
    PeerId,
    Vec<String>,
    Option<[u8; 16]>,
    String,
    Option<Signed>,
);

const VERSION: u8 = 1;

impl HubInfo {
    /// As an invitation says.
    #[must_use]
    pub fn invited(invitation: Invitation) -> Self {
        Self {
            peer: invitation.hub,
            addresses: invitation.addresses,
            token: Some(invitation.token),
            name: String::new(),
            keys: None,
        }
    }

    /// This invitation on top of what is known: a second one of the same hub renews addresses
    /// and token and keeps its keys.
    ///
    /// # Errors
    /// It is another hub's.
    pub fn renewed(known: Option<&Self>, invitation: Invitation) -> Result<Self, Failure> {
        let mut fresh = Self::invited(invitation);
        match known {
            Some(known) if known.peer != fresh.peer => {
                return Err(Failure::new("this data directory belongs to another hub")
                    .fix("Give the new hub a data directory of its own with --data"));
            }
            Some(known) => {
                fresh.name.clone_from(&known.name);
                fresh.keys.clone_from(&known.keys);
            }
            None => {}
        }
        Ok(fresh)
    }

    /// The hub's encryption key, once it has told it.
    #[must_use]
    pub fn public(&self) -> Option<HubPublic> {
        HubPublic::read(&self.peer, self.keys.as_ref()?).ok()
    }

    /// Reads what is known; `None` before the first invitation.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn load(env: &dyn Env, dir: &Path) -> Result<Option<Self>, Failure> {
        let at = path(dir);
        let bytes = read_whole(env.disk().as_ref(), &at, HUB_FILE);
        let bytes = bytes.map_err(|e| Failure::new(e.to_string()).at(at.display()))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let damaged = || {
            Failure::new("what is known of the hub is damaged, or of a newer version")
                .at(at.display())
                .fix("Remove the file and join again with a new invitation")
        };
        let (version, rest) = bytes.split_first().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(damaged());
        }
        let stored: Stored = decode(rest).map_err(|_| damaged())?;
        let (peer, addresses, token, name, keys) = stored;
        Ok(Some(Self {
            peer,
            addresses,
            token,
            name,
            keys,
        }))
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn save(&self, env: &dyn Env, dir: &Path) -> Result<(), Failure> {
        let stored: Stored = (
            self.peer,
            self.addresses.clone(),
            self.token,
            self.name.clone(),
            self.keys.clone(),
        );
        let bytes = [&[VERSION][..], &encode(&stored)].concat();
        let at = path(dir);
        write_atomically(env.disk().as_ref(), &at, &bytes)
            .map_err(|e| Failure::new(e.to_string()).at(at.display()))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("keys").join("hub")
}

//! A person's commands.

use bytes::Bytes;
use karez_host::Failure;
use karez_protocol::id::{HubKeyId, PeerId};
use karez_protocol::invitation::{Invitation, InvitationError};
use karez_protocol::seal::HUB_KEYS_MAX;
use karez_protocol::wire::{Joined, Refusal};
use karez_quic::{Close, Lane, code};
use serde_json::{Value, json};
use tracing::info;

use super::targets::no_target;
use super::{Engine, Health};
use crate::command::Command;
use crate::daemon::DAEMON;
use crate::handoff::{Address, Folder, is_name};
use crate::registry::Entry;

impl Engine {
    /// Does what somebody's command says, under his name in the audit log.
    pub(crate) fn command_by(&mut self, command: Command, who: &str) -> Result<Value, Failure> {
        who.clone_into(&mut self.actor);
        let answer = self.command(command);
        DAEMON.clone_into(&mut self.actor);
        answer
    }

    /// Does what a command says, durably, and answers it.
    fn command(&mut self, command: Command) -> Result<Value, Failure> {
        match command {
            Command::Status {} => Ok(self.status()),
            Command::Clinics {} => Ok(json!(self.clinics_listed())),
            Command::Parked {} => Ok(json!(self.parked_listed())),
            Command::ConfirmBackup => {
                self.write(vec![Entry::BackupConfirmed])?;
                Ok(json!("the recovery sheet is confirmed"))
            }
            Command::RotateKey {} => self.rotate_key(),
            Command::Invite {
                name,
                addresses,
                replace,
            } => self.invite(&name, addresses, replace),
            Command::Reload { settings } => {
                let waits = self.settings.take_live_of(*settings);
                self.targets_changed();
                Ok(json!(waits))
            }
            Command::Report { from, to } => Ok(self.report(&(from..to))),
            Command::Revoke { name } => self.revoke(&name),
            Command::Quota { name, bytes } => self.set_quota(&name, bytes),
            Command::TargetAdd { name, url } => self.add_target(name, &url),
            Command::Targets {} => Ok(self.targets_listed()),
            Command::TargetPause { name, paused } => {
                self.must_have_target(&name)?;
                self.write(vec![Entry::Paused { name, paused }])?;
                Ok(json!(if paused { "it rests" } else { "it works" }))
            }
            Command::TargetRemove { name } => {
                self.must_have_target(&name)?;
                self.write(vec![Entry::Removed { name }])?;
                Ok(json!("it is removed"))
            }
            Command::Decide { item, decision } => self.decide(&item, decision),
            Command::Resend {
                target,
                since,
                study,
            } => self.resend(&target, since, study.as_deref()),
            Command::AuditLines { after, xml } => self.audit_lines(after, xml),
            Command::AuditVerify { witnesses } => self.audit_verify(&witnesses),
        }
    }

    /// A key presents a token. The same key may do so again; its first answer may be lost.
    pub(super) fn join(&mut self, peer: PeerId, token: &[u8; 16]) -> Result<Joined, Refusal> {
        let refused = |text: &str| Refusal {
            code: Refusal::TOKEN,
            text: text.to_owned(),
        };
        let token = hash(token);
        let Some(invited) = self.registry.tokens.get(&token).cloned() else {
            return Err(refused(
                "this invitation is not known here, or a newer one took its place: ask the hub \
                 for a new invitation",
            ));
        };
        let other = invited.burnt.is_some_and(|burnt| burnt != peer);
        #[cfg(feature = "mutants")]
        let other = other
            || (karez_store::mutant::is_on(karez_store::mutant::Mutant::BurntForGood)
                && invited.burnt.is_some());
        if other {
            return Err(refused(
                "this invitation was used by another PC already: ask the hub for a new invitation",
            ));
        }
        let enrolled = self.registry.clinics.get(&peer);
        let welcome = enrolled.is_some_and(|e| !e.revoked && e.name == invited.name);
        let again = invited.burnt == Some(peer);
        if again && !welcome {
            return Err(refused(
                "this key was revoked: ask the hub for a new invitation",
            ));
        }
        if !again {
            let joined = Entry::Joined {
                clinic: peer,
                name: invited.name.clone(),
                token,
            };
            self.write(vec![joined]).map_err(|failure| Refusal {
                code: Refusal::TOKEN,
                text: format!("the hub cannot take this invitation now: {}", failure.cause),
            })?;
            self.enter_clinic(peer);
            info!(clinic = peer.short(), "a clinic has joined");
        }
        Ok(Joined {
            name: invited.name,
            keys: self.keys.ring.newest().sign(&self.keys.identity),
        })
    }

    fn invite(
        &mut self,
        name: &str,
        addresses: Vec<String>,
        replace: bool,
    ) -> Result<Value, Failure> {
        if !is_name(name) {
            return Err(
                Failure::usage(format!("`{name}` cannot be a clinic's name"))
                    .fix("Use up to 64 letters, digits, spaces, `.`, `-` and `_`"),
            );
        }
        let present = self.registry.clinic_named(name);
        if present.is_some() && !replace {
            return Err(Failure::new(format!("clinic `{name}` has joined already"))
                .fix("Give another name, or --replace to revoke the key that it has now"));
        }
        let mut token = [0; 16];
        self.env.entropy(&mut token);
        let invitation = Invitation {
            hub: self.keys.me,
            token,
            addresses: self.addresses(addresses)?,
        };
        let line = invitation.to_line().map_err(bad_address)?;
        let mut entries = Vec::new();
        entries.extend(present.map(|clinic| Entry::Revoked { clinic }));
        entries.push(Entry::Invited {
            token: hash(&token),
            name: name.to_owned(),
        });
        self.write(entries)?;
        let owed = present.map_or(Value::Null, |peer| self.cut_off(peer));
        Ok(json!({ "invitation": line, "replaced": owed }))
    }

    /// Where clinics find this hub.
    fn addresses(&self, given: Vec<String>) -> Result<Vec<String>, Failure> {
        if !given.is_empty() {
            return Ok(given);
        }
        let hub = &self.settings.hub;
        if !hub.addresses.is_empty() {
            return Ok(hub.addresses.clone());
        }
        if hub.listen.ip().is_unspecified() {
            return Err(
                Failure::usage("it is not known where clinics find this hub")
                    .at("hub.addresses")
                    .fix("Give --address HOST:PORT, or set it in config.toml"),
            );
        }
        Ok(vec![hub.listen.to_string()])
    }

    /// Makes the next encryption key the one that clinics seal to, and tells those that are
    /// connected. The others hear it when they connect.
    fn rotate_key(&mut self) -> Result<Value, Failure> {
        let number = self.keys.ring.newest_id().0 + 1;
        if number >= HUB_KEYS_MAX {
            return Err(
                Failure::new(format!("this hub has had all of its {HUB_KEYS_MAX} keys"))
                    .fix("Make a new hub with `init`, and invite the clinics to it"),
            );
        }
        self.write(vec![Entry::KeyMade { number }])?;
        self.keys.ring.raise(HubKeyId(number));
        let frame = Bytes::from(self.keys_frame().to_bytes());
        for live in self.clinics.values().flat_map(|c| c.live.values()) {
            live.port.push(Lane::Control, frame.clone());
        }
        Ok(json!({ "key": number }))
    }

    fn revoke(&mut self, name: &str) -> Result<Value, Failure> {
        let clinic = self.registry.clinic_named(name).ok_or_else(|| {
            Failure::new(format!("there is no clinic `{name}`")).fix("See `clinics`")
        })?;
        self.write(vec![Entry::Revoked { clinic }])?;
        let owed = self.cut_off(clinic);
        Ok(json!({ "revoked": name, "owed": owed }))
    }

    /// Closes a revoked clinic's connections; what it had announced and not delivered.
    fn cut_off(&mut self, peer: PeerId) -> Value {
        self.enter_clinic(peer);
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return json!([]);
        };
        #[cfg(feature = "mutants")]
        if karez_store::mutant::is_on(karez_store::mutant::Mutant::RevokedStays) {
            return json!([]);
        }
        clinic.cut(&Close::new(
            code::REVOKED,
            "this key was revoked: ask the hub for a new invitation",
        ));
        info!(clinic = peer.short(), "a clinic is revoked");
        let segments = clinic.sink.segments();
        let missing = segments.filter_map(|(segment, study)| {
            let (announced, whole) = clinic.sink.instances(segment);
            let missing = announced - whole;
            (missing > 0).then(|| json!({ "study": study.short(), "instances": missing }))
        });
        Value::Array(missing.collect())
    }

    fn add_target(&mut self, name: String, url: &str) -> Result<Value, Failure> {
        let usage = |e: &dyn std::fmt::Display| Failure::usage(e.to_string());
        if !is_name(&name) {
            return Err(usage(&crate::handoff::AddressError::Name));
        }
        let address: Address = url.parse().map_err(|e| usage(&e))?;
        if let Address::Folder(path) = &address {
            Folder::prepare(&*self.env.disk(), path).map_err(|error| {
                Failure::new(format!("the folder cannot be used: {error}"))
                    .at(path.display())
                    .fix("Make it, and give the hub's user the right to write there")
            })?;
        }
        let url = address.to_string();
        self.write(vec![Entry::Target { name, url }])?;
        Ok(json!("it is added"))
    }

    fn targets_listed(&self) -> Value {
        let listed = self.registry.targets.iter().map(|(name, entry)| {
            let (state, reason) = match self.targets.health(name) {
                Some(Health::Up) => ("up", ""),
                Some(Health::Down { why, .. }) => ("down", why.as_str()),
                Some(Health::Paused) => ("paused", ""),
                None => ("unknown", "this version does not know its kind"),
            };
            let address: Option<Address> = entry.url.parse().ok();
            let risk = address.and_then(|address| address.risk());
            json!({ "name": name, "url": entry.url, "state": state, "reason": reason, "risk": risk })
        });
        Value::Array(listed.collect())
    }

    pub(super) fn must_have_target(&self, name: &str) -> Result<(), Failure> {
        match self.registry.targets.contains_key(name) {
            true => Ok(()),
            false => Err(no_target(name)),
        }
    }
}

/// Of a token only its hash is kept.
fn hash(token: &[u8; 16]) -> [u8; 32] {
    blake3::derive_key("karez/1 invitation token", token)
}

fn bad_address(error: InvitationError) -> Failure {
    Failure::usage(error.to_string())
}

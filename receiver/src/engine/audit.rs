//! What goes into the audit log, and what is asked of it.

use karez_host::Failure;
use karez_host::audit::syslog::Batch;
use karez_host::audit::{self, Event, Head, Note, Witness};
use karez_host::calendar::utc;
use karez_host::limits::AUDIT_PAGE;
use karez_protocol::id::{PeerId, StudyId};
use karez_protocol::manifest::Proof;
use serde_json::{Value, json};
use tracing::warn;

use super::Engine;
use crate::registry::Entry;

impl Engine {
    /// A line about now, by whoever gave the command, or by the daemon itself.
    pub(super) fn line(&self, event: Event) -> Note {
        Note::new(self.env.wall(), event).by(&self.actor)
    }

    /// Adds a line; durable with the next commit.
    pub(super) fn note(&mut self, note: &Note) {
        self.audit.add(note);
    }

    /// The daemon begins to serve.
    pub(super) fn note_start(&mut self) {
        let version = env!("CARGO_PKG_VERSION");
        self.note(&self.line(Event::Started).saying(version));
        let settings = serde_json::to_vec(&self.settings).unwrap_or_default();
        let hash = blake3::hash(&settings).to_hex();
        let hash = hash.as_str().split_at(16).0;
        let before = self.audit.last(Event::Configured);
        if before.is_none_or(|before| before.detail != hash) {
            self.note(&self.line(Event::Configured).saying(hash));
        }
        self.serves = true;
    }

    /// Instances of a clinic's study came further.
    pub(super) fn note_instances(
        &mut self,
        event: Event,
        (peer, study): (PeerId, StudyId),
        count: u64,
        detail: &str,
    ) {
        let name = self.clinics.get(&peer).map(|clinic| clinic.name.clone());
        let note = Note::new(self.env.wall(), event)
            .with(&format!("clinic {}", name.unwrap_or_default()))
            .of(study)
            .counting(count)
            .saying(detail);
        self.note(&note);
    }

    /// A line for each entry that a command writes and that no other line stands for.
    pub(super) fn note_entries(&mut self, entries: &[Entry]) {
        for entry in entries {
            let note = match entry {
                Entry::BackupConfirmed => self
                    .line(Event::Changed)
                    .saying("the recovery sheet is confirmed"),
                Entry::KeyMade { number } => {
                    self.line(Event::KeyMade).saying(&format!("key {number}"))
                }
                Entry::Invited { name, .. } => self.line(Event::Invited).with(&clinic(name)),
                Entry::Joined {
                    name, clinic: key, ..
                } => self
                    .line(Event::Joined)
                    .by(&format!("key {}", key.short()))
                    .with(&clinic(name)),
                Entry::Revoked { clinic: key } => {
                    let enrolled = self.registry.clinics.get(key);
                    let name = enrolled.map_or("", |enrolled| enrolled.name.as_str());
                    self.line(Event::Revoked).with(&clinic(name))
                }
                Entry::Quota { name, bytes } => {
                    let said = bytes.map_or("as for all".to_owned(), |b| format!("{b} bytes"));
                    let line = self.line(Event::Changed).with(&clinic(name));
                    line.saying(&format!("quota: {said}"))
                }
                Entry::Target { name, .. } => changed(self.line(Event::Changed), name, "added"),
                Entry::Paused { name, paused: true } => {
                    changed(self.line(Event::Changed), name, "paused")
                }
                Entry::Paused { name, .. } => changed(self.line(Event::Changed), name, "resumed"),
                Entry::Removed { name } => changed(self.line(Event::Changed), name, "removed"),
                _ => continue,
            };
            self.note(&note);
        }
    }

    /// Writes the lines that wait; false when the disk does not take them.
    pub(super) fn append_audit(&mut self) -> bool {
        let Err(error) = self.audit.append(&mut self.store) else {
            return true;
        };
        self.disk_failed(&error);
        if !self.disk_refuses() && !self.audit_fails {
            warn!(%error, "the audit log cannot be written: the rest goes on");
            self.audit_fails = true;
        }
        self.audit_fails
    }

    /// Lines for a syslog server.
    pub(super) fn audit_batch(&mut self, after: u64) -> Result<Batch, Failure> {
        let source = format!("hub {}", self.settings.hub.name);
        let from = (source.as_str(), "karez-receiver");
        Ok(self.audit.batch(&mut self.store, from, after)?)
    }

    /// `audit list`: lines after a number, the oldest first.
    pub(super) fn audit_lines(&mut self, after: u64, xml: bool) -> Result<Value, Failure> {
        // What waits is shown too, unless the disk does not take it.
        self.make_durable();
        let lines = audit::lines(&mut self.store, after, AUDIT_PAGE)?;
        let source = format!("hub {}", self.settings.hub.name);
        let last = lines.last().map_or(after, |line| line.number);
        let shown: Vec<Value> = match xml {
            true => {
                let messages = lines
                    .iter()
                    .filter_map(|line| audit::message(&source, line));
                messages.map(Value::String).collect()
            }
            false => lines.iter().map(audit::Line::to_json).collect(),
        };
        Ok(json!({ "lines": shown, "last": last, "more": lines.len() == AUDIT_PAGE }))
    }

    /// `audit verify`: the chain from end to end, its head in this hub's receipts, and what
    /// clinics have seen.
    pub(super) fn audit_verify(&mut self, heads: &[(String, String)]) -> Result<Value, Failure> {
        let mut witnesses = Vec::new();
        for (who, head) in heads {
            let head = Head::from_text(head).ok_or_else(|| {
                Failure::usage(format!("`{head}` is no head of an audit log"))
                    .fix("Give what `karez-sender audit witnesses` printed")
            })?;
            witnesses.push(Witness {
                who: who.clone(),
                head,
            });
        }
        for receipt in self
            .registry
            .receipts
            .values()
            .flat_map(|all| all.values().flatten())
        {
            witnesses.push(Witness {
                who: "a receipt of this hub".into(),
                head: Head::from_bytes(&receipt.0.audit),
            });
        }
        let answer = match audit::check(&mut self.store, &witnesses)? {
            Ok(checked) => json!({ "whole": true, "checked": checked, "at": utc(self.env.wall()) }),
            Err(broken) => json!({
                "whole": false,
                "file": broken.file,
                "line": broken.line,
                "what": broken.what,
            }),
        };
        Ok(answer)
    }
}

/// On what a hand-off rests, in a word.
pub(super) const fn rests_on(proof: Proof) -> &'static str {
    match proof {
        Proof::Rebuilt => "rebuilt",
        Proof::Status => "status",
        Proof::Query => "query",
        Proof::Commitment => "commitment",
        Proof::ReadBack => "read-back",
    }
}

fn clinic(name: &str) -> String {
    format!("clinic {name}")
}

fn changed(note: Note, name: &str, how: &str) -> Note {
    note.with(&format!("target {name}")).saying(how)
}

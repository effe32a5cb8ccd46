//! What goes into the audit log, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet};

use karez_host::Failure;
use karez_host::audit::syslog::Batch;
use karez_host::audit::{self, Event, Head, Line, Note};
use karez_host::limits::AUDIT_PAGE;
use karez_protocol::id::{SegmentId, StudyId};
use karez_protocol::manifest::{Receipt, ReceiptKind};
use karez_protocol::resume::RunSet;
use karez_protocol::seal::Signed;
use karez_protocol::wire::decode;
use serde_json::{Value, json};

use super::Engine;
use super::entry::RECEIPTS;
use crate::limits::{AUDIT_COUNTS, AUDIT_WITNESSES};

/// Who does what nobody asked for.
pub(crate) const DAEMON: &str = "daemon";
/// Before the highest order that a line about accepted instances counts.
const THROUGH: &str = "to image ";

/// Instances that were accepted and that no line counts yet, by study and by where they came
/// from.
pub(super) type Counts = BTreeMap<(StudyId, String), u64>;

impl Engine {
    /// A line about now, by whoever gave the command, or by the daemon itself.
    pub(super) fn line(&self, event: Event) -> Note {
        Note::new(self.shared.env.wall(), event).by(&self.actor)
    }

    /// Adds a line; durable with the next commit.
    pub(super) fn note(&mut self, note: &Note) {
        self.audit.add(note);
    }

    /// What an earlier process had accepted and no line counts is counted now.
    pub(super) fn recount(&mut self) {
        let through = self
            .audit
            .last(Event::Accepted)
            .map(|note| note.detail.clone());
        let through = through.and_then(|text| text.strip_prefix(THROUGH)?.parse::<u64>().ok());
        let uncounted = self.tables.instances.range(through.map_or(0, |n| n + 1)..);
        let mut counts = Counts::new();
        for instance in uncounted.map(|(_, instance)| instance) {
            let key = (instance.accepted.study, "before the last start".to_owned());
            *counts.entry(key).or_default() += 1;
        }
        self.counted = counts;
        self.note_accepted();
    }

    /// The daemon begins to work.
    pub(super) fn note_start(&mut self) {
        let version = env!("CARGO_PKG_VERSION");
        self.note(&self.line(Event::Started).saying(version));
        let settings = serde_json::to_vec(&*self.shared.settings).unwrap_or_default();
        let hash = blake3::hash(&settings).to_hex();
        let hash = hash.as_str().split_at(16).0;
        let before = self.audit.last(Event::Configured);
        if before.is_none_or(|before| before.detail != hash) {
            self.note(&self.line(Event::Configured).saying(hash));
        }
    }

    /// An instance is accepted.
    pub(super) fn count_accepted(&mut self, study: StudyId, source: &str) {
        *self.counted.entry((study, source.to_owned())).or_default() += 1;
        if self.counted.len() > AUDIT_COUNTS {
            self.note_accepted();
        }
    }

    /// A line for each study and source from which instances came since the last ones.
    pub(super) fn note_accepted(&mut self) {
        let through = format!("{THROUGH}{}", self.tables.next_order.saturating_sub(1));
        for ((study, source), count) in std::mem::take(&mut self.counted) {
            let note = self.line(Event::Accepted).with(&source).of(study);
            self.note(&note.counting(count).saying(&through));
        }
    }

    /// A receipt released records.
    pub(super) fn note_released(
        &mut self,
        segment: SegmentId,
        records: &RunSet,
        kind: ReceiptKind,
    ) {
        let Some(owner) = self.tables.segments.get(&segment) else {
            return;
        };
        let firsts = owner.instances.keys();
        let count = firsts.filter(|first| records.contains(**first)).count();
        let note = Note::new(self.shared.env.wall(), Event::Released).with("hub");
        let note = note.of(owner.study).counting(count as u64);
        self.note(&note.saying(kind.name()));
    }

    /// Lines for a syslog server.
    pub(super) fn audit_batch(&mut self, after: u64) -> Result<Batch, Failure> {
        let source = self.name();
        let from = (source.as_str(), "karez-sender");
        Ok(self.audit.batch(&mut self.store, from, after)?)
    }

    /// `audit list`: lines after a number, the oldest first.
    pub(super) fn audit_lines(&mut self, after: u64, xml: bool) -> Result<Value, Failure> {
        // What waits is shown too, unless the disk does not take it.
        self.sync();
        let lines = audit::lines(&mut self.store, after, AUDIT_PAGE)?;
        let last = lines.last().map_or(after, |line| line.number);
        let source = self.name();
        let shown: Vec<Value> = match xml {
            true => {
                let messages = lines
                    .iter()
                    .filter_map(|line| audit::message(&source, line));
                messages.map(Value::String).collect()
            }
            false => lines.iter().map(Line::to_json).collect(),
        };
        Ok(json!({ "lines": shown, "last": last, "more": lines.len() == AUDIT_PAGE }))
    }

    /// `audit verify`.
    pub(super) fn audit_verify(&mut self) -> Result<Value, Failure> {
        Ok(match audit::check(&mut self.store, &[])? {
            Ok(checked) => json!({ "whole": true, "checked": checked }),
            Err(broken) => json!({
                "whole": false,
                "file": broken.file,
                "line": broken.line,
                "what": broken.what,
            }),
        })
    }

    /// `audit witnesses`: the heads of the hub's chain that its receipts have shown us.
    pub(super) fn audit_witnesses(&mut self) -> Result<Value, Failure> {
        let mut heads = BTreeSet::new();
        self.store.journal_read_all(RECEIPTS, &mut |_, bytes| {
            let signed = decode::<Signed>(bytes).ok();
            let receipt = signed.and_then(|signed| decode::<Receipt>(&signed.body).ok());
            heads.extend(receipt.map(|receipt| Head::from_bytes(&receipt.audit)));
            if heads.len() > AUDIT_WITNESSES {
                heads.pop_first();
            }
        })?;
        heads.remove(&Head::default());
        let heads: Vec<String> = heads.iter().map(Head::text).collect();
        let hub = self.hub.as_ref().map(|hub| hub.peer.to_string());
        Ok(json!({ "clinic": self.name(), "hub": hub, "heads": heads }))
    }

    fn name(&self) -> String {
        let known = self.hub.as_ref().map(|hub| hub.name.clone());
        match known.filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => self.shared.settings.name.clone(),
        }
    }
}

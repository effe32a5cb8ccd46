//! Opening: the store, the journals, and each clinic's sink from what the store holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use karez_host::audit::AuditLog;
use karez_host::{Env, Failure};
use karez_protocol::id::{Epoch, HubKeyId, PeerId, ProcessId, SegmentId};
use karez_protocol::manifest::SegmentHead;
use karez_protocol::resume::What;
use karez_protocol::seal::Signed;
use karez_protocol::session::{LINK_NOTE, Link, Sink};
use karez_protocol::units::Moment;
use karez_protocol::wire::{Frame, decode};
use karez_quic::Admission;
use karez_store::{Kind, Options, Recovery, Store};
use tracing::{info, warn};

use super::confirm::Confirming;
use super::objects::Claims;
use super::queue::Queue;
use super::scrub::Scrub;
use super::targets::Targets;
use super::{Clinic, Engine};
use crate::admit::Doors;
use crate::daemon::DAEMON;
use crate::handoff::Reports;
use crate::keys::Keys;
use crate::limits::FULL_CHECK;
use crate::registry::Registry;
use crate::settings::Settings;

impl Engine {
    /// Opens a data directory, which is then this process's alone.
    ///
    /// # Errors
    /// Another process has it, or it cannot be read.
    pub(crate) fn open(
        env: Arc<dyn Env>,
        dir: &Path,
        settings: Settings,
        keys: Arc<Keys>,
        doors: Arc<Doors>,
        reports: Arc<Reports>,
    ) -> Result<Self, Failure> {
        let (mut salt, mut process) = ([0; 16], [0; 8]);
        env.entropy(&mut salt);
        env.entropy(&mut process);
        let opened = Store::open_with(env.disk(), dir, Options { salt });
        let (mut store, recovery) = opened.map_err(|e| Failure::from(e).at(dir.display()))?;
        let (registry, rotten_entries) = Registry::replay(&mut store)?;
        let audit = AuditLog::open(&mut store)?;
        let now = env.now();
        let mut engine = Self {
            settings,
            keys,
            registry,
            store,
            clinics: BTreeMap::new(),
            targets: Targets::default(),
            full: None,
            audit,
            audit_fails: false,
            actor: DAEMON.to_owned(),
            serves: false,
            rotten_entries,
            unreadable: unreadable(&recovery),
            doors,
            start: now,
            process: ProcessId(process),
            epoch: Epoch([0; 8]),
            owners: BTreeMap::new(),
            writing: BTreeMap::new(),
            staged: Vec::new(),
            resent: BTreeMap::new(),
            studies: BTreeMap::new(),
            queue: Queue::default(),
            claims: Claims::default(),
            contested: BTreeMap::new(),
            again: BTreeMap::new(),
            confirming: Confirming::default(),
            reports,
            idle: Vec::new(),
            scrub: Scrub::new(now),
            rot_at: None,
            rotten: BTreeSet::new(),
            unread: BTreeMap::new(),
            unread_at: None,
            evicted: BTreeMap::new(),
            evict_at: now,
            space_at: now,
            full_pause: FULL_CHECK,
            stopping: None,
            env,
        };
        engine.keys.ring.raise(HubKeyId(engine.registry.newest_key));
        engine.epoch = engine.draw_epoch();
        engine.targets_changed();
        engine.find_owners();
        let peers: Vec<PeerId> = engine.registry.clinics.keys().copied().collect();
        for peer in peers {
            engine.enter_clinic(peer);
        }
        engine.make_durable();
        engine.say_open();
        Ok(engine)
    }

    fn say_open(&self) {
        let (clinics, segments) = (self.clinics.len(), self.owners.len());
        info!(clinics, segments, "the store is open");
    }

    /// Makes a clinic of the registry known to doors and sinks, or takes note that it changed.
    pub(super) fn enter_clinic(&mut self, peer: PeerId) {
        let Some(enrolled) = self.registry.clinics.get(&peer) else {
            return;
        };
        let (name, revoked) = (enrolled.name.clone(), enrolled.revoked);
        let admission = match revoked {
            true => Admission::Revoked,
            false => Admission::Welcome,
        };
        self.doors.set(peer, admission);
        if let Some(clinic) = self.clinics.get_mut(&peer) {
            (clinic.name, clinic.revoked) = (name, revoked);
            return;
        }
        let sink = Sink::new(self.keys.me, peer, self.keys.ring.clone(), self.epoch);
        self.clinics.insert(peer, Clinic::new(name, revoked, sink));
        self.restore_clinic(peer, self.epoch);
    }

    /// Builds a clinic's sink anew from the store.
    pub(super) fn restore_clinic(&mut self, peer: PeerId, epoch: Epoch) {
        let now = self.moment();
        let mut sink = Sink::new(self.keys.me, peer, self.keys.ring.clone(), epoch);
        self.restore_classes(peer, &mut sink);
        let owned = self.owners.iter().filter(|(_, owner)| **owner == peer);
        let owned: Vec<SegmentId> = owned.map(|(segment, _)| *segment).collect();
        self.evicted.retain(|segment, _| !owned.contains(segment));
        let mut links = BTreeMap::new();
        let mut whole = Vec::new();
        for segment in owned {
            let head = self.store.head(segment).map(<[u8]>::to_vec);
            match sink.restore_head(&head.unwrap_or_default()) {
                Ok(_) => {
                    self.restore_segment(segment, &mut sink, &mut links);
                    whole.push(segment);
                }
                Err(error) => warn!(segment = segment.short(), %error, "a segment stays closed"),
            }
        }
        let receipts = self.registry.receipts.get(&peer);
        let receipts = receipts.into_iter().flat_map(BTreeMap::values).flatten();
        // What was said to be said and is not durable yet stays to be said.
        let before = self.clinics.get_mut(&peer).map(|c| &mut c.attested);
        let mut attested = before.map(std::mem::take).unwrap_or_default();
        for (receipt, signed) in receipts {
            sink.keep_receipt(receipt, signed);
            for named in &receipt.records {
                attested
                    .entry(named.segment)
                    .or_default()
                    .learn(receipt, named);
            }
        }
        if let Some(reason) = self.why_nothing_from(peer) {
            sink.set_full(&reason);
        }
        for segment in whole {
            sink.restored(now, segment);
        }
        if let Some(clinic) = self.clinics.get_mut(&peer) {
            (clinic.sink, clinic.links, clinic.attested) = (sink, links, attested);
        }
        self.keep_quota(peer);
    }

    fn restore_classes(&self, peer: PeerId, sink: &mut Sink) {
        let of_peer = |((clinic, _), _): &(&(PeerId, _), _)| *clinic == peer;
        for ((_, study), (class, counter)) in self.registry.classes.iter().filter(of_peer) {
            let priority = Frame::Priority {
                study: *study,
                class: *class,
                counter: *counter,
            };
            if let Err(error) = sink.handle_frame(Moment::default(), priority) {
                warn!(%error, "a study's class is not restored");
            }
        }
    }

    fn restore_segment(
        &mut self,
        segment: SegmentId,
        sink: &mut Sink,
        links: &mut BTreeMap<(SegmentId, u64), Vec<Link>>,
    ) {
        for token in self.store.held(segment, Kind::Record) {
            let What::Record(number) = token.what() else {
                continue;
            };
            let bytes = self.store.read(segment, Kind::Record, number);
            let restored = bytes.map_err(|e| e.to_string());
            let restored = restored
                .and_then(|bytes| sink.restore_record(token, bytes).map_err(|e| e.to_string()));
            if let Err(error) = restored {
                warn!(
                    segment = segment.short(),
                    number, error, "a record does not count as held"
                );
            }
        }
        #[cfg(feature = "mutants")]
        if karez_store::mutant::is_on(karez_store::mutant::Mutant::Forgetful) {
            return;
        }
        for token in self.store.held(segment, Kind::Chunk) {
            sink.restore_chunk(token);
        }
        self.restore_evicted(segment, sink);
        for token in self.store.held(segment, Kind::Note(LINK_NOTE)) {
            let What::Note(_, number) = token.what() else {
                continue;
            };
            let Ok(bytes) = self.store.read(segment, Kind::Note(LINK_NOTE), number) else {
                continue;
            };
            sink.restore_link(token, &bytes);
            if let Ok(link) = decode::<Link>(&bytes) {
                links.entry((segment, link.record)).or_default().push(link);
            }
        }
    }

    /// Whose each segment is, by its signed head.
    fn find_owners(&mut self) {
        let segments: Vec<SegmentId> = self.store.segments().collect();
        for segment in segments {
            let head = self.store.head(segment).unwrap_or_default();
            let signed = decode::<Signed>(head).ok();
            match signed.and_then(|signed| SegmentHead::read(&signed).ok()) {
                Some(head) => drop(self.owners.insert(segment, head.names().sender)),
                None => warn!(segment = segment.short(), "a segment's head cannot be read"),
            }
        }
    }
}

/// What could not be opened, in words.
fn unreadable(recovery: &Recovery) -> Vec<String> {
    let segments = recovery.segments.values().chain(recovery.journals.values());
    let failed = segments.filter_map(|found| found.failed.as_ref());
    failed.map(ToString::to_string).collect()
}

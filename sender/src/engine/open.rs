//! After a start: what the store says of instances, studies, segments and receipts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use karez_host::Failure;
use karez_protocol::id::{PartTag, PeerId, SegmentId, StudyId};
use karez_protocol::manifest::SegmentHead;
use karez_protocol::seal::Signed;
use karez_protocol::session::{RecordInfo, SourceEvent};
use karez_protocol::wire::decode;
use karez_store::{Error, Kind, Options, Store};

use super::entry::{
    Accepted, Costs, Entry, INGEST, RECEIPTS, RECORD_NOTE, RecordNote, STUDIES, StudyFacts, TAGS,
    TOTALS,
};
use super::table::{Place, Segment};
use super::{Engine, Shared};
use crate::hub::HubInfo;

/// Opens the store of a data directory.
pub(super) fn store(shared: &Shared) -> Result<Store, Failure> {
    let mut salt = [0; 16];
    shared.env.entropy(&mut salt);
    let opened = Store::open_with(shared.env.disk(), &shared.dir, Options { salt });
    let (store, recovery) = opened.map_err(|error| match error {
        Error::Locked => Failure::new("another process works on the data directory")
            .at(shared.dir.display())
            .fix("Stop it first, or give another directory with --data"),
        error => Failure::new(error.to_string()).at(shared.dir.display()),
    })?;
    for (segment, found) in &recovery.segments {
        if !found.is_clean() {
            tracing::warn!(segment = %segment.short(), ?found, "a pack was made whole");
        }
    }
    for (journal, found) in &recovery.journals {
        if !found.is_clean() {
            tracing::warn!(journal, ?found, "a journal was made whole");
        }
    }
    Ok(store)
}

/// Whose the segments here are: the hub that is known, or, if that knowledge was lost, the one
/// that they are sealed to.
pub(super) fn receiver(store: &Store, hub: Option<&HubInfo>) -> Option<PeerId> {
    let sealed_to = || {
        let heads = store.segments().filter_map(|id| store.head(id));
        let mut heads = heads.filter_map(|bytes| decode::<Signed>(bytes).ok());
        heads.find_map(|signed| Some(SegmentHead::read(&signed).ok()?.names().receiver))
    };
    hub.map(|hub| hub.peer).or_else(sealed_to)
}

/// A segment as its pack has it.
struct Found {
    id: SegmentId,
    /// Records up to the end of the last whole instance.
    records: Vec<RecordInfo>,
    /// Of each whole instance: its order, its first record and the end of its records.
    instances: Vec<(u64, u64, u64)>,
}

impl Engine {
    /// Brings back everything that an earlier process made durable.
    pub(super) fn restore(&mut self) -> Result<(), Failure> {
        self.restore_tags()?;
        let accepted = self.read_ingest()?;
        let facts = self.read_studies()?;
        let mut sealed = BTreeMap::new();
        for id in self.store.segments().collect::<Vec<_>>() {
            self.restore_segment(id, &facts, &mut sealed)?;
        }
        self.source.doubt_all();
        self.restore_instances(accepted, &sealed, &facts)?;
        self.restore_receipts()?;
        self.restore_commitments()?;
        self.restore_link()?;
        self.shared.unsealed.store(
            self.tables.unsealed().map(|a| a.length).sum(),
            Ordering::Relaxed,
        );
        Ok(())
    }

    fn restore_tags(&mut self) -> Result<(), Failure> {
        let tags = self.tags.clone();
        let mut count = 0;
        self.read(TAGS, &mut |bytes| {
            for tag in bytes.as_chunks::<16>().0 {
                tags.meet(PartTag(*tag));
                count += 1;
            }
        })?;
        self.journal_entries.insert(TAGS, count);
        Ok(())
    }

    fn read_ingest(&mut self) -> Result<BTreeMap<u64, Accepted>, Failure> {
        let mut accepted = BTreeMap::new();
        let (mut next, mut bad) = (0, 0);
        self.read(INGEST, &mut |bytes| match Entry::from_bytes(bytes) {
            Ok(Entry::Accepted(entry)) => {
                next = next.max(entry.order + 1);
                accepted.insert(entry.order, entry);
            }
            Ok(Entry::Evicted(orders)) => orders.iter().for_each(|o| drop(accepted.remove(o))),
            Err(_) => bad += 1,
        })?;
        self.tables.next_order = next;
        if bad > 0 {
            return Err(Failure::new(format!(
                "{bad} entries of the journal `{INGEST}` are of a newer version"
            ))
            .fix("Use the newer program"));
        }
        Ok(accepted)
    }

    fn read_studies(&mut self) -> Result<BTreeMap<StudyId, StudyFacts>, Failure> {
        let mut studies = BTreeMap::new();
        self.read(STUDIES, &mut |bytes| {
            if let Ok((study, facts)) = StudyFacts::from_bytes(bytes) {
                studies.insert(study, facts);
            }
        })?;
        let mut costs = Costs::default();
        self.read(TOTALS, &mut |bytes| {
            costs = Costs::from_bytes(bytes).unwrap_or(costs);
        })?;
        self.link.earlier = costs;
        self.link.written = costs;
        Ok(studies)
    }

    /// Reads one segment's pack. What of it belongs to no whole instance is as if it were not
    /// there: that instance is packed again from its ingest file.
    fn restore_segment(
        &mut self,
        id: SegmentId,
        facts: &BTreeMap<StudyId, StudyFacts>,
        sealed: &mut BTreeMap<u64, Place>,
    ) -> Result<(), Failure> {
        let head = self.store.head(id).map(decode::<Signed>);
        let Some(Ok(head)) = head.map(|h| h.map(|s| SegmentHead::read(&s))) else {
            tracing::error!(segment = %id.short(), "a pack has no readable head; it is left alone");
            return Ok(());
        };
        let Ok(head) = head else {
            tracing::error!(segment = %id.short(), "a pack's head does not hold; it is left alone");
            return Ok(());
        };
        let found = self.find(id).map_err(|e| Failure::new(e.to_string()))?;
        if found.instances.is_empty() {
            // Nothing in it was ever whole, so nothing of it was ever attested.
            if let Err(error) = self.store.remove_segment(id) {
                tracing::warn!(%error, "an unfinished segment could not be removed");
            }
            return Ok(());
        }
        let (now, study) = (self.now(), head.study());
        let facts = facts.get(&study).cloned().unwrap_or_default();
        let class = (facts.class, facts.counter);
        self.source
            .resume_study(now, study, class, facts.withdrawn.is_some());
        self.source.open_segment(study, id);
        let entry = self.tables.studies.entry(study).or_default();
        entry.facts = facts;
        entry.segments.push(id);
        let mut segment = Segment::new(study);
        segment.whole = found.records.len() as u64;
        for record in found.records {
            let added = self.source.add_record(now, id, record);
            added.map_err(|e| Failure::new(e.to_string()))?;
        }
        for (order, first, end) in found.instances {
            segment.instances.insert(first, order);
            sealed.insert(order, Place::Sealed(id, first..end));
        }
        self.tables.segments.insert(id, segment);
        Ok(())
    }

    fn find(&mut self, id: SegmentId) -> Result<Found, Error> {
        let mut notes = BTreeMap::new();
        self.store.notes(id, &mut |tag, number, bytes| {
            if tag == RECORD_NOTE
                && let Ok(note) = RecordNote::from_bytes(bytes)
            {
                notes.insert(number, note);
            }
        })?;
        let there = |kind| -> karez_protocol::resume::RunSet {
            self.store.runs(id, kind).into_iter().collect()
        };
        let (records, chunks) = (there(Kind::Record), there(Kind::Chunk));
        let rotten: BTreeSet<(Kind, u64)> = self.store.rotten(id).into_iter().collect();
        let mut found = Found {
            id,
            records: Vec::new(),
            instances: Vec::new(),
        };
        let mut begun = Vec::new();
        for (number, note) in (0..).map_while(|n| notes.get(&n).map(|note| (n, note))) {
            // What is neither there nor rotten was torn off with the end of the pack: it was never
            // durable, and its instance still has its ingest file.
            let record = records.contains(number) || rotten.contains(&(Kind::Record, number));
            let missing = chunks.missing(&(note.first_chunk..note.end_chunk));
            let rots = |chunk| rotten.contains(&(Kind::Chunk, chunk));
            if !record || !missing.iter().flatten().all(rots) {
                break;
            }
            begun.push(record_info(note));
            if note.last {
                let first = found.records.len() as u64;
                found.records.append(&mut begun);
                found.instances.push((note.order, first, number + 1));
            }
        }
        tracing::debug!(segment = %found.id.short(), records = found.records.len(), "found");
        Ok(found)
    }

    fn restore_instances(
        &mut self,
        accepted: BTreeMap<u64, Accepted>,
        sealed: &BTreeMap<u64, Place>,
        facts: &BTreeMap<StudyId, StudyFacts>,
    ) -> Result<(), Failure> {
        let failed = |e: Error| Failure::new(e.to_string());
        let now = self.now();
        let mut blobs: BTreeSet<String> = self
            .shared
            .blobs
            .names()
            .map_err(failed)?
            .into_iter()
            .collect();
        for (order, mut entry) in accepted {
            let place = match sealed.get(&order) {
                Some(place) => place.clone(),
                None if blobs.remove(&entry.blob) => Place::Waiting,
                None => {
                    Place::Lost("neither its ingest file nor its segment is on the disk".into())
                }
            };
            if matches!(place, Place::Sealed(..)) {
                entry.secret = Vec::new();
            }
            let study = entry.study;
            self.tables.enter(entry, place, now);
            if let (Some(facts), Some(owner)) =
                (facts.get(&study), self.tables.studies.get_mut(&study))
            {
                owner.facts = facts.clone();
            }
        }
        self.adopt(sealed);
        // What is left was never accepted, or is sealed and durable in a segment.
        for name in blobs {
            self.shared.blobs.remove(&name).map_err(failed)?;
        }
        Ok(())
    }

    /// Instances in packs of which the journal does not know: it was damaged, or an eviction was
    /// cut short.
    fn adopt(&mut self, sealed: &BTreeMap<u64, Place>) {
        for (order, place) in sealed {
            if self.tables.instances.contains_key(order) {
                continue;
            }
            let Place::Sealed(segment, _) = place else {
                continue;
            };
            let Some(study) = self.tables.segments.get(segment).map(|s| s.study) else {
                continue;
            };
            let entry = Accepted {
                order: *order,
                blob: String::new(),
                index_key: [0; 16],
                study,
                length: 0,
                origin: karez_protocol::manifest::Origin::File,
                secret: Vec::new(),
                at: 0,
                whole: true,
                name: [0; 16],
            };
            let now = self.now();
            self.tables.enter(entry, place.clone(), now);
        }
    }

    fn restore_receipts(&mut self) -> Result<(), Failure> {
        let mut receipts = Vec::new();
        self.read(RECEIPTS, &mut |bytes| {
            receipts.extend(decode::<Signed>(bytes));
        })?;
        for signed in receipts {
            match self.source.replay_receipt(&signed) {
                Ok(receipt) => {
                    let named = receipt.records.iter().map(|r| r.segment);
                    let here = &self.tables.segments;
                    self.evicted
                        .extend(named.filter(|id| !here.contains_key(id)));
                }
                Err(error) => tracing::warn!(%error, "a receipt of the journal does not hold"),
            }
        }
        while let Some(event) = self.source.poll_event() {
            if let SourceEvent::Parked { study, reason } = event
                && let Some(study) = self.tables.studies.get_mut(&study)
            {
                study.parked = Some(reason);
            }
        }
        Ok(())
    }

    pub(super) fn read(
        &mut self,
        name: &'static str,
        show: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Failure> {
        let mut count = 0;
        let read = self.store.journal_read_all(name, &mut |_, bytes| {
            count += 1;
            show(bytes);
        });
        self.journal_entries.insert(name, count);
        let rotten = read.map_err(|e| Failure::new(e.to_string()))?;
        if rotten > 0 {
            tracing::error!(journal = name, rotten, "parts of a journal rotted");
        }
        Ok(())
    }
}

fn record_info(note: &RecordNote) -> RecordInfo {
    RecordInfo {
        chunks: note.first_chunk..note.end_chunk,
        bytes: note.bytes,
        hash: note.hash,
        starts: note.starts,
        repeats: note.repeats.iter().map(|(from, to)| *from..*to).collect(),
    }
}

//! From a sink's wishes to the disk, and from the disk's word back to the sink.

use karez_protocol::id::{PeerId, SegmentId};
use karez_protocol::resume::{Stored, What};
use karez_protocol::session::{LINK_NOTE, Link, SinkEvent};
use karez_protocol::wire::decode;
use karez_store::{Commit, Error, Kind};
use tracing::{debug, warn};

use super::Engine;
use crate::limits::FULL_CHECK;

/// Something that was appended and waits for the sync.
pub(super) struct Writing {
    clinic: PeerId,
    link: Option<Link>,
}

impl Engine {
    /// Does what a clinic's sink wants done.
    pub(super) fn collect(&mut self, peer: PeerId) {
        while let Some(event) = self
            .clinics
            .get_mut(&peer)
            .and_then(|c| c.sink.poll_event())
        {
            match event {
                SinkEvent::Persist {
                    segment,
                    what,
                    bytes,
                } => self.persist(peer, segment, what, &bytes),
                SinkEvent::Instance {
                    study,
                    segment,
                    first,
                    end,
                } => self.is_whole(peer, study, segment, first..end),
                SinkEvent::Class(study, _) => self.requeue_study(peer, study),
                SinkEvent::Gone { study, segment, .. } => {
                    warn!(
                        clinic = peer.short(),
                        study = study.short(),
                        segment = segment.short(),
                        "a clinic no longer has what it had announced"
                    );
                    self.attest_apart(peer, study, segment);
                }
                SinkEvent::Revised(study, _) => {
                    debug!(
                        clinic = peer.short(),
                        study = study.short(),
                        "a study fell quiet"
                    );
                }
            }
        }
    }

    fn persist(&mut self, peer: PeerId, segment: SegmentId, what: What, bytes: &[u8]) {
        let appended = match what {
            What::Head => self.store.create_segment(segment, bytes),
            What::Record(n) => self.store.append(segment, Kind::Record, n, bytes),
            What::Chunk(n) => self.store.append(segment, Kind::Chunk, n, bytes),
            What::Note(tag, n) => self.store.append(segment, Kind::Note(tag), n, bytes),
        };
        let link = match what {
            What::Note(LINK_NOTE, _) => decode(bytes).ok(),
            _ => None,
        };
        match appended {
            Ok(()) if what == What::Head => {
                self.owners.insert(segment, peer);
            }
            Ok(()) => {
                let writing = Writing { clinic: peer, link };
                self.writing.insert((segment, what), writing);
            }
            Err(error) => {
                self.not_stored(peer, segment, what);
                self.disk_failed(&error);
            }
        }
    }

    /// Syncs all that was appended, and goes on until nothing more comes of it.
    pub(super) fn make_durable(&mut self) {
        self.stage_resent();
        loop {
            let peers: Vec<PeerId> = self.clinics.keys().copied().collect();
            peers.into_iter().for_each(|peer| self.collect(peer));
            let more = !self.writing.is_empty() || self.has_staged();
            if !more || self.commit().is_err() {
                return;
            }
        }
    }

    /// One sync. What it made durable counts; what it did not is given back.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        let staged = self.append_staged();
        let (commit, outcome) = match self.store.commit() {
            Ok(commit) => (commit, Ok(())),
            // What other files made durable is proved by the next one.
            Err(error) => (self.store.commit().unwrap_or_default(), Err(error)),
        };
        self.audit.settle(&mut self.store);
        if !commit.entries.is_empty() {
            self.full_pause = FULL_CHECK;
        }
        self.proved(&commit);
        let failed = std::mem::take(&mut self.writing);
        for ((segment, what), writing) in failed {
            self.not_stored(writing.clinic, segment, what);
        }
        self.settle_staged(staged, outcome.as_ref().err());
        if let Err(error) = &outcome {
            self.disk_failed(error);
        }
        outcome
    }

    fn proved(&mut self, commit: &Commit) {
        let now = self.moment();
        for token in &commit.entries {
            let token: Stored = (*token).into();
            let key = (token.segment(), token.what());
            let Some(writing) = self.writing.remove(&key) else {
                continue;
            };
            if let Some(clinic) = self.clinics.get_mut(&writing.clinic) {
                if let Some(link) = writing.link {
                    let place = (token.segment(), link.record);
                    clinic.links.entry(place).or_default().push(link);
                }
                clinic.sink.stored(now, token);
            }
        }
    }

    fn not_stored(&mut self, peer: PeerId, segment: SegmentId, what: What) {
        if let Some(clinic) = self.clinics.get_mut(&peer) {
            clinic.sink.not_stored(segment, what);
        }
    }
}

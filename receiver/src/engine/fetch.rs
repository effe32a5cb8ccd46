//! Stored bytes for workers, and what becomes of rot.

use std::collections::BTreeSet;

use karez_host::audit::Event;
use karez_protocol::id::{Epoch, PeerId, SegmentId};
use karez_protocol::manifest::Receipt;
use karez_protocol::wire::Frame;
use karez_store::{Cursor, Error};
use tracing::warn;

use super::Engine;
use super::message::{Fetch, Fetched, Proved};

impl Engine {
    pub(super) fn fetch(&mut self, fetch: Fetch) -> Result<Fetched, Error> {
        match fetch {
            Fetch::Head(segment) => {
                let head = self.store.head(segment).map(<[u8]>::to_vec);
                Ok(Fetched::Bytes(vec![head.ok_or(Error::NoSegment(segment))?]))
            }
            Fetch::Entries(segment, kind, numbers) => {
                let read = |number| self.store.read(segment, kind, number);
                let entries: Result<Vec<_>, _> = numbers.map(read).collect();
                entries
                    .map(Fetched::Bytes)
                    .map_err(|error| self.noted(segment, error))
            }
            Fetch::Links(segment, records) => {
                let owner = self
                    .owners
                    .get(&segment)
                    .and_then(|peer| self.clinics.get(peer));
                let range = (segment, records.start)..(segment, records.end);
                let links = owner.map(|clinic| clinic.links.range(range));
                let links = links.into_iter().flatten().flat_map(|(_, links)| links);
                Ok(Fetched::Links(links.copied().collect()))
            }
        }
    }

    /// A record that an instance builds on, or a chunk of it, is not here: asks for it.
    pub(super) fn lacks(&mut self, peer: PeerId, segment: SegmentId, record: u64) {
        let clinic = self.clinics.get(&peer);
        if clinic.is_some_and(|c| c.sink.is_evicted(segment)) {
            return self.recall(segment);
        }
        if let Some(clinic) = self.clinics.get_mut(&peer) {
            clinic.sink.demand(segment, record);
        }
    }

    /// Where rot was found, or what was evicted is wanted again, the clinic's sink starts anew from what holds, with a new memory,
    /// and tells the clinic what is missing.
    pub(super) fn mend_rot(&mut self) {
        for segment in std::mem::take(&mut self.rotten) {
            let Some(peer) = self.owners.get(&segment).copied() else {
                continue;
            };
            warn!(
                segment = segment.short(),
                "stored bytes are not here, or have rotted: they are asked for again"
            );
            let mut to_tell = self.unsaid(peer);
            to_tell.insert(segment);
            let epoch = self.draw_epoch();
            self.restore_clinic(peer, epoch);
            let now = self.moment();
            if let Some(clinic) = self.clinics.get_mut(&peer) {
                // As if the clinic had asked: it hears what is held, and by which memory.
                for segment in to_tell {
                    let told = clinic.sink.handle_frame(now, Frame::Ask(vec![segment]));
                    if let Err(error) = told {
                        warn!(%error, "what is left of a segment cannot be told");
                    }
                }
                clinic.sink.ask_for_open();
            }
        }
    }

    /// The segments of receipts that a sink has not yet said: they would go down with it.
    fn unsaid(&mut self, peer: PeerId) -> BTreeSet<SegmentId> {
        let mut segments = BTreeSet::new();
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return segments;
        };
        while let Some(frame) = clinic.sink.poll_transmit() {
            if let Frame::Receipt(signed) = frame
                && let Ok(receipt) = Receipt::read(&self.keys.me, &peer, &signed)
            {
                segments.extend(receipt.records.iter().map(|named| named.segment));
            }
        }
        segments
    }

    pub(super) fn draw_epoch(&self) -> Epoch {
        let mut epoch = [0; 8];
        self.env.entropy(&mut epoch);
        #[cfg(feature = "mutants")]
        if karez_store::mutant::is_on(karez_store::mutant::Mutant::EpochKept) {
            return Epoch([0; 8]);
        }
        Epoch(epoch)
    }

    /// Proves some stored entries: one step of `verify`, or of the scrub. Of what cannot be read a
    /// new copy is asked for as well.
    pub(super) fn verify(&mut self, cursor: Option<Cursor>, most: u64) -> Proved {
        let walked = self.store.verify_next(cursor, most);
        for (segment, kind, number) in &walked.unreadable {
            self.store.condemn(*segment, *kind, *number);
        }
        let bad = walked.bad();
        if bad > 0 {
            let note = self.line(Event::Rotted).counting(bad);
            self.note(&note.saying("stored entries: they are asked for again"));
            self.rot_at = Some(self.now());
        }
        let all = walked.rotten.iter().chain(&walked.unreadable);
        self.rotten.extend(all.map(|(segment, _, _)| *segment));
        Proved {
            bytes: walked.bytes,
            bad,
            next: walked.next,
        }
    }
}

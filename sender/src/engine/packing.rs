//! What is packed next, and what becomes of it.

use std::io::ErrorKind;
use std::time::Duration;

use karez_host::env::{WorkLost, work};
use karez_imaging::{Level, Packer};
use karez_protocol::id::{Fingerprint, SegmentId, StudyId};
use karez_protocol::manifest::SegmentHead;
use karez_protocol::priority::Class;
use karez_protocol::units::Moment;
use karez_store::Error;

use super::Engine;
use super::entry::signed_bytes;
use super::table::{Open, Place, Segment};
use crate::ingest::{FINGERPRINT_BLOCK, IngestFile};
use crate::limits::{OPEN_SEGMENTS, PACK_TRIES, SEGMENT_RECORDS, STEP_BYTES, WARM_SEGMENTS};
use crate::outbox::{Output, Run, Sealer, StepError, StepTools};

/// A step's end. The secrets come back with it.
pub(super) struct StepDone {
    study: StudyId,
    segment: SegmentId,
    order: u64,
    /// From when it was given to a core.
    took: Duration,
    result: Result<Stepped, WorkLost>,
}

type Stepped = (Box<Sealer>, Box<Run>, Result<Output, StepError>);

/// A step's output on its way to the disk.
pub(super) struct Sealed {
    pub(super) study: StudyId,
    pub(super) segment: SegmentId,
    pub(super) order: u64,
    pub(super) output: Output,
    pub(super) sealer: Box<Sealer>,
    pub(super) run: Box<Run>,
    /// All of it was written, and waits for the commit.
    pub(super) written: bool,
}

impl Engine {
    /// Starts as many steps as there is room for, the most urgent first.
    pub(super) fn pack(&mut self) {
        if !self.shared.packs || self.stopping {
            return;
        }
        while !self.resting() && self.jobs + self.sealed.len() < self.packers {
            let Some((study, segment)) = self.next_to_pack() else {
                return;
            };
            if let Err(error) = self.start_step(study, segment) {
                return self.troubled(&error);
            }
        }
    }

    fn next_to_pack(&self) -> Option<(StudyId, Option<SegmentId>)> {
        self.hub_public.as_ref()?;
        let studies = self.tables.studies.iter();
        let ready = studies.filter_map(|(id, study)| {
            let (order, segment) = study.next_to_pack(self.packers)?;
            let wanted = study.facts.withdrawn.is_none();
            wanted.then_some(((study.facts.class, order), *id, segment))
        });
        let next: Option<((Class, u64), StudyId, Option<SegmentId>)> = ready.min();
        next.map(|(_, id, segment)| (id, segment))
    }

    fn start_step(&mut self, id: StudyId, segment: Option<SegmentId>) -> Result<(), Error> {
        let Some(segment) = self.open_segment(id, segment)? else {
            return Ok(());
        };
        let Some((order, mut run)) = self.next_run(id, segment) else {
            return Ok(());
        };
        self.tables.put(order, Place::Packing);
        let now = self.now();
        let open = self.tables.open_mut(id, segment);
        let Some((open, mut sealer)) = open.and_then(|o| o.sealer.take().map(|s| (o, s))) else {
            return Ok(());
        };
        (open.busy, open.used) = (true, now);
        let tools = StepTools {
            env: self.shared.env.clone(),
            keys: self.shared.keys.clone(),
            tags: self.tags.clone(),
        };
        let (env, done) = (self.shared.env.clone(), self.step_sender.clone());
        let length = self.tables.instances.get(&order);
        let length = length.map_or(0, |i| i.accepted.length);
        let cost = length.min(STEP_BYTES as u64);
        self.jobs += 1;
        tokio::spawn(async move {
            let step = move || {
                let output = sealer.step(&mut run, &tools);
                (sealer, run, output)
            };
            let begun = env.now();
            let result = work(&*env, cost, step).await;
            let (study, took) = (id, env.now().saturating_duration_since(begun));
            // The engine may have stopped; what was made is made again after the next start.
            let _ = done
                .send(StepDone {
                    study,
                    segment,
                    order,
                    took,
                    result,
                })
                .await;
        });
        Ok(())
    }

    /// The instance that was begun, else the one that has waited longest.
    fn next_run(&mut self, id: StudyId, segment: SegmentId) -> Option<(u64, Box<Run>)> {
        if let Some(begun) = self.tables.open_mut(id, segment)?.run.take() {
            return Some(begun);
        }
        let order = self.tables.studies.get_mut(&id)?.take_next(segment)?;
        let (level, codecs) = (self.level(), self.codecs);
        if let Some(sealer) = self.tables.open_mut(id, segment)?.sealer.as_mut() {
            sealer.begin(level, codecs);
        }
        let accepted = &self.tables.instances.get(&order)?.accepted;
        match begin(&self.shared, accepted) {
            Ok(run) => Some((order, Box::new(run))),
            Err(error) => {
                let place = self.unread(&error);
                self.tables.put(order, place);
                None
            }
        }
    }

    /// This open segment of the study's, or another one if it is full or none.
    fn open_segment(
        &mut self,
        id: StudyId,
        segment: Option<SegmentId>,
    ) -> Result<Option<SegmentId>, Error> {
        let full = |open: &Open| {
            let records = open.sealer.as_ref().map_or(0, |s| s.records());
            open.run.is_none() && records >= SEGMENT_RECORDS
        };
        if let Some(segment) = segment {
            match self.tables.open_mut(id, segment) {
                Some(open) if !full(open) => return Ok(Some(segment)),
                _ => self.close_segment(id, segment),
            }
        }
        self.close_idlest();
        let Some(public) = &self.hub_public else {
            return Ok(None);
        };
        let Some(peer) = self.hub.as_ref().map(|h| h.peer) else {
            return Ok(None);
        };
        let (mut name, mut random) = ([0; 16], [0; 32]);
        self.shared.env.entropy(&mut name);
        self.shared.env.entropy(&mut random);
        #[cfg(feature = "mutants")]
        if karez_store::mutant::is_on(karez_store::mutant::Mutant::SegmentAgain) {
            (name, random) = (id.0, [0; 32]);
        }
        let segment = SegmentId(name);
        let identity = &self.shared.keys.identity;
        let made = SegmentHead::open_new(identity, peer, public, id, segment, random);
        let Ok((key, head)) = made else {
            self.shared
                .line
                .problem("the hub's encryption key is malformed");
            return Ok(None);
        };
        self.store.create_segment(segment, &signed_bytes(&head))?;
        #[cfg(feature = "mutants")]
        if karez_store::mutant::is_on(karez_store::mutant::Mutant::KeyWritten) {
            self.store
                .journal_append("segment-keys", &*key.expose_for_search())?;
        }
        let now = self.now();
        let Some(study) = self.tables.studies.get_mut(&id) else {
            return Ok(None);
        };
        let class = (study.facts.class, study.facts.counter);
        let withdrawn = study.facts.withdrawn.is_some();
        self.source.resume_study(now, id, class, withdrawn);
        study.segments.push(segment);
        study.open.push(Open {
            segment,
            sealer: Some(Box::new(Sealer::new(key, Packer::new(Level::default())))),
            run: None,
            group: Default::default(),
            busy: false,
            used: now,
        });
        self.tables.segments.insert(segment, Segment::new(id));
        self.source.open_segment(id, segment);
        Ok(Some(segment))
    }

    /// Keeps the number of keys in memory bounded, and lets few of them keep what the next
    /// instance can build on.
    fn close_idlest(&mut self) {
        let open = self.tables.studies.iter();
        let open = open.flat_map(|(id, study)| study.open.iter().map(|open| (*id, open)));
        let idle = open.filter(|(_, open)| !open.busy && open.run.is_none());
        let idle = idle.map(|(id, open)| (open.used, id, open.segment));
        let mut idle: Vec<(Moment, StudyId, SegmentId)> = idle.collect();
        idle.sort_unstable();
        let cold = idle.len().saturating_sub(WARM_SEGMENTS);
        for (_, id, segment) in idle.iter().take(cold) {
            let open = self.tables.open_mut(*id, *segment);
            if let Some(sealer) = open.and_then(|o| o.sealer.as_mut()) {
                sealer.forget();
            }
        }
        let over = (idle.len() + 1).saturating_sub(OPEN_SEGMENTS);
        for (_, id, segment) in idle.into_iter().take(over) {
            self.close_segment(id, segment);
        }
    }

    pub(super) fn step_done(&mut self, done: StepDone) {
        self.jobs = self.jobs.saturating_sub(1);
        let StepDone {
            study,
            segment,
            order,
            took,
            result,
        } = done;
        if let Ok((_, _, Ok(output))) = &result {
            self.pace.made(output.bytes, took);
        }
        match result {
            Ok((sealer, run, Ok(output))) => self.sealed.push(Sealed {
                study,
                segment,
                order,
                output,
                sealer,
                run,
                written: false,
            }),
            Ok((_, _, Err(StepError::Read(error)))) => {
                let place = self.unread(&error);
                self.abandon((study, segment), order, place);
            }
            Ok((_, _, Err(StepError::Manifest(error)))) => {
                self.abandon(
                    (study, segment),
                    order,
                    Place::Lost(format!("it cannot be described: {error}")),
                );
            }
            Err(WorkLost) => self.abandon_by_bug((study, segment), order),
        }
    }

    /// Where an instance is whose ingest file could not be read: lost if it rotted or is not there,
    /// else where it was, for the disk may do better later.
    fn unread(&mut self, error: &std::io::Error) -> Place {
        let text = format!("an ingest file cannot be read: {error}");
        match error.kind() {
            ErrorKind::InvalidData | ErrorKind::NotFound | ErrorKind::UnexpectedEof => {
                Place::Lost(text)
            }
            _ => {
                self.note_trouble(text, false);
                Place::Waiting
            }
        }
    }

    /// A bug came in between: the instance is packed again, a few times.
    pub(super) fn abandon_by_bug(&mut self, at: (StudyId, SegmentId), order: u64) {
        let tries = self.tables.instances.get_mut(&order).map_or(0, |i| {
            i.tries += 1;
            i.tries
        });
        let place = match tries {
            0..PACK_TRIES => Place::Waiting,
            _ => Place::Lost("packing it fails by a bug; its bytes are kept".to_owned()),
        };
        self.abandon(at, order, place);
    }

    /// An instance cannot go on in its segment.
    fn abandon(&mut self, at: (StudyId, SegmentId), order: u64, place: Place) {
        let (study, segment) = at;
        let study_name = study.short();
        match &place {
            Place::Lost(why) => {
                tracing::error!(study = %study_name, order, why, "packing an instance was given up");
            }
            _ => tracing::warn!(study = %study_name, order, "packing an instance begins anew"),
        }
        if let Some(open) = self.tables.open_mut(study, segment) {
            open.busy = false;
        }
        self.close_segment(study, segment);
        self.tables.put(order, place);
    }
}

/// Opens an instance's ingest file.
fn begin(shared: &super::Shared, accepted: &super::entry::Accepted) -> std::io::Result<Run> {
    let file = IngestFile::open(&shared.blobs, &accepted.blob, &shared.keys.ingest)?;
    let fingerprint = file.open_beside(FINGERPRINT_BLOCK, &accepted.secret)?;
    let bytes = fingerprint.try_into();
    let bytes = bytes.map_err(|_| std::io::Error::from(ErrorKind::InvalidData))?;
    Ok(Run::new(file, accepted.origin, Fingerprint(bytes)))
}
